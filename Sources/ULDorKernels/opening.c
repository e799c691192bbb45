#include "ULDorKernels.h"

#include <string.h>

/*
 * A square is a row of columns: one pass along the rows and one along the columns, for the erosion and for the dilation. Each
 * joins shifted rows of bytes, many at once; bytes outside of the mask are unset.
 */
typedef struct opening {
    const uint8_t *from;
    uint8_t *to;
    int32_t height, width, half;
    bool erode;
} opening;

enum { BAND = 32 }; /* rows of a job */

static void join(const uint8_t *restrict from, uint8_t *restrict to, int32_t count, bool erode)
{
    if (erode) for (int32_t i = 0; i < count; i++) to[i] &= from[i];
    else for (int32_t i = 0; i < count; i++) to[i] |= from[i];
}

static void along_row(const opening *o, const uint8_t *from, uint8_t *to)
{
    int32_t width = o->width;
    memcpy(to, from, (size_t)width);
    for (int32_t d = 1; d <= o->half; d++) {
        int32_t shift = d < width ? d : width;
        join(from + shift, to, width - shift, o->erode);
        join(from, to + shift, width - shift, o->erode);
    }
    if (!o->erode) return;
    int32_t edge = o->half < width ? o->half : width;
    memset(to, 0, (size_t)edge);
    memset(to + width - edge, 0, (size_t)edge);
}

static void along_column(const opening *o, int32_t y, uint8_t *to)
{
    int64_t width = o->width;
    int32_t begin = y - o->half, end = y + o->half + 1;
    if (o->erode && (begin < 0 || end > o->height)) {
        memset(to, 0, (size_t)width);
        return;
    }
    if (begin < 0) begin = 0;
    if (end > o->height) end = o->height;
    memcpy(to, o->from + begin * width, (size_t)width);
    for (int32_t row = begin + 1; row < end; row++) join(o->from + row * width, to, o->width, o->erode);
}

static int32_t band_end(const opening *o, int64_t band)
{
    return (band + 1) * BAND < o->height ? (int32_t)(band + 1) * BAND : o->height;
}

static void rows_job(const void *context, int64_t band, int32_t worker)
{
    (void)worker;
    const opening *o = context;
    for (int64_t y = band * BAND; y < band_end(o, band); y++) along_row(o, o->from + y * o->width, o->to + y * o->width);
}

static void columns_job(const void *context, int64_t band, int32_t worker)
{
    (void)worker;
    const opening *o = context;
    for (int64_t y = band * BAND; y < band_end(o, band); y++) along_column(o, (int32_t)y, o->to + y * o->width);
}

int uk_binary_open(const uk_exec *exec, uint8_t *mask, int32_t height, int32_t width, int32_t size, uint8_t *scratch)
{
    int64_t bands = (height + BAND - 1) / BAND;
    for (int pass = 0; pass < 2; pass++) {
        opening rows = {mask, scratch, height, width, size / 2, pass == 0};
        opening columns = {scratch, mask, height, width, size / 2, pass == 0};
        int status = uk_parallel_for(exec, bands, rows_job, &rows);
        if (status == UK_OK) status = uk_parallel_for(exec, bands, columns_job, &columns);
        if (status != UK_OK) return status;
    }
    return UK_OK;
}

void uk_threshold(const float *values, int64_t count, float threshold, uint8_t *mask)
{
    for (int64_t i = 0; i < count; i++) mask[i] = values[i] > threshold;
}

uk_region uk_bounds(const uint8_t *mask, int32_t height, int32_t width)
{
    uk_region r = {width, height, 0, 0};
    for (int32_t y = 0; y < height; y++) {
        const uint8_t *row = mask + (int64_t)y * width, *first = memchr(row, 1, (size_t)width);
        if (!first) continue;
        int32_t left = (int32_t)(first - row), right = width;
        while (!row[right - 1]) right--;
        if (left < r.x0) r.x0 = left;
        if (right > r.x1) r.x1 = right;
        if (y < r.y0) r.y0 = y;
        r.y1 = y + 1;
    }
    return r;
}
