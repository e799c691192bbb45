#define _GNU_SOURCE
#include "ULDorKernelsBase.h"

#include <pthread.h>
#include <stdlib.h>

enum { MOST = 1024 };

typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t arrived, opened;
    int32_t waiting;
    bool is_open;
} gate;

static void *wait_for_gate(void *context)
{
    gate *g = context;
    /* A thread's first allocation takes address space of its own in glibc, as it does for libomp's. */
    void *volatile block = malloc(64);
    free(block);
    pthread_mutex_lock(&g->lock);
    g->waiting++;
    pthread_cond_signal(&g->arrived);
    while (!g->is_open) pthread_cond_wait(&g->opened, &g->lock);
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

int32_t uk_startable_threads(int32_t threads)
{
    pthread_t started[MOST];
    gate g = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false};
    pthread_attr_t attributes;
    if (threads > MOST) threads = MOST;
    if (pthread_attr_init(&attributes)) return 1;
    /*
     * libomp's stacks are as large as the process's default, and it keeps some more for each thread. And a thread's first allocation
     * reserves 64 MiB in glibc, or does without where there is no room: when that happens is chance, so room for it is asked for here.
     */
    size_t stack = 0, more = (size_t)66 << 20;
    pthread_attr_getstacksize(&attributes, &stack);
    pthread_attr_setstacksize(&attributes, (stack > (size_t)4 << 20 ? stack : (size_t)4 << 20) + more);
    int32_t count = 0;
    /* All at once: the limits are on how many there are together. */
    while (count < threads - 1 && pthread_create(&started[count], &attributes, wait_for_gate, &g) == 0) count++;
    pthread_mutex_lock(&g.lock);
    /* Until each has taken its memory: one that comes late would find that of one which has left, and too many would fit. */
    while (g.waiting < count) pthread_cond_wait(&g.arrived, &g.lock);
    g.is_open = true;
    pthread_cond_broadcast(&g.opened);
    pthread_mutex_unlock(&g.lock);
    for (int32_t i = 0; i < count; i++) pthread_join(started[i], NULL);
    pthread_attr_destroy(&attributes);
    /* libomp needs some memory for each beside its stack: where the limit was met, take half. */
    return count == threads - 1 ? threads : 1 + count / 2;
}
