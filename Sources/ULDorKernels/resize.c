#include "ULDorKernels.h"

#include <math.h>
#include <string.h>

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

enum {
    BAND = 32,    /* output rows of a job */
    COLUMNS = 512 /* output columns that are computed together: what lies on the stack for them */
};

/* Source rows interpolated along themselves, for some output columns; the two in use are kept. */
typedef struct lines {
    int32_t count;
    int32_t lower[COLUMNS], upper[COLUMNS];
    float fraction[COLUMNS];
    float line[2][COLUMNS];
    int32_t row[2], recent;
} lines;

static const float *line_of(const uk_resize *r, lines *l, int32_t row)
{
    for (int32_t i = 0; i < 2; i++)
        if (l->row[i] == row) {
            l->recent = i;
            return l->line[i];
        }
    /* The other one may be in use beside this one. */
    l->recent = 1 - l->recent;
    l->row[l->recent] = row;
    float *restrict to = l->line[l->recent];
    const float *restrict from = r->from + row * r->row_stride;
    for (int32_t i = 0; i < l->count; i++)
        to[i] = from[l->lower[i]] * (1.0f - l->fraction[i]) + from[l->upper[i]] * l->fraction[i];
    return to;
}

static void resize_columns(const uk_resize *r, int32_t begin, int32_t end, int32_t first)
{
    lines l;
    l.count = r->out_width - first < COLUMNS ? r->out_width - first : COLUMNS;
    l.row[0] = l.row[1] = -1;
    l.recent = 0;
    for (int32_t i = 0; i < l.count; i++) source(first + i, r->scale_x, r->width, &l.lower[i], &l.upper[i], &l.fraction[i]);
    for (int32_t y = begin; y < end; y++) {
        int32_t y0, y1;
        float fy;
        source(y, r->scale_y, r->height, &y0, &y1, &fy);
        const float *top = line_of(r, &l, y0), *bottom = line_of(r, &l, y1);
        float *to = r->to + (int64_t)y * r->columns + first;
        for (int32_t i = 0; i < l.count; i++) to[i] = (top[i] * (1.0f - fy) + bottom[i] * fy - r->mean) / r->std;
    }
}

static void resize_band(const void *context, int64_t band, int32_t worker)
{
    (void)worker;
    const uk_resize *r = context;
    int32_t begin = (int32_t)band * BAND, end = r->rows - begin < BAND ? r->rows : begin + BAND;
    int32_t filled = end < r->out_height ? end : r->out_height;
    for (int32_t first = 0; first < r->out_width && begin < filled; first += COLUMNS) resize_columns(r, begin, filled, first);
    for (int32_t y = begin; y < end; y++) {
        int32_t done = y < r->out_height ? r->out_width : 0;
        memset(r->to + (int64_t)y * r->columns + done, 0, (size_t)(r->columns - done) * sizeof *r->to);
    }
}

int uk_resize_bilinear(const uk_exec *exec, const uk_resize *resize)
{
    return uk_parallel_for(exec, (resize->rows + BAND - 1) / BAND, resize_band, resize);
}
