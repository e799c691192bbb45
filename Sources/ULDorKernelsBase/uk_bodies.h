/*
 * The kernels' bodies, compiled once for each instruction set. The including file defines first:
 *   UK_TABLE   the table's symbol          UK_NAME   its name
 *   UK_ROWS    pixels of a register tile   UK_LANES  floats of a vector (divides UK_PANEL)
 *   UK_BROADCAST(pointer)  a vector of copies of one float
 * The arithmetic of one output value is the same chains over taps and channels in a fixed order, so its bits do not
 * depend on the tile it falls into.
 */
#include "ULDorKernelsBase.h"

#include <math.h>
#include <string.h>

enum { VECTORS = UK_PANEL / UK_LANES };
typedef float vec __attribute__((vector_size(UK_LANES * 4), aligned(4)));

static inline vec load(const float *p) { return *(const vec *)p; }
static inline void store(float *p, vec v) { *(vec *)p = v; }

/*
 * One register tile: UK_ROWS pixels x UK_PANEL channels; `rows` holds the taps' pixel addresses, [tap][UK_ROWS].
 * Every CHAIN products the registers are added to `out` and start anew: short chains of additions keep the rounding error of
 * a sum over thousands of products where that of the engines with blocked sums is.
 */
enum { CHAIN = 256 };

static inline __attribute__((always_inline)) void tile(int32_t taps, int32_t channels, const float *const *rows,
                                                       const float *weights, const float *bias, float *out)
{
    for (int r = 0; r < UK_ROWS; r++)
        for (int v = 0; v < VECTORS; v++) store(out + r * UK_PANEL + v * UK_LANES, load(bias + v * UK_LANES));
    int32_t tap = 0, first = 0;
    while (tap < taps) {
        vec sum[UK_ROWS][VECTORS];
        for (int r = 0; r < UK_ROWS; r++)
            for (int v = 0; v < VECTORS; v++) sum[r][v] = (vec){};
        int32_t left = CHAIN;
        while (tap < taps && left > 0) {
            const float *row[UK_ROWS];
            for (int r = 0; r < UK_ROWS; r++) row[r] = rows[tap * UK_ROWS + r] + first;
            int32_t count = channels - first < left ? channels - first : left;
            for (int32_t c = 0; c < count; c++) {
                vec w[VECTORS];
                for (int v = 0; v < VECTORS; v++) w[v] = load(weights + v * UK_LANES);
                weights += UK_PANEL;
                for (int r = 0; r < UK_ROWS; r++) {
                    vec x = UK_BROADCAST(row[r] + c);
                    for (int v = 0; v < VECTORS; v++) sum[r][v] += x * w[v];
                }
            }
            left -= count;
            first += count;
            if (first == channels) {
                first = 0;
                tap++;
            }
        }
        for (int r = 0; r < UK_ROWS; r++)
            for (int v = 0; v < VECTORS; v++) {
                float *to = out + r * UK_PANEL + v * UK_LANES;
                store(to, load(to) + sum[r][v]);
            }
    }
}

/* Nearest source index, as torch computes it: floor(index * float(in) / out). */
static inline int32_t nearest(int32_t index, int32_t in, int32_t out)
{
    if (in == out) return index;
    int32_t source = (int32_t)floorf((float)index * ((float)in / (float)out));
    return source < in ? source : in - 1;
}

static inline float *pixel(const uk_map *m, int64_t n, int32_t y, int32_t x)
{
    return m->data + n * m->image_stride + y * m->row_stride + x * m->pixel_stride;
}

/* Writes one pixel of a tile: residual, ReLU, and only the channels that exist. */
static inline void finish(const uk_conv *conv, const float *sum, const float *residual, float *out, int32_t channels)
{
    float v[UK_PANEL];
    memcpy(v, sum, sizeof v);
    if (residual)
        for (int32_t i = 0; i < channels; i++) v[i] += residual[i];
    if (conv->relu)
        for (int32_t i = 0; i < UK_PANEL; i++) v[i] = v[i] > 0 ? v[i] : 0;
    if (channels == UK_PANEL) memcpy(out, v, sizeof v);
    else memcpy(out, v, (size_t)channels * sizeof *v);
}

/* Addresses that a job's pixels need, found once and used by each of its panels. */
typedef struct job_rows {
    const float *taps[UK_JOB_PIXELS * UK_MAX_TAPS]; /* [tile][tap][UK_ROWS] */
    float *out[UK_JOB_PIXELS];
    const float *residual[UK_JOB_PIXELS];
} job_rows;

static void find_rows(const uk_conv *conv, int64_t begin, int32_t count, job_rows *rows)
{
    int64_t per_image = (int64_t)conv->output.height * conv->output.width;
    int32_t taps = conv->kernel_h * conv->kernel_w;
    for (int32_t i = 0; i < (count + UK_ROWS - 1) / UK_ROWS * UK_ROWS; i++) {
        /* The last tile's missing pixels repeat its last one; what they give is not stored. */
        int64_t index = begin + (i < count ? i : count - 1);
        int64_t n = index / per_image;
        int32_t y = (int32_t)(index % per_image / conv->output.width);
        int32_t x = (int32_t)(index % per_image % conv->output.width);
        if (i < count) {
            rows->out[i] = pixel(&conv->output, n, y, x);
            rows->residual[i] = conv->residual.data
                                    ? pixel(&conv->residual, n, nearest(y, conv->residual.height, conv->output.height),
                                            nearest(x, conv->residual.width, conv->output.width))
                                    : NULL;
        }
        const float **tap = rows->taps + (int64_t)(i / UK_ROWS) * taps * UK_ROWS + i % UK_ROWS;
        int32_t y0 = y * conv->stride - conv->pad, x0 = x * conv->stride - conv->pad;
        for (int32_t ky = 0; ky < conv->kernel_h; ky++)
            for (int32_t kx = 0; kx < conv->kernel_w; kx++, tap += UK_ROWS) {
                int32_t iy = y0 + ky, ix = x0 + kx;
                bool inside = iy >= 0 && iy < conv->input.height && ix >= 0 && ix < conv->input.width;
                *tap = inside ? pixel(&conv->input, n, iy, ix) : uk_zeros;
            }
    }
}

static void conv_block(const uk_conv *conv, int64_t pixel_begin, int32_t pixels, int32_t panel_begin, int32_t panel_end)
{
    job_rows rows;
    float sums[UK_ROWS * UK_PANEL];
    int32_t taps = conv->kernel_h * conv->kernel_w;
    find_rows(conv, pixel_begin, pixels, &rows);

    /* A panel of weights, the larger stream, stays in the nearest cache while all of the job's pixels pass by. */
    for (int32_t panel = panel_begin; panel < panel_end; panel++) {
        const float *weights = conv->packed + (int64_t)panel * taps * conv->channels * UK_PANEL;
        int32_t first = panel * UK_PANEL;
        int32_t channels = conv->out_channels - first < UK_PANEL ? conv->out_channels - first : UK_PANEL;
        for (int32_t p = 0; p < pixels; p += UK_ROWS) {
            tile(taps, conv->channels, rows.taps + (int64_t)p * taps, weights, conv->bias + first, sums);
            for (int32_t r = 0; r < UK_ROWS && p + r < pixels; r++)
                finish(conv, sums + r * UK_PANEL, rows.residual[p + r] ? rows.residual[p + r] + first : NULL,
                       rows.out[p + r] + first, channels);
        }
    }
}

/* One bilinear sample's four neighbours and weights; false where the point is outside (or NaN) and counts as zero. */
static inline bool bilinear(float y, float x, int32_t height, int32_t width, int64_t offset[4], float weight[4])
{
    if (!(y >= -1.0f && y <= (float)height && x >= -1.0f && x <= (float)width)) return false;
    y = y > 0 ? y : 0;
    x = x > 0 ? x : 0;
    int32_t y_low = (int32_t)y, x_low = (int32_t)x, y_high, x_high;
    if (y_low >= height - 1) { y_high = y_low = height - 1; y = (float)y_low; } else y_high = y_low + 1;
    if (x_low >= width - 1) { x_high = x_low = width - 1; x = (float)x_low; } else x_high = x_low + 1;
    float ly = y - (float)y_low, lx = x - (float)x_low, hy = 1.0f - ly, hx = 1.0f - lx;
    offset[0] = (int64_t)y_low * width + x_low;  weight[0] = hy * hx;
    offset[1] = (int64_t)y_low * width + x_high; weight[1] = hy * lx;
    offset[2] = (int64_t)y_high * width + x_low; weight[2] = ly * hx;
    offset[3] = (int64_t)y_high * width + x_high; weight[3] = ly * lx;
    return true;
}

static void roi_align(const uk_roi *roi, float *output)
{
    float shift = roi->aligned ? 0.5f : 0.0f;
    float x1 = roi->box[0] * roi->spatial_scale - shift, y1 = roi->box[1] * roi->spatial_scale - shift;
    float w = roi->box[2] * roi->spatial_scale - shift - x1, h = roi->box[3] * roi->spatial_scale - shift - y1;
    if (!roi->aligned) {
        w = w > 1.0f ? w : 1.0f;
        h = h > 1.0f ? h : 1.0f;
    }
    float bin_h = h / (float)roi->pooled, bin_w = w / (float)roi->pooled;
    /* The caller clips boxes to the image, so an adaptive grid is bounded by the map's size. */
    int32_t grid_h = roi->sampling_ratio > 0 ? roi->sampling_ratio : (int32_t)ceilf(bin_h);
    int32_t grid_w = roi->sampling_ratio > 0 ? roi->sampling_ratio : (int32_t)ceilf(bin_w);
    float count = (float)(grid_h * grid_w > 1 ? grid_h * grid_w : 1);
    int32_t channels = roi->channels;

    for (int32_t py = 0; py < roi->pooled; py++)
        for (int32_t px = 0; px < roi->pooled; px++, output += channels) {
            memset(output, 0, (size_t)channels * sizeof *output);
            for (int32_t iy = 0; iy < grid_h; iy++) {
                float y = y1 + (float)py * bin_h + ((float)iy + 0.5f) * bin_h / (float)grid_h;
                for (int32_t ix = 0; ix < grid_w; ix++) {
                    float x = x1 + (float)px * bin_w + ((float)ix + 0.5f) * bin_w / (float)grid_w;
                    int64_t o[4];
                    float k[4];
                    if (!bilinear(y, x, roi->height, roi->width, o, k)) continue;
                    const float *restrict a = roi->features + o[0] * channels, *restrict b = roi->features + o[1] * channels;
                    const float *restrict c = roi->features + o[2] * channels, *restrict d = roi->features + o[3] * channels;
                    for (int32_t i = 0; i < channels; i++)
                        output[i] += k[0] * a[i] + k[1] * b[i] + k[2] * c[i] + k[3] * d[i];
                }
            }
            for (int32_t i = 0; i < channels; i++) output[i] /= count;
        }
}

static void max_pool_row(const float *input, int32_t height, int32_t width, int32_t channels, int32_t out_row,
                         float *output)
{
    int32_t out_width = (width - 1) / 2 + 1;
    int32_t y_begin = out_row * 2 - 1 < 0 ? 0 : out_row * 2 - 1;
    int32_t y_end = out_row * 2 + 2 < height ? out_row * 2 + 2 : height;
    for (int32_t x = 0; x < out_width; x++, output += channels) {
        int32_t x_begin = x * 2 - 1 < 0 ? 0 : x * 2 - 1, x_end = x * 2 + 2 < width ? x * 2 + 2 : width;
        for (int32_t i = 0; i < channels; i++) output[i] = -INFINITY;
        for (int32_t y = y_begin; y < y_end; y++)
            for (int32_t ix = x_begin; ix < x_end; ix++) {
                const float *restrict in = input + ((int64_t)y * width + ix) * channels;
                for (int32_t i = 0; i < channels; i++) output[i] = in[i] > output[i] ? in[i] : output[i];
            }
    }
}

const uk_table UK_TABLE = {
    .name = UK_NAME,
    .conv_block = conv_block,
    .roi_align = roi_align,
    .max_pool_row = max_pool_row,
};
