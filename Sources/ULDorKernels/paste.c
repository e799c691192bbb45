#include "ULDorKernels.h"

#include <math.h>
#include <stdint.h>

static int32_t clamp(double value, int32_t low, int32_t high)
{
    return !(value > low) ? low : value < high ? (int32_t)value : high;
}

/* torchvision's integer box: expanded by (size + 2) / size for the padding of 1, then truncated towards zero. */
typedef struct int_box {
    int64_t x1, y1, width, height;
} int_box;

static int64_t truncated(float value) { return value > -1e9f ? value < 1e9f ? (int64_t)value : 1000000000 : -1000000000; }

static int_box expanded(int32_t size, uk_box box)
{
    float scale = (float)(size + 2) / (float)size;
    float half_w = (box.x2 - box.x1) * 0.5f * scale, half_h = (box.y2 - box.y1) * 0.5f * scale;
    float centre_x = (box.x2 + box.x1) * 0.5f, centre_y = (box.y2 + box.y1) * 0.5f;
    int_box b = {truncated(centre_x - half_w), truncated(centre_y - half_h), 0, 0};
    b.width = truncated(centre_x + half_w) - b.x1 + 1;
    b.height = truncated(centre_y + half_h) - b.y1 + 1;
    if (b.width < 1) b.width = 1;
    if (b.height < 1) b.height = 1;
    return b;
}

uk_region uk_paste_region(int32_t size, uk_box box, bool continuous, int32_t height, int32_t width)
{
    if (continuous) {
        /* Half a mask cell around the box still sees the outermost cells. */
        float cell_x = (box.x2 - box.x1) / (float)size, cell_y = (box.y2 - box.y1) / (float)size;
        return (uk_region){clamp(floorf(box.x1 - cell_x) - 1, 0, width), clamp(floorf(box.y1 - cell_y) - 1, 0, height),
                           clamp(ceilf(box.x2 + cell_x) + 1, 0, width), clamp(ceilf(box.y2 + cell_y) + 1, 0, height)};
    }
    int_box b = expanded(size, box);
    return (uk_region){clamp((double)b.x1, 0, width), clamp((double)b.y1, 0, height),
                       clamp((double)(b.x1 + b.width), 0, width), clamp((double)(b.y1 + b.height), 0, height)};
}

/* The mask's value, zero outside. */
static float at(const float *mask, int32_t size, int32_t y, int32_t x)
{
    return y < 0 || x < 0 || y >= size || x >= size ? 0.0f : mask[y * size + x];
}

/* torch's interpolate(mode="bilinear", align_corners=False) source of an index, on the padded mask. */
static void padded_source(int64_t index, int64_t out, int32_t in, int32_t *low, int32_t *high, float *fraction)
{
    float f = ((float)index + 0.5f) * ((float)in / (float)out) - 0.5f;
    if (!(f > 0)) f = 0;
    *low = (int32_t)f < in - 1 ? (int32_t)f : in - 1;
    *high = *low + 1 < in ? *low + 1 : *low;
    *fraction = f - (float)*low;
}

/* grid_sample's source of a pixel's centre in the exact box (zero padding, align_corners=False). */
static void exact_source(int32_t pixel, float low_edge, float high_edge, int32_t size, int32_t *low, int32_t *high,
                         float *fraction)
{
    float unit = ((float)pixel + 0.5f - low_edge) / (high_edge - low_edge);
    float f = unit * (float)size - 0.5f;
    if (!(f > -1.0f && f < (float)size)) f = -2; /* outside, or an empty box */
    *low = (int32_t)floorf(f);
    *high = *low + 1;
    *fraction = f - floorf(f);
}

/* Columns that are pasted together: what lies on the stack for them. */
enum { COLUMNS = 256 };

/* The mask interpolated along its rows, for some columns of the region; the two lines in use are kept. */
typedef struct lines {
    const float *mask;
    int32_t size, count;
    int32_t low[COLUMNS], high[COLUMNS];
    float fraction[COLUMNS];
    float line[2][COLUMNS];
    int32_t row[2], recent;
} lines;

static const float *line_of(lines *l, int32_t row)
{
    for (int32_t i = 0; i < 2; i++)
        if (l->row[i] == row) {
            l->recent = i;
            return l->line[i];
        }
    /* The other one may be in use beside this one. */
    l->recent = 1 - l->recent;
    l->row[l->recent] = row;
    float *to = l->line[l->recent];
    for (int32_t i = 0; i < l->count; i++)
        to[i] = (1.0f - l->fraction[i]) * at(l->mask, l->size, row, l->low[i]) +
                l->fraction[i] * at(l->mask, l->size, row, l->high[i]);
    return to;
}

void uk_paste(const float *mask, int32_t size, uk_box box, bool continuous, uk_region region, float *to)
{
    int_box b = expanded(size, box);
    int32_t shift = continuous ? 0 : 1;
    int64_t width = (int64_t)region.x1 - region.x0;
    for (int32_t first = region.x0; first < region.x1; first += COLUMNS) {
        lines l;
        l.mask = mask;
        l.size = size;
        l.count = region.x1 - first < COLUMNS ? region.x1 - first : COLUMNS;
        l.row[0] = l.row[1] = INT32_MIN;
        l.recent = 0;
        for (int32_t i = 0; i < l.count; i++) {
            if (continuous) exact_source(first + i, box.x1, box.x2, size, &l.low[i], &l.high[i], &l.fraction[i]);
            else padded_source(first + i - b.x1, b.width, size + 2, &l.low[i], &l.high[i], &l.fraction[i]);
            l.low[i] -= shift;
            l.high[i] -= shift;
        }
        for (int32_t y = region.y0; y < region.y1; y++) {
            int32_t y0, y1;
            float fy;
            if (continuous) exact_source(y, box.y1, box.y2, size, &y0, &y1, &fy);
            else padded_source(y - b.y1, b.height, size + 2, &y0, &y1, &fy);
            const float *top = line_of(&l, y0 - shift), *bottom = line_of(&l, y1 - shift);
            float *out = to + (int64_t)(y - region.y0) * width + (first - region.x0);
            for (int32_t i = 0; i < l.count; i++) out[i] = (1.0f - fy) * top[i] + fy * bottom[i];
        }
    }
}
