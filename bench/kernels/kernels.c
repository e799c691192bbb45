/*
 * Times every convolution of the network by itself, with each algorithm: GFLOP/s, share of this machine's FMA peak, and the
 * direct convolution's arithmetic over the time ("effective").
 *
 *     kernels [THREADS [INSTRUCTIONS [LAYER [chosen]]]]
 *
 * INSTRUCTIONS: best, avx512, avx2, portable. LAYER: only those whose name has this in it. chosen: only the algorithm that the
 * library would choose.
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

static double time_layer(const uk_exec *exec, const uk_table *table, const layer *l, bool exact, bool *is_winograd)
{
    uk_conv conv = {0};
    int32_t out = output_size(l);
    int64_t in_count = (int64_t)l->batch * l->size * l->size * l->channels;
    int64_t out_count = (int64_t)l->batch * out * out * l->out_channels;
    conv.input = map_of(filled(in_count), l->size, l->channels);
    conv.output = map_of(filled(out_count), out, l->out_channels);
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
    if (l->residual) conv.residual = map_of(filled(out_count), out / l->residual, l->out_channels);
    uk_conv_plan plan = uk_plan_convolution(table, &conv, exec->threads, exact);
    *is_winograd = plan.is_winograd;
    work w = {exec, table, conv, plan, filled(plan.scratch_floats)};
    double seconds = time_call(convolve, &w);
    free(conv.input.data), free(conv.output.data), free(w.scratch), free(conv.residual.data);
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
        int32_t out = output_size(l);
        double flop = operations(l);
        double tiles = (double)l->batch * ((out + 3) / 4) * ((out + 3) / 4) * 36;
        bool can = false;
        for (int exact = 0; exact < (argc > 4 ? 1 : 2); exact++) {
            bool is_winograd;
            double s = time_layer(&exec, table, l, exact, &is_winograd);
            if (exact && !can) continue;
            can = is_winograd;
            double done = is_winograd ? 2.0 * tiles * l->channels * l->out_channels : flop;
            printf("| %s | %d x %d² x %d | %d | %d | %s | %.3f | %.0f | %.0f | %.2f | %.2f |\n", l->name, l->batch, l->size,
                   l->channels, l->out_channels, l->times, is_winograd ? "Winograd" : "direct", s * 1e3, done / s / 1e9,
                   100 * done / s / 1e9 / best, flop / s / 1e9 / best, exact ? 0.0 : s * 1e3 * l->times);
            if (!exact) total += s * l->times, all += flop * l->times;
        }
    }
    printf("\nall: %.1f ms, effective %.0f GFLOP/s, %.2f of the peak\n", total * 1e3, all / total / 1e9, all / total / 1e9 / best);
    return 0;
}
