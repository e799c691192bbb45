#include "ULDorKernels.h"

#include <string.h>

typedef struct regions {
    const uk_table *table;
    const uk_roi *rois;
    float *output;
} regions;

static void align_one(const void *context, int64_t index, int32_t worker)
{
    (void)worker;
    const regions *r = context;
    const uk_roi *roi = r->rois + index;
    r->table->roi_align(roi, r->output + index * roi->pooled * roi->pooled * roi->channels);
}

int uk_roi_align(const uk_exec *exec, const uk_table *table, const uk_roi *rois, int64_t count, float *output)
{
    regions r = {table, rois, output};
    return uk_parallel_for(exec, count, align_one, &r);
}

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

typedef struct padding {
    const float *input;
    float *output;
    int32_t height, width, channels, pad;
} padding;

static void pad_row(const void *context, int64_t index, int32_t worker)
{
    (void)worker;
    const padding *p = context;
    int64_t rows = p->height + 2 * p->pad, y = index % rows - p->pad, n = index / rows;
    int64_t width = (int64_t)p->width * p->channels, border = (int64_t)p->pad * p->channels;
    float *to = p->output + index * (width + 2 * border);
    if (y < 0 || y >= p->height) {
        memset(to, 0, (size_t)(width + 2 * border) * sizeof *to);
        return;
    }
    memset(to, 0, (size_t)border * sizeof *to);
    memcpy(to + border, p->input + (n * p->height + y) * width, (size_t)width * sizeof *to);
    memset(to + border + width, 0, (size_t)border * sizeof *to);
}

int uk_pad(const uk_exec *exec, const float *input, int32_t batch, int32_t height, int32_t width, int32_t channels, int32_t pad,
           float *output)
{
    padding p = {input, output, height, width, channels, pad};
    return uk_parallel_for(exec, (int64_t)batch * (height + 2 * pad), pad_row, &p);
}
