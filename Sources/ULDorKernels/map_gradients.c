#include "pieces.h"

typedef struct arrays {
    const float *from;
    float *to;
    int64_t count;
} arrays;

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
        if (uk_nearest(y, coarse->height, fine->height) != row) continue;
        const float *from = fine->data + n * fine->image_stride + y * fine->row_stride;
        for (int32_t x = 0; x < fine->width; x++, from += fine->pixel_stride) {
            float *pixel = to + uk_nearest(x, coarse->width, fine->width) * coarse->pixel_stride;
            for (int32_t c = 0; c < u->channels; c++) pixel[c] += from[c];
        }
    }
}

int uk_upsample_gradient(const uk_exec *exec, const uk_map *fine, const uk_map *coarse, int32_t batch, int32_t channels)
{
    upsampling u = {fine, coarse, channels};
    return uk_parallel_for(exec, (int64_t)batch * coarse->height, gather_row, &u);
}
