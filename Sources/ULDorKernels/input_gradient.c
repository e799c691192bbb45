#include "ULDorKernels.h"

#include <string.h>

/*
 * The gradient of a convolution's input is a convolution of the output's gradient with the filters turned around. With a stride
 * each pixel of the input meets only some taps: those of one phase, and each phase is a small convolution of stride 1 of its own,
 * written to every stride-th pixel of every stride-th row.
 */

/* The taps of one phase along one side: `count` of them, the first at `tap` and each next one `stride` before it. */
typedef struct side {
    int32_t tap, count, pad;
} side;

static side side_of(const uk_gradient *g, int32_t phase)
{
    /* Tap k of the input's pixel phase + stride * j reads output j + (phase + pad - k) / stride. */
    int32_t least = (phase + g->pad) % g->stride;
    if (least >= g->kernel) return (side){0};
    int32_t last = least + (g->kernel - 1 - least) / g->stride * g->stride;
    return (side){last, (last - least) / g->stride + 1, -(phase + g->pad - last) / g->stride};
}

typedef struct packing {
    const uk_gradient *g;
    side y, x;
    float *packed;
    int32_t first_panel;
} packing;

/* One panel of input channels: [tap][out channel][UK_PANEL]. */
static void pack_panel(const void *context, int64_t panel, int32_t worker)
{
    (void)worker;
    const packing *p = context;
    const uk_gradient *g = p->g;
    int32_t first = (p->first_panel + (int32_t)panel) * UK_PANEL, area = g->kernel * g->kernel;
    int32_t lanes = g->channels - first < UK_PANEL ? g->channels - first : UK_PANEL;
    float *to = p->packed + panel * p->y.count * p->x.count * g->out_channels * UK_PANEL;
    for (int32_t o = 0; o < g->out_channels; o++) {
        const float *from = g->weights + ((int64_t)o * g->channels + first) * area;
        float scale = g->scale ? g->scale[o] : 1.0f;
        for (int32_t i = 0; i < p->y.count; i++)
            for (int32_t j = 0; j < p->x.count; j++) {
                int32_t tap = (p->y.tap - i * g->stride) * g->kernel + p->x.tap - j * g->stride;
                float *at = to + ((int64_t)(i * p->x.count + j) * g->out_channels + o) * UK_PANEL;
                for (int32_t lane = 0; lane < lanes; lane++) at[lane] = from[lane * area + tap] * scale;
                for (int32_t lane = lanes; lane < UK_PANEL; lane++) at[lane] = 0;
            }
    }
}

/* The convolution that gives the phase's pixels of the input's gradient; none where `y` or `x` has no tap. */
static uk_conv phase_of(const uk_gradient *g, int32_t phase_y, int32_t phase_x, side y, side x)
{
    uk_map to = g->input_gradient;
    if (to.data) to.data += phase_y * to.row_stride + phase_x * to.pixel_stride;
    to.height = (to.height - phase_y + g->stride - 1) / g->stride;
    to.width = (to.width - phase_x + g->stride - 1) / g->stride;
    to.row_stride *= g->stride;
    to.pixel_stride *= g->stride;
    /* Both sides have the same padding: kernel and stride are those of a square. */
    uk_conv conv = {.input = g->output_gradient, .output = to, .batch = g->batch, .channels = g->out_channels,
                    .out_channels = g->channels, .kernel_h = y.count, .kernel_w = x.count, .stride = 1,
                    .pad = y.pad > x.pad ? y.pad : x.pad};
    if (g->adds) conv.residual = to;
    return conv;
}

/* Panels of input channels whose filters are packed at a time: a fully connected layer's are not all in memory once more. */
static int32_t group_of(const uk_gradient *g, int32_t taps)
{
    enum { MOST_FLOATS = 3 << 20 };
    int64_t panel = (int64_t)taps * g->out_channels * UK_PANEL, panels = uk_panels(g->channels);
    int64_t group = MOST_FLOATS / panel;
    return (int32_t)(group < 1 ? 1 : group < panels ? group : panels);
}

static int64_t packed_floats(const uk_gradient *g)
{
    side longest = {0};
    for (int32_t phase = 0; phase < g->stride; phase++) {
        side s = side_of(g, phase);
        if (s.count > longest.count) longest = s;
    }
    int32_t taps = longest.count * longest.count, group = group_of(g, taps > 0 ? taps : 1);
    return (int64_t)group * UK_PANEL * g->out_channels * taps;
}

int64_t uk_input_gradient_floats(const uk_table *table, const uk_gradient *g, int32_t threads, bool exact)
{
    int64_t most = 0;
    for (int32_t phase = 0; phase < g->stride * g->stride; phase++) {
        side y = side_of(g, phase / g->stride), x = side_of(g, phase % g->stride);
        if (!y.count || !x.count) continue;
        uk_conv conv = phase_of(g, phase / g->stride, phase % g->stride, y, x);
        int64_t floats = uk_plan_convolution(table, &conv, threads, exact).scratch_floats;
        if (floats > most) most = floats;
    }
    return most + packed_floats(g) + (int64_t)uk_panels(g->channels) * UK_PANEL;
}

typedef struct clearing {
    const uk_map *map;
    int32_t channels;
} clearing;

static void clear_row(const void *context, int64_t index, int32_t worker)
{
    (void)worker;
    const clearing *c = context;
    float *row = c->map->data + index / c->map->height * c->map->image_stride + index % c->map->height * c->map->row_stride;
    for (int32_t x = 0; x < c->map->width; x++)
        memset(row + x * c->map->pixel_stride, 0, (size_t)c->channels * sizeof *row);
}

/* One phase, a group of input channels after another. */
static int convolve_groups(const uk_exec *exec, const uk_table *table, packing *p, uk_conv conv, bool exact, const float *bias,
                           float *scratch)
{
    const uk_gradient *g = p->g;
    float *to = conv.output.data;
    int32_t panels = uk_panels(g->channels), group = group_of(g, p->y.count * p->x.count);
    for (p->first_panel = 0; p->first_panel < panels; p->first_panel += group) {
        int32_t count = panels - p->first_panel < group ? panels - p->first_panel : group, first = p->first_panel * UK_PANEL;
        int status = uk_parallel_for(exec, count, pack_panel, p);
        if (status != UK_OK) return status;
        conv.packed = p->packed;
        conv.bias = bias;
        conv.out_channels = g->channels - first < group * UK_PANEL ? g->channels - first : group * UK_PANEL;
        conv.output.data = to + first;
        if (g->adds) conv.residual.data = to + first;
        uk_conv_plan plan = uk_plan_convolution(table, &conv, exec->threads, exact);
        status = uk_convolve(exec, table, &conv, &plan, scratch);
        if (status != UK_OK) return status;
    }
    return UK_OK;
}

int uk_input_gradient(const uk_exec *exec, const uk_table *table, const uk_gradient *g, bool exact, float *scratch)
{
    float *bias = scratch, *packed = bias + (int64_t)uk_panels(g->channels) * UK_PANEL, *rest = packed + packed_floats(g);
    memset(bias, 0, (size_t)(packed - bias) * sizeof *bias);
    int status = UK_OK;
    for (int32_t phase = 0; phase < g->stride * g->stride && status == UK_OK; phase++) {
        packing p = {g, side_of(g, phase / g->stride), side_of(g, phase % g->stride), packed, 0};
        uk_conv conv = phase_of(g, phase / g->stride, phase % g->stride, p.y, p.x);
        if (conv.output.height <= 0 || conv.output.width <= 0) continue;
        if (!p.y.count || !p.x.count) {
            clearing c = {&conv.output, g->channels};
            if (!g->adds) status = uk_parallel_for(exec, (int64_t)g->batch * conv.output.height, clear_row, &c);
            continue;
        }
        status = convolve_groups(exec, table, &p, conv, exact, bias, rest);
    }
    return status;
}
