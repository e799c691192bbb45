#include "ULDorKernels.h"

#include <math.h>
#include <string.h>

void uk_blend(const float *lower, const float *upper, float fraction, int64_t count, float *to)
{
    float rest = 1.0f - fraction;
    for (int64_t i = 0; i < count; i++) to[i] = fraction * upper[i] + rest * lower[i];
}

void uk_window(const float *from, int64_t count, float low, float high, float range_low, float range_high, float *to)
{
    float width = high - low, range = range_high - range_low;
    for (int64_t i = 0; i < count; i++) {
        float v = (from[i] - low) / width;
        v = v > 0 ? v : 0;
        v = v < 1 ? v : 1;
        to[i] = v * range + range_low;
    }
}

/*
 * A square is a row of columns: a running count along each row, then one for each column, row by row. Erosion sets where all
 * `size` bytes are set, dilation where any is; bytes outside are unset.
 */
static void slide_row(const uint8_t *from, uint8_t *to, int32_t count, int32_t size, bool erode)
{
    int32_t half = size / 2, set = 0;
    for (int32_t i = 0; i < half && i < count; i++) set += from[i];
    for (int32_t i = 0; i < count; i++) {
        if (i + half < count) set += from[i + half];
        if (i - half - 1 >= 0) set -= from[i - half - 1];
        to[i] = erode ? set == size : set > 0;
    }
}

static void count_row(const uint8_t *row, int32_t width, int32_t sign, int32_t *counts)
{
    for (int32_t x = 0; x < width; x++) counts[x] += sign * row[x];
}

int uk_binary_open(const uk_exec *exec, uint8_t *mask, int32_t height, int32_t width, int32_t size, uint8_t *scratch,
                   int32_t *counts)
{
    int32_t half = size / 2;
    for (int pass = 0; pass < 2; pass++) {
        bool erode = pass == 0;
        for (int32_t y = 0; y < height; y++) {
            if (uk_is_stopping(exec)) return UK_CANCELLED;
            slide_row(mask + (int64_t)y * width, scratch + (int64_t)y * width, width, size, erode);
        }
        memset(counts, 0, (size_t)width * sizeof *counts);
        for (int32_t y = 0; y < half && y < height; y++) count_row(scratch + (int64_t)y * width, width, 1, counts);
        for (int32_t y = 0; y < height; y++) {
            if (uk_is_stopping(exec)) return UK_CANCELLED;
            if (y + half < height) count_row(scratch + (int64_t)(y + half) * width, width, 1, counts);
            if (y - half - 1 >= 0) count_row(scratch + (int64_t)(y - half - 1) * width, width, -1, counts);
            uint8_t *to = mask + (int64_t)y * width;
            for (int32_t x = 0; x < width; x++) to[x] = erode ? counts[x] == size : counts[x] > 0;
        }
    }
    return UK_OK;
}

/* Source position of an output index: lower neighbour, upper neighbour, weight of the upper. */
static void source(int32_t index, double scale, int32_t size, int32_t *lower, int32_t *upper, float *fraction)
{
    double at = (index + 0.5) * scale - 0.5;
    /* OpenCV rounds the position to float32 before it splits it. */
    float f = (float)at;
    float whole = floorf(f);
    float part = f - whole;
    if (!(whole >= 0)) { whole = 0; part = 0; }
    if (whole >= (float)(size - 1)) { whole = (float)(size - 1); part = 0; }
    *lower = (int32_t)whole;
    *upper = *lower + 1 < size ? *lower + 1 : *lower;
    *fraction = part;
}

void uk_resize_bilinear(const float *from, int32_t height, int32_t width, int64_t row_stride, double scale_y,
                        double scale_x, int32_t out_height, int32_t out_width, float *to)
{
    for (int32_t y = 0; y < out_height; y++) {
        int32_t y0, y1;
        float fy;
        source(y, scale_y, height, &y0, &y1, &fy);
        const float *a = from + y0 * row_stride, *b = from + y1 * row_stride;
        for (int32_t x = 0; x < out_width; x++) {
            int32_t x0, x1;
            float fx;
            source(x, scale_x, width, &x0, &x1, &fx);
            float top = a[x0] * (1.0f - fx) + a[x1] * fx;
            float bottom = b[x0] * (1.0f - fx) + b[x1] * fx;
            *to++ = top * (1.0f - fy) + bottom * fy;
        }
    }
}
