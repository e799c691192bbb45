#include "ULDorKernels.h"

#include <string.h>

/*
 * The gradient of a convolution's input is a convolution of the output's gradient with the filters turned around. With a stride
 * each pixel of the input meets only some taps: those of one phase, and each phase is a small convolution of stride 1 of its own,
 * written to every stride-th pixel of every stride-th row.
 */

/*
 * The taps of one phase along one side: `count`, of which the first `blank` are 0, then the one at `tap` and each next one
 * `stride` before it. Phases that begin at different outputs are given the same padding by blank taps.
 */
typedef struct side {
    int32_t tap, blank, count;
} side;

/* Tap k of the input's pixel phase + stride * j reads output j + (phase + pad - k) / stride: the last k there is; -1: none. */
static int32_t last_tap(const uk_gradient *g, int32_t phase)
{
    int32_t least = (phase + g->pad) % g->stride;
    return least < g->kernel ? least + (g->kernel - 1 - least) / g->stride * g->stride : -1;
}

static int32_t pad_of(const uk_gradient *g)
{
    int32_t pad = 0;
    for (int32_t phase = 0; phase < g->stride; phase++) {
        int32_t last = last_tap(g, phase), own = (last - phase - g->pad) / g->stride;
        if (last >= 0 && own > pad) pad = own;
    }
    return pad;
}

static side side_of(const uk_gradient *g, int32_t phase)
{
    int32_t last = last_tap(g, phase);
    if (last < 0) return (side){0};
    int32_t blank = pad_of(g) - (last - phase - g->pad) / g->stride;
    return (side){last, blank, blank + last / g->stride + 1};
}

typedef struct packing {
    const uk_gradient *g;
    side y, x;
    float *packed;
    int32_t first_panel, panels; /* of a group */
} packing;

/* One output channel of one panel: a row of UK_PANEL for each tap. */
static inline __attribute__((always_inline)) void pack_taps(const packing *p, const float *from, int32_t area, int32_t lanes,
                                                            float scale, float *to)
{
    const uk_gradient *g = p->g;
    int64_t tap_floats = (int64_t)g->out_channels * UK_PANEL;
    for (int32_t i = 0; i < p->y.count; i++)
        for (int32_t j = 0; j < p->x.count; j++, to += tap_floats) {
            int32_t y = p->y.tap - (i - p->y.blank) * g->stride, x = p->x.tap - (j - p->x.blank) * g->stride;
            bool is_blank = i < p->y.blank || j < p->x.blank;
            const float *tap = from + y * g->kernel + x;
            for (int32_t lane = 0; lane < lanes && !is_blank; lane++) to[lane] = tap[lane * area] * scale;
            for (int32_t lane = is_blank ? 0 : lanes; lane < UK_PANEL; lane++) to[lane] = 0;
        }
}

/* Some panels of input channels, each [tap][out channel][UK_PANEL], side by side: they are neighbours in every row of weights. */
enum { PACKED_PANELS = 4 };

static void pack_panels(const void *context, int64_t index, int32_t worker)
{
    (void)worker;
    const packing *p = context;
    const uk_gradient *g = p->g;
    int32_t area = g->kernel * g->kernel, begin = (int32_t)index * PACKED_PANELS, end = begin + PACKED_PANELS;
    if (end > p->panels) end = p->panels;
    int64_t panel_floats = (int64_t)p->y.count * p->x.count * g->out_channels * UK_PANEL;
    for (int32_t o = 0; o < g->out_channels; o++)
        for (int32_t panel = begin; panel < end; panel++) {
            int32_t first = (p->first_panel + panel) * UK_PANEL, lanes = g->channels - first < UK_PANEL ? g->channels - first : UK_PANEL;
            const float *from = g->weights + ((int64_t)o * g->channels + first) * area;
            float scale = g->scale ? g->scale[o] : 1.0f, *to = p->packed + panel * panel_floats + (int64_t)o * UK_PANEL;
            if (lanes == UK_PANEL && area == 1) pack_taps(p, from, 1, UK_PANEL, scale, to);
            else if (lanes == UK_PANEL && area == 9) pack_taps(p, from, 9, UK_PANEL, scale, to);
            else pack_taps(p, from, area, lanes, scale, to);
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
    uk_conv conv = {.input = g->output_gradient, .output = to, .batch = g->batch, .channels = g->out_channels,
                    .out_channels = g->channels, .kernel_h = y.count, .kernel_w = x.count, .stride = 1, .pad = pad_of(g)};
    if (g->adds) conv.residual = to;
    return conv;
}

/* Taps of the phase that has most. */
static int32_t most_taps(const uk_gradient *g)
{
    int32_t most = 1;
    for (int32_t phase = 0; phase < g->stride; phase++) {
        side s = side_of(g, phase);
        if (s.count > most) most = s.count;
    }
    return most * most;
}

/* Panels of input channels whose filters are packed at a time: a fully connected layer's are not all in memory once more. */
static int32_t group_of(const uk_gradient *g)
{
    enum { MOST_FLOATS = 3 << 20 };
    int64_t panel = (int64_t)most_taps(g) * g->out_channels * UK_PANEL, panels = uk_panels(g->channels);
    int64_t group = MOST_FLOATS / panel;
    return (int32_t)(group < 1 ? 1 : group < panels ? group : panels);
}

static int64_t packed_floats(const uk_gradient *g)
{
    return (int64_t)group_of(g) * UK_PANEL * g->out_channels * most_taps(g);
}

/* Channels of the group that begins at panel `first`. */
static int32_t group_channels(const uk_gradient *g, int32_t first)
{
    int32_t left = g->channels - first * UK_PANEL, most = group_of(g) * UK_PANEL;
    return left < most ? left : most;
}

int64_t uk_input_gradient_floats(const uk_table *table, const uk_gradient *g, int32_t threads, int32_t algorithms)
{
    int64_t most = 0;
    int32_t last = (uk_panels(g->channels) - 1) / group_of(g) * group_of(g);
    for (int32_t phase = 0; phase < g->stride * g->stride; phase++) {
        side y = side_of(g, phase / g->stride), x = side_of(g, phase % g->stride);
        if (!y.count || !x.count) continue;
        uk_conv conv = phase_of(g, phase / g->stride, phase % g->stride, y, x);
        for (int32_t first = 0;; first = last) {
            conv.out_channels = group_channels(g, first);
            int64_t floats = uk_plan_convolution(table, &conv, threads, algorithms).scratch_floats;
            if (floats > most) most = floats;
            if (first == last) break;
        }
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
static int convolve_groups(const uk_exec *exec, const uk_table *table, packing *p, uk_conv conv, int32_t algorithms,
                           const float *bias, float *scratch)
{
    const uk_gradient *g = p->g;
    float *to = conv.output.data;
    int32_t panels = uk_panels(g->channels);
    for (p->first_panel = 0; p->first_panel < panels; p->first_panel += p->panels) {
        conv.out_channels = group_channels(g, p->first_panel);
        p->panels = uk_panels(conv.out_channels);
        int status = uk_parallel_for(exec, (p->panels + PACKED_PANELS - 1) / PACKED_PANELS, pack_panels, p);
        if (status != UK_OK) return status;
        conv.packed = p->packed;
        conv.bias = bias;
        conv.output.data = to + p->first_panel * UK_PANEL;
        if (g->adds) conv.residual.data = conv.output.data;
        uk_conv_plan plan = uk_plan_convolution(table, &conv, exec->threads, algorithms);
        status = uk_convolve(exec, table, &conv, &plan, scratch);
        if (status != UK_OK) return status;
    }
    return UK_OK;
}

int uk_input_gradient(const uk_exec *exec, const uk_table *table, const uk_gradient *g, int32_t algorithms, float *scratch)
{
    float *bias = scratch, *packed = bias + (int64_t)uk_panels(g->channels) * UK_PANEL, *rest = packed + packed_floats(g);
    memset(bias, 0, (size_t)(packed - bias) * sizeof *bias);
    int status = UK_OK;
    for (int32_t phase = 0; phase < g->stride * g->stride && status == UK_OK; phase++) {
        packing p = {g, side_of(g, phase / g->stride), side_of(g, phase % g->stride), packed, 0, 0};
        uk_conv conv = phase_of(g, phase / g->stride, phase % g->stride, p.y, p.x);
        if (conv.output.height <= 0 || conv.output.width <= 0) continue;
        if (!p.y.count || !p.x.count) {
            clearing c = {&conv.output, g->channels};
            if (!g->adds) status = uk_parallel_for(exec, (int64_t)g->batch * conv.output.height, clear_row, &c);
            continue;
        }
        status = convolve_groups(exec, table, &p, conv, algorithms, bias, rest);
    }
    return status;
}
