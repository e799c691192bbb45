/*
 * torchvision.ops.roi_align of one region. Bilinear weights are a product of one for the row and one for the column, and so is
 * their sum over a bin's grid of samples: a bin is a weighted sum of the pixels in some rows and columns, each read once however
 * many samples lie around it.
 */

/* Samples along one side of a bin that are taken together. Any fixed sampling ratio has fewer; large adaptive grids, more. */
enum { UK_SAMPLES = 8, UK_KEPT_BINS = 16 };

/* Rows or columns that samples lie between, ascending, each once. */
typedef struct uk_taps {
    int32_t count;
    int32_t at[2 * UK_SAMPLES];
    float weight[2 * UK_SAMPLES];
} uk_taps;

/* One side of a region on the feature map. */
typedef struct uk_side {
    float start, bin;
    int32_t grid, size;
} uk_side;

static inline void add_tap(uk_taps *taps, int32_t at, float weight)
{
    /* Samples ascend, so one that is known is among the last two. */
    for (int32_t i = taps->count - 1; i >= 0 && i >= taps->count - 2; i--)
        if (taps->at[i] == at) {
            taps->weight[i] += weight;
            return;
        }
    taps->at[taps->count] = at;
    taps->weight[taps->count++] = weight;
}

/* Samples [first, first + UK_SAMPLES) of a bin; those outside of the map (or NaN) count as zero. */
static inline void find_taps(const uk_side *side, int32_t bin, int32_t first, float factor, uk_taps *taps)
{
    int32_t end = side->grid - first < UK_SAMPLES ? side->grid : first + UK_SAMPLES;
    taps->count = 0;
    for (int32_t i = first; i < end; i++) {
        float p = side->start + (float)bin * side->bin + ((float)i + 0.5f) * side->bin / (float)side->grid;
        if (!(p >= -1.0f && p <= (float)side->size)) continue;
        p = p > 0 ? p : 0;
        int32_t low = (int32_t)p;
        if (low >= side->size - 1) {
            add_tap(taps, side->size - 1, factor);
            continue;
        }
        float upper = p - (float)low;
        add_tap(taps, low, (1.0f - upper) * factor);
        add_tap(taps, low + 1, upper * factor);
    }
}

typedef struct uk_corner {
    const float *pixel;
    float weight;
} uk_corner;

/* `wide` vectors of channels from `channel` on: summed up in registers. `output` is added to where it has a part already. */
#define UK_SUM_CORNERS(wide)                                                                                           \
    do {                                                                                                               \
        vec sum[wide];                                                                                                 \
        UK_UNROLL for (int v = 0; v < (wide); v++) sum[v] = more ? load(output + channel + v * UK_LANES) : (vec){0};   \
        for (int32_t i = 0; i < count; i++) {                                                                          \
            const float *in = corners[i].pixel + channel;                                                              \
            vec k = UK_BROADCAST(&corners[i].weight);                                                                  \
            UK_UNROLL for (int v = 0; v < (wide); v++) sum[v] += k * load(in + v * UK_LANES);                          \
        }                                                                                                              \
        UK_UNROLL for (int v = 0; v < (wide); v++) store(output + channel + v * UK_LANES, sum[v]);                     \
    } while (0)

static inline void sum_corners(const uk_corner *corners, int32_t count, int32_t channels, bool more, float *output)
{
    int32_t channel = 0;
    for (; channel + 8 * UK_LANES <= channels; channel += 8 * UK_LANES) UK_SUM_CORNERS(8);
    for (; channel + UK_LANES <= channels; channel += UK_LANES) UK_SUM_CORNERS(1);
    for (; channel < channels; channel++) {
        float sum = more ? output[channel] : 0;
        for (int32_t i = 0; i < count; i++) sum += corners[i].weight * corners[i].pixel[channel];
        output[channel] = sum;
    }
}

static inline uk_side side_of(const uk_roi *roi, float from, float to, int32_t size)
{
    float shift = roi->aligned ? 0.5f : 0.0f;
    float start = from * roi->spatial_scale - shift, extent = to * roi->spatial_scale - shift - start;
    if (!roi->aligned) extent = extent > 1.0f ? extent : 1.0f;
    uk_side side = {start, extent / (float)roi->pooled, roi->sampling_ratio, size};
    /* The caller clips boxes to the image, so an adaptive grid is bounded by the map's size. */
    if (side.grid <= 0) side.grid = (int32_t)ceilf(side.bin);
    return side;
}

static void roi_align(const uk_roi *roi, float *output)
{
    uk_side rows = side_of(roi, roi->box[1], roi->box[3], roi->height);
    uk_side columns = side_of(roi, roi->box[0], roi->box[2], roi->width);
    int64_t samples = (int64_t)rows.grid * columns.grid;
    float factor = 1.0f / (float)(samples > 1 ? samples : 1);
    int32_t channels = roi->channels, pooled = roi->pooled;

    uk_taps kept[UK_KEPT_BINS];
    bool is_kept = pooled <= UK_KEPT_BINS && columns.grid <= UK_SAMPLES;
    for (int32_t px = 0; is_kept && px < pooled; px++) find_taps(&columns, px, 0, 1, &kept[px]);

    for (int32_t py = 0; py < pooled; py++) {
        float *row = output + (int64_t)py * pooled * channels;
        bool is_first_row = true;
        for (int32_t iy = 0; iy < rows.grid || is_first_row; iy += UK_SAMPLES, is_first_row = false) {
            uk_taps y;
            find_taps(&rows, py, iy, factor, &y);
            for (int32_t px = 0; px < pooled; px++) {
                bool is_first = is_first_row;
                for (int32_t ix = 0; ix < columns.grid || ix == 0; ix += UK_SAMPLES, is_first = false) {
                    uk_taps found;
                    const uk_taps *x = is_kept ? &kept[px] : &found;
                    if (!is_kept) find_taps(&columns, px, ix, 1, &found);
                    uk_corner corners[4 * UK_SAMPLES * UK_SAMPLES];
                    int32_t count = 0;
                    for (int32_t i = 0; i < y.count; i++)
                        for (int32_t j = 0; j < x->count; j++)
                            corners[count++] = (uk_corner){
                                roi->features + ((int64_t)y.at[i] * roi->width + x->at[j]) * channels, y.weight[i] * x->weight[j]};
                    sum_corners(corners, count, channels, !is_first, row + (int64_t)px * channels);
                }
            }
        }
    }
}

/* to += weight * gradient */
static inline void add_scaled(const float *gradient, float weight, int32_t count, float *to)
{
    int32_t i = 0;
    vec k = UK_BROADCAST(&weight);
    for (; i + UK_LANES <= count; i += UK_LANES) store(to + i, load(to + i) + k * load(gradient + i));
    for (; i < count; i++) to[i] += weight * gradient[i];
}

/* Each bin's gradient goes to the pixels that the bin is a weighted sum of. */
static void roi_align_gradient(const uk_roi *roi, const float *gradient, int32_t first, int32_t count, float *target)
{
    uk_side rows = side_of(roi, roi->box[1], roi->box[3], roi->height);
    uk_side columns = side_of(roi, roi->box[0], roi->box[2], roi->width);
    int64_t samples = (int64_t)rows.grid * columns.grid;
    float factor = 1.0f / (float)(samples > 1 ? samples : 1);
    int32_t pooled = roi->pooled;
    for (int32_t py = 0; py < pooled; py++)
        for (int32_t px = 0; px < pooled; px++) {
            const float *bin = gradient + ((int64_t)py * pooled + px) * roi->channels + first;
            for (int32_t iy = 0; iy < rows.grid; iy += UK_SAMPLES) {
                uk_taps y;
                find_taps(&rows, py, iy, factor, &y);
                for (int32_t ix = 0; ix < columns.grid; ix += UK_SAMPLES) {
                    uk_taps x;
                    find_taps(&columns, px, ix, 1, &x);
                    for (int32_t i = 0; i < y.count; i++)
                        for (int32_t j = 0; j < x.count; j++)
                            add_scaled(bin, y.weight[i] * x.weight[j], count,
                                       target + ((int64_t)y.at[i] * roi->width + x.at[j]) * roi->channels + first);
                }
            }
        }
}
