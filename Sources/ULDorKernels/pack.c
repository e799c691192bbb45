#include "ULDorKernels.h"

#include <string.h>

int64_t uk_packed_floats(int32_t out_channels, int32_t channels, int32_t kernel_h, int32_t kernel_w)
{
    return (int64_t)uk_panels(out_channels) * UK_PANEL * channels * kernel_h * kernel_w;
}

typedef struct packing {
    const float *weights, *scale;
    float *packed;
    int64_t taps;
    int32_t channels, first_out, end_out;
} packing;

/* `lanes` rows of weights, each `row` long, side by side: reads go along the rows, what is written is whole panels. */
static void interleave(const packing *p, const float *from, int64_t row, const float *scale, int32_t lanes, float *to)
{
    for (int64_t c = 0; c < p->channels; c++)
        for (int64_t t = 0; t < p->taps; t++) {
            float *at = to + (t * p->channels + c) * UK_PANEL;
            for (int32_t lane = 0; lane < lanes; lane++) at[lane] = from[lane * row + c * p->taps + t] * scale[lane];
        }
}

/* The same for 8 rows, 4 x 4 values at a time. */
static void interleave_8(const packing *p, const float *from, int64_t row, const float *scale, float *to)
{
    const float *rows[8];
    for (int32_t lane = 0; lane < 8; lane++) rows[lane] = from + lane * row;
    uk_quad low = *(const uk_quad *)scale, high = *(const uk_quad *)(scale + 4);
    for (int64_t i = 0, c = 0, t = 0; i < row; i += 4) {
        float values[4][8];
        if (i + 4 <= row) {
            uk_transpose(rows, i, values[0], 8);
            uk_transpose(rows + 4, i, values[0] + 4, 8);
        }
        for (int64_t k = 0; k < 4 && i + k < row; k++) {
            if (i + 4 > row)
                for (int32_t lane = 0; lane < 8; lane++) values[k][lane] = rows[lane][i + k];
            float *at = to + (t * p->channels + c) * UK_PANEL;
            *(uk_quad *)at = *(const uk_quad *)values[k] * low;
            *(uk_quad *)(at + 4) = *(const uk_quad *)(values[k] + 4) * high;
            if (++t == p->taps) t = 0, c++;
        }
    }
}

/* What of one panel there is. Half a panel at a time: rows a power of two apart share the sets of the nearest cache. */
static void pack_panel(const void *context, int64_t index, int32_t worker)
{
    (void)worker;
    enum { HALF = 8 };
    const packing *p = context;
    int64_t panel = p->first_out / UK_PANEL + index, row = p->taps * p->channels;
    int32_t begin = (int32_t)panel * UK_PANEL, end = begin + UK_PANEL;
    if (begin < p->first_out) begin = p->first_out;
    if (end > p->end_out) end = p->end_out;
    for (int32_t first = begin, lanes; first < end; first += lanes) {
        lanes = HALF - first % HALF < end - first ? HALF - first % HALF : end - first;
        float scale[HALF];
        for (int32_t i = 0; i < lanes; i++) scale[i] = p->scale ? p->scale[first - p->first_out + i] : 1.0f;
        const float *from = p->weights + (first - p->first_out) * row;
        float *to = p->packed + panel * row * UK_PANEL + first % UK_PANEL;
        if (lanes == HALF) interleave_8(p, from, row, scale, to);
        else interleave(p, from, row, scale, lanes, to);
    }
    for (int64_t i = 0; end % UK_PANEL && i < row; i++)
        memset(p->packed + (panel * row + i) * UK_PANEL + end % UK_PANEL, 0, (size_t)(UK_PANEL - end % UK_PANEL) * sizeof(float));
}

int uk_pack_conv(const uk_exec *exec, const float *weights, const float *scale, int32_t out_channels, int32_t channels,
                 int32_t kernel_h, int32_t kernel_w, int32_t first_out, float *packed)
{
    packing p = {weights, scale, packed, (int64_t)kernel_h * kernel_w, channels, first_out, first_out + out_channels};
    return uk_parallel_for(exec, uk_panels(p.end_out) - first_out / UK_PANEL, pack_panel, &p);
}
