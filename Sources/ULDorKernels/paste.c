#include "ULDorKernels.h"

#include <math.h>

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

static float sample(const float *mask, int32_t size, int32_t y0, int32_t x0, int32_t y1, int32_t x1, float fy, float fx)
{
    float top = (1.0f - fx) * at(mask, size, y0, x0) + fx * at(mask, size, y0, x1);
    float bottom = (1.0f - fx) * at(mask, size, y1, x0) + fx * at(mask, size, y1, x1);
    return (1.0f - fy) * top + fy * bottom;
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

void uk_paste(const float *mask, int32_t size, uk_box box, bool continuous, uk_region region, float *to)
{
    int_box b = expanded(size, box);
    int32_t shift = continuous ? 0 : 1;
    for (int32_t y = region.y0; y < region.y1; y++) {
        int32_t y0, y1, x0, x1;
        float fy, fx;
        if (continuous) exact_source(y, box.y1, box.y2, size, &y0, &y1, &fy);
        else padded_source(y - b.y1, b.height, size + 2, &y0, &y1, &fy);
        for (int32_t x = region.x0; x < region.x1; x++) {
            if (continuous) exact_source(x, box.x1, box.x2, size, &x0, &x1, &fx);
            else padded_source(x - b.x1, b.width, size + 2, &x0, &x1, &fx);
            *to++ = sample(mask, size, y0 - shift, x0 - shift, y1 - shift, x1 - shift, fy, fx);
        }
    }
}
