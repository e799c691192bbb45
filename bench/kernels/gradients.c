/*
 * Times the gradients of every convolution that a training step of the network has, by itself: GFLOP/s of the direct
 * convolution's arithmetic and their share of this machine's FMA peak.
 *
 *     gradients [THREADS [INSTRUCTIONS [LAYER]]]
 *
 * INSTRUCTIONS and LAYER as kernels.c has them.
 */
#include "common.h"

typedef struct times {
    double weights, input;
} times;

typedef struct work {
    uk_exec exec;
    const uk_table *table;
    uk_gradient gradient;
    float *scratch;
} work;

static void weights(void *context)
{
    work *w = context;
    uk_weight_gradient(&w->exec, w->table, &w->gradient, UK_FAST, w->scratch);
}

static void input(void *context)
{
    work *w = context;
    uk_input_gradient(&w->exec, w->table, &w->gradient, UK_FAST, w->scratch);
}

static times time_layer(const uk_exec *exec, const uk_table *table, const layer *l, double *scratch_mb)
{
    int32_t out = output_size(l);
    int64_t in_count = (int64_t)l->batch * l->size * l->size * l->channels;
    int64_t out_count = (int64_t)l->batch * out * out * l->out_channels;
    int64_t weight_count = (int64_t)l->out_channels * l->channels * l->kernel * l->kernel;
    work w = {.exec = *exec, .table = table};
    uk_gradient *g = &w.gradient;
    float *in = filled(in_count), *weight = filled(weight_count), *scale = filled(l->out_channels);
    g->input = map_of(in, l->size, l->channels);
    g->output_gradient = map_of(filled(out_count), out, l->out_channels);
    g->input_gradient = map_of(filled(in_count), l->size, l->channels);
    g->weights = weight, g->scale = scale;
    g->weight_gradient = filled(weight_count);
    g->batch = l->batch, g->channels = l->channels, g->out_channels = l->out_channels;
    g->kernel = l->kernel, g->stride = l->stride, g->pad = pad_of(l);
    int64_t weight_floats = uk_weight_gradient_floats(g, exec->threads, UK_FAST);
    int64_t input_floats = uk_input_gradient_floats(table, g, exec->threads, UK_FAST);
    *scratch_mb = (double)weight_floats * 4e-6;
    w.scratch = filled(weight_floats > input_floats ? weight_floats : input_floats);
    times t = {time_call(weights, &w), time_call(input, &w)};
    free(in), free(weight), free(scale), free(w.scratch);
    free(g->output_gradient.data), free(g->input_gradient.data), free(g->weight_gradient);
    return t;
}

int main(int argc, char **argv)
{
    uk_exec exec;
    double peak, total = 0, flops = 0;
    const uk_table *table = begin(argc, argv, &exec, &peak);
    printf("| layer | input | out | times | weights: ms | GFLOP/s | %% of peak | scratch MB | input: ms | GFLOP/s | %% of peak | ms of step |\n"
           "|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof trained_layers / sizeof *trained_layers; i++) {
        const layer *l = trained_layers + i;
        if (argc > 3 && !strstr(l->name, argv[3])) continue;
        double flop = operations(l), mb;
        times t = time_layer(&exec, table, l, &mb);
        printf("| %s | %d x %d² x %d | %d | %d | %.3f | %.0f | %.0f | %.1f | %.3f | %.0f | %.0f | %.1f |\n", l->name, l->batch, l->size,
               l->channels, l->out_channels, l->times, t.weights * 1e3, flop / t.weights / 1e9, 100 * flop / t.weights / 1e9 / peak, mb,
               t.input * 1e3, flop / t.input / 1e9, 100 * flop / t.input / 1e9 / peak, (t.weights + t.input) * 1e3 * l->times);
        fflush(stdout);
        total += (t.weights + t.input) * l->times, flops += 2 * flop * l->times;
    }
    printf("\nall: %.1f ms, %.0f GFLOP/s, %.2f of the peak\n", total * 1e3, flops / total / 1e9, flops / total / 1e9 / peak);
    return 0;
}
