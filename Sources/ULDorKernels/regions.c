#include "ULDorKernels.h"

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
