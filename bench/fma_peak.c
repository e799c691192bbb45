/*
 * How many fused multiply-adds the cores can do: registers only, nothing from memory. One JSON object a line.
 *
 *     fma_peak [-r ROUNDS] THREADS...
 *
 * "best" is the machine undisturbed; "median" is what it gave.
 */
#define _GNU_SOURCE
#include <immintrin.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ROUNDS = 15, MAX_THREADS = 256 };
static const long STEPS = 8 * 1000 * 1000;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/*
 * More chains than latency x ports needs (4 x 2), few enough for the registers: every loop over them is unrolled, or the sums
 * would live in memory.
 */
#define LOOP(name, isa, vector, chains, set1, fma)                                                                             \
    __attribute__((target(isa))) static void *name(void *out) {                                                                \
        vector sum[chains], scale = set1(0.999f), add = set1(0.001f);                                                          \
        _Pragma("GCC unroll 24") for (int i = 0; i < chains; i++) sum[i] = set1((float)i * 0.1f);                              \
        for (long step = 0; step < STEPS; step++) {                                                                            \
            _Pragma("GCC unroll 24") for (int i = 0; i < chains; i++) sum[i] = fma(sum[i], scale, add);                        \
        }                                                                                                                      \
        _Pragma("GCC unroll 24") for (int i = 1; i < chains; i++) sum[0] += sum[i];                                            \
        *(float *)out = sum[0][0];                                                                                             \
        return NULL;                                                                                                           \
    }
LOOP(avx2, "avx2,fma", __m256, 12, _mm256_set1_ps, _mm256_fmadd_ps)
LOOP(avx512, "avx512f", __m512, 24, _mm512_set1_ps, _mm512_fmadd_ps)

/*
 * Each thread has a CPU of its own: left to itself the system may keep a new thread on the CPU of the one that started it for longer than
 * a round takes, and the rate of one core would pass for that of two.
 */
static cpu_set_t allowed;

static cpu_set_t only(int index) {
    cpu_set_t one;
    CPU_ZERO(&one);
    index %= CPU_COUNT(&allowed);
    for (int cpu = 0, found = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && found++ == index) CPU_SET(cpu, &one);
    return one;
}

static void start(pthread_t *thread, int index, void *(*loop)(void *), float *out) {
    cpu_set_t place = only(index);
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) || pthread_attr_setaffinity_np(&attributes, sizeof place, &place) ||
        pthread_create(thread, &attributes, loop, out))
        exit(1);
    pthread_attr_destroy(&attributes);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *name, void *(*loop)(void *), double flops, int threads, int rounds) {
    pthread_t started[MAX_THREADS];
    float out[MAX_THREADS];
    double rates[MAX_ROUNDS];
    for (int round = 0; round < rounds; round++) {
        double begin = now();
        for (int i = 1; i < threads; i++) start(&started[i], i, loop, &out[i]);
        loop(&out[0]);
        for (int i = 1; i < threads; i++) pthread_join(started[i], NULL);
        rates[round] = flops * (double)STEPS * threads / (now() - begin) / 1e9;
    }
    qsort(rates, (size_t)rounds, sizeof rates[0], ascending);
    printf("{\"instructions\": \"%s\", \"threads\": %d, \"median_gflops\": %.1f, \"best_gflops\": %.1f}\n", name, threads,
           rates[rounds / 2], rates[rounds - 1]);
}

int main(int count, char **arguments) {
    int rounds = MAX_ROUNDS, first = 1;
    if (sched_getaffinity(0, sizeof allowed, &allowed)) return perror("fma_peak"), 1;
    cpu_set_t place = only(0);
    if (sched_setaffinity(0, sizeof place, &place)) return perror("fma_peak"), 1;
    if (count > 2 && !strcmp(arguments[1], "-r")) {
        rounds = atoi(arguments[2]), first = 3;
        if (rounds < 1 || rounds > MAX_ROUNDS) return fprintf(stderr, "fma_peak: %s: 1..%d rounds\n", arguments[2], MAX_ROUNDS), 2;
    }
    for (int i = first; i < count; i++) {
        int threads = atoi(arguments[i]);
        if (threads < 1 || threads > MAX_THREADS) return fprintf(stderr, "fma_peak: %s: 1..%d threads\n", arguments[i], MAX_THREADS), 2;
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) measure("avx2", avx2, 2 * 8 * 12, threads, rounds);
        if (__builtin_cpu_supports("avx512f")) measure("avx512", avx512, 2 * 16 * 24, threads, rounds);
    }
    return 0;
}
