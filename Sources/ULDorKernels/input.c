#include "ULDorKernels.h"

#include <stdatomic.h>

enum {
    BAND = 32,      /* rows of a job */
    PIECE = 1 << 15 /* values of one */
};

typedef struct reading {
    int32_t type, height, width;
    const char *first;
    ptrdiff_t stride_y, stride_x;
    float slope, intercept;
    float *hu;
    _Atomic int64_t *bad;
} reading;

static void read_band(const void *context, int64_t band, int32_t worker)
{
    (void)worker;
    const reading *r = context;
    int32_t end = (band + 1) * BAND < r->height ? (int32_t)(band + 1) * BAND : r->height;
    for (int32_t y = (int32_t)band * BAND; y < end; y++) {
        int64_t at = (int64_t)y * r->width;
        int32_t x = uk_read_row(r->type, r->first + y * r->stride_y, r->stride_x, r->width, r->slope, r->intercept, r->hu + at);
        if (x < 0) continue;
        /* The first of all, whichever thread comes to its own first. */
        int64_t known = atomic_load(r->bad);
        while ((known < 0 || at + x < known) && !atomic_compare_exchange_weak(r->bad, &known, at + x)) {}
    }
}

int uk_read_slice(const uk_exec *exec, int32_t type, const void *first, ptrdiff_t stride_y, ptrdiff_t stride_x, int32_t height,
                  int32_t width, float slope, float intercept, float *hu, int64_t *bad)
{
    _Atomic int64_t found = -1;
    reading r = {type, height, width, first, stride_y, stride_x, slope, intercept, hu, &found};
    int status = uk_parallel_for(exec, (height + BAND - 1) / BAND, read_band, &r);
    *bad = atomic_load(&found);
    return status;
}

void uk_blend(const float *lower, const float *upper, float fraction, int64_t count, float *to)
{
    float rest = 1.0f - fraction;
    for (int64_t i = 0; i < count; i++) to[i] = fraction * upper[i] + rest * lower[i];
}

typedef struct windowing {
    const float *from;
    float *to;
    int64_t count;
    float low, high, range_low, range_high;
} windowing;

static void window_piece(const void *context, int64_t piece, int32_t worker)
{
    (void)worker;
    const windowing *p = context;
    float width = p->high - p->low, range = p->range_high - p->range_low;
    int64_t end = (piece + 1) * PIECE < p->count ? (piece + 1) * PIECE : p->count;
    for (int64_t i = piece * PIECE; i < end; i++) {
        float v = (p->from[i] - p->low) / width;
        v = v > 0 ? v : 0;
        v = v < 1 ? v : 1;
        p->to[i] = v * range + p->range_low;
    }
}

int uk_window(const uk_exec *exec, const float *from, int64_t count, float low, float high, float range_low, float range_high,
              float *to)
{
    windowing p = {from, to, count, low, high, range_low, range_high};
    return uk_parallel_for(exec, (count + PIECE - 1) / PIECE, window_piece, &p);
}
