#include "ULDorKernels.h"

#include <math.h>
#include <string.h>

/* Work on long arrays is cut into pieces of fixed length, and so are sums: nothing depends on the number of threads. */
enum { PIECE = 1 << 15 };

typedef struct arrays {
    const float *from;
    float *to;
    int64_t count;
} arrays;

static int64_t pieces(int64_t count) { return (count + PIECE - 1) / PIECE; }
static int64_t end_of(int64_t piece, int64_t count) { return (piece + 1) * PIECE < count ? (piece + 1) * PIECE : count; }

static void mask_piece(const void *context, int64_t piece, int32_t worker)
{
    (void)worker;
    const arrays *a = context;
    const float *restrict from = a->from;
    float *restrict to = a->to;
    for (int64_t i = piece * PIECE, end = end_of(piece, a->count); i < end; i++) {
        /* Read whatever becomes of it, or there is a branch for each. */
        float gradient = to[i];
        to[i] = from[i] > 0 ? gradient : 0;
    }
}

int uk_relu_gradient(const uk_exec *exec, const float *output, float *gradient, int64_t count)
{
    arrays a = {output, gradient, count};
    return uk_parallel_for(exec, pieces(count), mask_piece, &a);
}

static void add_piece(const void *context, int64_t piece, int32_t worker)
{
    (void)worker;
    const arrays *a = context;
    const float *restrict from = a->from;
    float *restrict to = a->to;
    for (int64_t i = piece * PIECE, end = end_of(piece, a->count); i < end; i++) to[i] += from[i];
}

int uk_accumulate(const uk_exec *exec, const float *from, int64_t count, float *to)
{
    arrays a = {from, to, count};
    return uk_parallel_for(exec, pieces(count), add_piece, &a);
}

typedef struct bias_work {
    const uk_map *gradient;
    float *bias;
    int32_t batch, channels;
} bias_work;

enum { BIAS_CHANNELS = 32 };

/* Some channels of all pixels: each row of a map is a chain, rows are added in their order. */
static void sum_channels(const void *context, int64_t index, int32_t worker)
{
    (void)worker;
    const bias_work *w = context;
    const uk_map *map = w->gradient;
    int32_t first = (int32_t)index * BIAS_CHANNELS;
    int32_t count = w->channels - first < BIAS_CHANNELS ? w->channels - first : BIAS_CHANNELS;
    double total[BIAS_CHANNELS] = {0};
    for (int32_t n = 0; n < w->batch; n++)
        for (int32_t y = 0; y < map->height; y++) {
            const float *row = map->data + n * map->image_stride + y * map->row_stride + first;
            for (int32_t x = 0; x < map->width; x++, row += map->pixel_stride)
                for (int32_t c = 0; c < count; c++) total[c] += row[c];
        }
    for (int32_t c = 0; c < count; c++) w->bias[first + c] += (float)total[c];
}

int uk_bias_gradient(const uk_exec *exec, const uk_map *gradient, int32_t batch, int32_t channels, float *bias_gradient)
{
    bias_work w = {gradient, bias_gradient, batch, channels};
    return uk_parallel_for(exec, (channels + BIAS_CHANNELS - 1) / BIAS_CHANNELS, sum_channels, &w);
}

typedef struct upsampling {
    const uk_map *fine, *coarse;
    int32_t channels;
} upsampling;

/* As the forward pass reads (bodies/pixels.h). */
static int32_t nearest(int32_t index, int32_t in, int32_t out)
{
    if (in == out) return index;
    int32_t source = (int32_t)floorf((float)index * ((float)in / (float)out));
    return source < in ? source : in - 1;
}

/* One row of the coarse map gathers from the fine ones that read it. */
static void gather_row(const void *context, int64_t index, int32_t worker)
{
    (void)worker;
    const upsampling *u = context;
    const uk_map *fine = u->fine, *coarse = u->coarse;
    int64_t n = index / coarse->height;
    int32_t row = (int32_t)(index % coarse->height);
    float *to = coarse->data + n * coarse->image_stride + row * coarse->row_stride;
    for (int32_t y = 0; y < fine->height; y++) {
        if (nearest(y, coarse->height, fine->height) != row) continue;
        const float *from = fine->data + n * fine->image_stride + y * fine->row_stride;
        for (int32_t x = 0; x < fine->width; x++, from += fine->pixel_stride) {
            float *pixel = to + nearest(x, coarse->width, fine->width) * coarse->pixel_stride;
            for (int32_t c = 0; c < u->channels; c++) pixel[c] += from[c];
        }
    }
}

int uk_upsample_gradient(const uk_exec *exec, const uk_map *fine, const uk_map *coarse, int32_t batch, int32_t channels)
{
    upsampling u = {fine, coarse, channels};
    return uk_parallel_for(exec, (int64_t)batch * coarse->height, gather_row, &u);
}

typedef struct regions {
    const uk_table *table;
    const uk_roi *rois;
    const float *gradient;
    float *const *targets;
    int64_t count;
} regions;

enum { REGION_CHANNELS = 32 };

/* Some channels of all regions, one after another: what falls on the same pixel is always added up in their order. */
static void scatter_channels(const void *context, int64_t index, int32_t worker)
{
    (void)worker;
    const regions *r = context;
    int32_t first = (int32_t)index * REGION_CHANNELS;
    for (int64_t i = 0; i < r->count; i++) {
        const uk_roi *roi = r->rois + i;
        int32_t left = roi->channels - first;
        if (left <= 0) continue;
        r->table->roi_align_gradient(roi, r->gradient + i * roi->pooled * roi->pooled * roi->channels, first,
                                     left < REGION_CHANNELS ? left : REGION_CHANNELS, r->targets[i]);
    }
}

int uk_roi_align_gradient(const uk_exec *exec, const uk_table *table, const uk_roi *rois, int64_t count, const float *gradient,
                          float *const *targets)
{
    if (count == 0) return UK_OK;
    regions r = {table, rois, gradient, targets, count};
    return uk_parallel_for(exec, (rois[0].channels + REGION_CHANNELS - 1) / REGION_CHANNELS, scatter_channels, &r);
}

typedef struct pooling {
    const float *input, *output_gradient;
    float *input_gradient;
    int32_t height, width, channels;
} pooling;

/* Where the greatest of a window is; the first of equal ones, NaN the greatest of all, as torch has it. */
static int64_t greatest(const pooling *p, int32_t y, int32_t x, int32_t c)
{
    int64_t best = -1;
    for (int32_t yy = 2 * y - 1 < 0 ? 0 : 2 * y - 1; yy <= 2 * y + 1 && yy < p->height; yy++)
        for (int32_t xx = 2 * x - 1 < 0 ? 0 : 2 * x - 1; xx <= 2 * x + 1 && xx < p->width; xx++) {
            int64_t at = ((int64_t)yy * p->width + xx) * p->channels + c;
            if (best < 0 || p->input[at] > p->input[best] || isnan(p->input[at])) best = at;
        }
    return best;
}

/* Some channels of the whole map. */
static void unpool_channels(const void *context, int64_t index, int32_t worker)
{
    (void)worker;
    const pooling *p = context;
    int32_t first = (int32_t)index * UK_PANEL, end = first + UK_PANEL < p->channels ? first + UK_PANEL : p->channels;
    for (int64_t i = 0; i < (int64_t)p->height * p->width; i++)
        memset(p->input_gradient + i * p->channels + first, 0, (size_t)(end - first) * sizeof(float));
    const float *from = p->output_gradient;
    for (int32_t y = 0; y < (p->height - 1) / 2 + 1; y++)
        for (int32_t x = 0; x < (p->width - 1) / 2 + 1; x++, from += p->channels)
            for (int32_t c = first; c < end; c++) p->input_gradient[greatest(p, y, x, c)] += from[c];
}

int uk_max_pool_gradient(const uk_exec *exec, const uk_table *table, const float *input, int32_t height, int32_t width,
                         int32_t channels, const float *output_gradient, float *input_gradient)
{
    (void)table;
    pooling p = {input, output_gradient, input_gradient, height, width, channels};
    return uk_parallel_for(exec, uk_panels(channels), unpool_channels, &p);
}

typedef struct step {
    float *weights, *momentum;
    const float *gradients;
    int64_t count;
    float rate, momentum_factor, decay, factor;
    bool first;
} step;

static void step_piece(const void *context, int64_t piece, int32_t worker)
{
    (void)worker;
    const step *s = context;
    const float *restrict gradients = s->gradients;
    float *restrict weights = s->weights, *restrict momentum = s->momentum;
    float rate = s->rate, kept = s->momentum_factor, decay = s->decay, factor = s->factor;
    bool first = s->first;
    for (int64_t i = piece * PIECE, end = end_of(piece, s->count); i < end; i++) {
        float d = gradients[i] * factor + decay * weights[i];
        float m = first ? d : kept * momentum[i] + d;
        momentum[i] = m;
        weights[i] -= rate * m;
    }
}

int uk_sgd(const uk_exec *exec, float *weights, const float *gradients, float *momentum, int64_t count, float rate,
           float momentum_factor, float decay, float factor, bool first)
{
    step s = {weights, momentum, gradients, count, rate, momentum_factor, decay, factor, first};
    return uk_parallel_for(exec, pieces(count), step_piece, &s);
}

typedef struct squares {
    const float *values;
    double *sums;
    int64_t count;
} squares;

static void square_piece(const void *context, int64_t piece, int32_t worker)
{
    (void)worker;
    const squares *s = context;
    double sum = 0;
    for (int64_t i = piece * PIECE, end = end_of(piece, s->count); i < end; i++) sum += (double)s->values[i] * s->values[i];
    s->sums[piece] = sum;
}

int64_t uk_sum_squares_doubles(int64_t count) { return pieces(count); }

int uk_sum_squares(const uk_exec *exec, const float *values, int64_t count, double *scratch, double *sum)
{
    squares s = {values, scratch, count};
    int status = uk_parallel_for(exec, pieces(count), square_piece, &s);
    if (status != UK_OK) return status;
    *sum = 0;
    for (int64_t i = 0; i < pieces(count); i++) *sum += scratch[i];
    return UK_OK;
}
