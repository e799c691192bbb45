/* What the two programs share. Include it before anything else. */
#ifndef COMMON_H
#define COMMON_H

#define _DEFAULT_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "ULDorKernels.h"
#include "ULDorKernelsAVX2.h"
#include "ULDorKernelsAVX512.h"
#include "layers.h"

enum { ROUNDS = 9 };

/* CPU=1 in the environment: CPU time, for one thread on a machine that others use. */
static double now(void)
{
    struct timespec t;
    clock_gettime(getenv("CPU") ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *filled(int64_t count)
{
    size_t bytes = ((size_t)count * 4 + (2 << 20)) >> 21 << 21;
    float *p = aligned_alloc(2 << 20, bytes);
    if (p && !getenv("SMALL")) madvise(p, bytes, MADV_HUGEPAGE);
    uint32_t state = 1;
    for (int64_t i = 0; p && i < count; i++) {
        state = state * 1664525u + 1013904223u;
        p[i] = (float)(state >> 8) * 0x1p-24f - 0.25f;
    }
    return p;
}

static uk_map map_of(float *data, int32_t size, int32_t channels)
{
    return (uk_map){data, (int64_t)size * size * channels, (int64_t)size * channels, channels, size, size, 0};
}

static double median(double *values, int count)
{
    for (int i = 1; i < count; i++)
        for (int j = i; j > 0 && values[j] < values[j - 1]; j--) {
            double t = values[j];
            values[j] = values[j - 1], values[j - 1] = t;
        }
    return values[count / 2];
}

/* Seconds of a call, the median of several rounds; `context` is handed to it. */
static double time_call(void (*call)(void *), void *context)
{
    double values[ROUNDS];
    call(context);
    for (int i = 0; i < ROUNDS; i++) {
        double start = now();
        int repeats = 0;
        do call(context), repeats++;
        while (now() - start < 0.005);
        values[i] = (now() - start) / repeats;
    }
    return median(values, ROUNDS);
}

/* Lines of the output, and multiply-adds of the direct convolution, counted as two. Even kernels stand on their stride, unpadded. */
static int32_t pad_of(const layer *l)
{
    return l->kernel % 2 ? l->kernel / 2 : 0;
}

static int32_t output_size(const layer *l)
{
    return (l->size + 2 * pad_of(l) - l->kernel) / l->stride + 1;
}

static double operations(const layer *l)
{
    double out = output_size(l);
    return 2.0 * l->batch * out * out * l->out_channels * l->channels * l->kernel * l->kernel;
}

/* What this table's instructions give in registers, GFLOP/s: the program fma_peak beside this one measures it. 0: not known. */
static double measure_peak(const char *self, int32_t threads, const char *instructions)
{
    const char *slash = strrchr(self, '/');
    char command[4096], line[256], name[32];
    snprintf(command, sizeof command, "'%.*sfma_peak' %d", slash ? (int)(slash - self + 1) : 0, self, threads);
    FILE *output = popen(command, "r");
    double median, best, peak = 0;
    while (output && fgets(line, sizeof line, output))
        if (sscanf(line, "{\"instructions\": \"%31[^\"]\", \"threads\": %*d, \"median_gflops\": %lf, \"best_gflops\": %lf", name, &median,
                   &best) == 3 && !strcmp(name, instructions))
            peak = best;
    if (output) pclose(output);
    return peak;
}

static const uk_table *table_named(const char *wanted)
{
    return !strcmp(wanted, "avx512")     ? &uk_table_avx512
           : !strcmp(wanted, "avx2")     ? &uk_table_avx2
           : !strcmp(wanted, "portable") ? uk_table_for(UK_PORTABLE)
                                         : uk_table_for(UK_BEST);
}

/* THREADS and INSTRUCTIONS of the command line, told; `peak` is NaN where it is not known. */
static const uk_table *begin(int argc, char **argv, uk_exec *exec, double *peak)
{
    *exec = (uk_exec){argc > 1 ? atoi(argv[1]) : 1, NULL};
    const uk_table *table = table_named(argc > 2 ? argv[2] : "best");
    *peak = measure_peak(argv[0], exec->threads, table->name);
    printf("%s, %d thread%s: multiply-adds in registers give %.0f GFLOP/s\n\n", table->name, exec->threads,
           exec->threads > 1 ? "s" : "", *peak);
    if (*peak == 0) *peak = NAN;
    return table;
}

#endif
