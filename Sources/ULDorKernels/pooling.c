#include "ULDorKernels.h"

#include <math.h>
#include <string.h>

typedef struct pool {
    const uk_table *table;
    const float *input;
    float *output;
    int32_t height, width, channels;
} pool;

static void pool_row(const void *context, int64_t row, int32_t worker)
{
    (void)worker;
    const pool *p = context;
    int64_t out_width = (p->width - 1) / 2 + 1;
    p->table->max_pool_row(p->input, p->height, p->width, p->channels, (int32_t)row,
                           p->output + row * out_width * p->channels);
}

int uk_max_pool(const uk_exec *exec, const uk_table *table, const float *input, int32_t height, int32_t width,
                int32_t channels, float *output)
{
    pool p = {table, input, output, height, width, channels};
    return uk_parallel_for(exec, (height - 1) / 2 + 1, pool_row, &p);
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

int uk_max_pool_gradient(const uk_exec *exec, const float *input, int32_t height, int32_t width, int32_t channels,
                         const float *output_gradient, float *input_gradient)
{
    pooling p = {input, output_gradient, input_gradient, height, width, channels};
    return uk_parallel_for(exec, uk_panels(channels), unpool_channels, &p);
}
