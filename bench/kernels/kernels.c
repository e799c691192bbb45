/*
 * Times every convolution of the network by itself, with each algorithm: GFLOP/s, share of this machine's FMA peak, and the
 * direct convolution's arithmetic over the time ("effective").
 *
 *     kernels [THREADS [INSTRUCTIONS [LAYER [chosen]]]]
 *
 * INSTRUCTIONS: best, avx512, avx2, portable. LAYER: only those whose name has this in it. chosen: only the algorithm that the
 * library would choose. DENSE=1 in the environment: channels lie together in all maps.
 */
#include "common.h"

typedef struct work {
    const uk_exec *exec;
    const uk_table *table;
    uk_conv conv;
    uk_conv_plan plan;
    float *scratch;
} work;

static void convolve(void *context)
{
    work *w = context;
    uk_convolve(w->exec, w->table, &w->conv, &w->plan, w->scratch);
}

/* What a plan may choose. */
typedef enum choice { DIRECT, STRASSEN, WINOGRAD_2, WINOGRAD_4, CHOICES } choice;

static choice choice_of(const uk_conv_plan *plan)
{
    if (plan->is_strassen) return STRASSEN;
    return plan->winograd_side == 4 ? WINOGRAD_4 : plan->winograd_side == 2 ? WINOGRAD_2 : DIRECT;
}

/* Operations that it does for a layer whose direct convolution has `direct` of them. */
static double operations_done(choice chosen, const layer *l, double direct)
{
    if (chosen == DIRECT) return direct;
    if (chosen == STRASSEN) return direct * 7 / 8;
    double points = (double)uk_winograd_points(chosen == WINOGRAD_4 ? 4 : 2, output_size(l));
    return 2.0 * l->batch * points * points * l->channels * l->out_channels;
}

/* A new map; in groups as the library has it (Execution.hiddenMap), unless it is dense or its channels do not fit. */
static uk_map new_map(int32_t batch, int32_t size, int32_t channels, bool is_dense)
{
    int64_t pixels = (int64_t)batch * size * size, group = (pixels + 33) * UK_PANEL;
    if (is_dense || channels % UK_PANEL != 0 || getenv("DENSE")) return map_of(filled(pixels * channels), size, channels);
    uk_map map = map_of(filled(channels / UK_PANEL * group), size, UK_PANEL);
    map.group_stride = group;
    return map;
}

/* Seconds of a layer by what is chosen of `algorithms`; NAN where `is_done` says so of it. */
static double time_layer(const uk_exec *exec, const uk_table *table, const layer *l, int32_t algorithms, bool is_done[CHOICES],
                         choice *chosen)
{
    uk_conv conv = {0};
    int32_t out = output_size(l);
    conv.input = new_map(l->batch, l->size, l->channels, l->dense & DENSE_IN);
    conv.output = new_map(l->batch, out, l->out_channels, l->dense & DENSE_OUT);
    conv.packed = filled(uk_packed_floats(l->out_channels, l->channels, l->kernel, l->kernel));
    conv.bias = filled(uk_panels(l->out_channels) * UK_PANEL);
    conv.batch = l->batch, conv.channels = l->channels, conv.out_channels = l->out_channels;
    conv.kernel_h = conv.kernel_w = l->kernel, conv.stride = l->stride, conv.pad = pad_of(l), conv.relu = true;
    if (l->kernel == 7) {
        /* As the stem does it: a row of the kernel is 21 floats of a padded image. */
        conv.kernel_w = 1, conv.pad = 0, conv.channels = 21;
        free(conv.input.data);
        conv.input = map_of(filled((int64_t)(l->size + 6) * (l->size + 6) * 3 + 64), l->size + 6, 3);
    }
    /* As in the network: a block's sum is written where its residual is. */
    bool is_in_place = l->residual == 1;
    if (is_in_place) conv.residual = conv.output;
    else if (l->residual) conv.residual = new_map(l->batch, out / l->residual, l->out_channels, l->dense & DENSE_OUT);
    uk_conv_plan plan = uk_plan_convolution(table, &conv, exec->threads, algorithms);
    *chosen = choice_of(&plan);
    work w = {exec, table, conv, plan, filled(plan.scratch_floats)};
    double seconds = is_done[*chosen] ? NAN : time_call(convolve, &w);
    is_done[*chosen] = true;
    free(conv.input.data), free(conv.output.data), free(w.scratch);
    if (!is_in_place) free(conv.residual.data);
    free((void *)conv.packed), free((void *)conv.bias);
    return seconds;
}

int main(int argc, char **argv)
{
    uk_exec exec;
    double best, total = 0, all = 0;
    const uk_table *table = begin(argc, argv, &exec, &best);
    printf("| layer | input | out | times | algorithm | ms | GFLOP/s | %% of peak | effective / peak | ms of pass |\n|---|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        const layer *l = layers + i;
        if (argc > 3 && !strstr(l->name, argv[3])) continue;
        double flop = operations(l);
        bool is_done[CHOICES] = {false};
        for (int32_t algorithms = UK_FAST; algorithms <= (argc > 4 ? UK_FAST : UK_STRASSEN); algorithms++) {
            static const char *const names[] = {"direct", "Strassen", "Winograd 2 x 2", "Winograd"};
            choice chosen;
            double s = time_layer(&exec, table, l, algorithms, is_done, &chosen);
            if (isnan(s)) continue;
            double done = operations_done(chosen, l, flop);
            printf("| %s | %d x %d² x %d | %d | %d | %s | %.3f | %.0f | %.0f | %.2f | %.2f |\n", l->name, l->batch, l->size,
                   l->channels, l->out_channels, l->times, names[chosen], s * 1e3, done / s / 1e9, 100 * done / s / 1e9 / best,
                   flop / s / 1e9 / best, algorithms == UK_FAST ? s * 1e3 * l->times : 0.0);
            if (algorithms == UK_FAST) total += s * l->times, all += flop * l->times;
        }
    }
    printf("\nall: %.1f ms, effective %.0f GFLOP/s, %.2f of the peak\n", total * 1e3, all / total / 1e9, all / total / 1e9 / best);
    return 0;
}
