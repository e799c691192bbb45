#define _GNU_SOURCE
#include "ULDorKernels.h"

#include <pthread.h>

enum { MOST = 1024 };

typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool is_open;
} gate;

static void *wait_for_gate(void *context)
{
    gate *g = context;
    pthread_mutex_lock(&g->lock);
    while (!g->is_open) pthread_cond_wait(&g->opened, &g->lock);
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

int32_t uk_startable_threads(int32_t threads)
{
    pthread_t started[MOST];
    gate g = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    pthread_attr_t attributes;
    if (threads > MOST) threads = MOST;
    if (pthread_attr_init(&attributes)) return 1;
    /* libomp's own stacks have 4 MiB. */
    pthread_attr_setstacksize(&attributes, (size_t)4 << 20);
    int32_t count = 0;
    /* All at once: the limits are on how many there are together. */
    while (count < threads - 1 && pthread_create(&started[count], &attributes, wait_for_gate, &g) == 0) count++;
    pthread_mutex_lock(&g.lock);
    g.is_open = true;
    pthread_cond_broadcast(&g.opened);
    pthread_mutex_unlock(&g.lock);
    for (int32_t i = 0; i < count; i++) pthread_join(started[i], NULL);
    pthread_attr_destroy(&attributes);
    /* What is only just possible now may not be when it is needed: leave a quarter. */
    return count == threads - 1 ? threads : 1 + count * 3 / 4;
}
