#include "ULDorKernels.h"

#include <string.h>

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
