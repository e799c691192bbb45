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

typedef struct region_gradients {
    const uk_table *table;
    const uk_roi *rois;
    const float *gradient;
    float *const *targets;
    int64_t count;
} region_gradients;

enum { REGION_CHANNELS = 32 };

/* Some channels of all regions, one after another: what falls on the same pixel is always added up in their order. */
static void scatter_channels(const void *context, int64_t index, int32_t worker)
{
    (void)worker;
    const region_gradients *r = context;
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
    region_gradients r = {table, rois, gradient, targets, count};
    return uk_parallel_for(exec, (rois[0].channels + REGION_CHANNELS - 1) / REGION_CHANNELS, scatter_channels, &r);
}
