#include "ULDorKernels.h"

int64_t uk_packed_floats(int32_t out_channels, int32_t channels, int32_t kernel_h, int32_t kernel_w)
{
    return (int64_t)uk_panels(out_channels) * UK_PANEL * channels * kernel_h * kernel_w;
}

typedef struct packing {
    const float *weights, *scale;
    float *packed;
    int64_t taps;
    int32_t channels, first_out;
} packing;

static void pack_row(const void *context, int64_t index, int32_t worker)
{
    (void)worker;
    const packing *p = context;
    int64_t row = p->first_out + index;
    float *to = p->packed + row / UK_PANEL * p->taps * p->channels * UK_PANEL + row % UK_PANEL;
    const float *from = p->weights + index * p->channels * p->taps;
    float k = p->scale ? p->scale[index] : 1.0f;
    for (int64_t t = 0; t < p->taps; t++)
        for (int32_t c = 0; c < p->channels; c++) to[(t * p->channels + c) * UK_PANEL] = from[c * p->taps + t] * k;
}

int uk_pack_conv(const uk_exec *exec, const float *weights, const float *scale, int32_t out_channels, int32_t channels,
                 int32_t kernel_h, int32_t kernel_w, int32_t first_out, float *packed)
{
    packing p = {weights, scale, packed, (int64_t)kernel_h * kernel_w, channels, first_out};
    return uk_parallel_for(exec, out_channels, pack_row, &p);
}
