#include "ULDorKernelsBase.h"

#include <stdatomic.h>

const float uk_zeros[UK_MAX_CHANNELS];

void uk_flag_store(int32_t *flag, int32_t value) { atomic_store((_Atomic int32_t *)flag, value); }

int32_t uk_flag_load(const int32_t *flag)
{
    return atomic_load_explicit((const _Atomic int32_t *)flag, memory_order_acquire);
}

bool uk_is_stopping(const uk_exec *exec) { return exec->state && uk_flag_load(exec->state) == UK_STOPPING; }

bool uk_flag_exchange(int32_t *flag, int32_t expected, int32_t desired)
{
    return atomic_compare_exchange_strong((_Atomic int32_t *)flag, &expected, desired);
}

/*
 * libomp's workers wait awake for the next region for a time that belongs to the thread which forks them: 200 ms unless
 * it says otherwise. A pass leaves a few ms between regions at most, and a host should not pay for more.
 */
extern int omp_get_thread_num(void);
extern int kmp_get_blocktime(void);
extern void kmp_set_blocktime(int milliseconds);
enum { AWAKE_MS = 5 };

/* Jobs are handed out by a counter: threads that finish early take more, and no result depends on who took what. */
static void work(const uk_exec *exec, _Atomic int64_t *next, int64_t count, uk_job job, const void *context, int32_t worker)
{
    for (;;) {
        if (uk_is_stopping(exec)) return;
        int64_t index = atomic_fetch_add_explicit(next, 1, memory_order_relaxed);
        if (index >= count) return;
        job(context, index, worker);
    }
}

/* On its own, since the compiler asks OpenMP for the thread's number on entry to a function with a region in it. */
static __attribute__((noinline)) void work_together(int32_t threads, const uk_exec *exec, _Atomic int64_t *next,
                                                    int64_t count, uk_job job, const void *context)
{
    int before = kmp_get_blocktime();
    kmp_set_blocktime(AWAKE_MS);
#pragma omp parallel num_threads(threads)
    work(exec, next, count, job, context, omp_get_thread_num());
    kmp_set_blocktime(before);
}

/*
 * What a calling thread may have of what it asks for, found out before its first region: libomp then keeps these workers
 * for it.
 */
static int32_t granted_threads(int32_t threads)
{
    static _Thread_local int32_t asked = 1, granted = 1;
    if (threads > asked) {
        granted = uk_startable_threads(threads);
        asked = threads;
    }
    return threads < granted ? threads : granted;
}

int uk_parallel_for(const uk_exec *exec, int64_t count, uk_job job, const void *context)
{
    _Atomic int64_t next = 0;
    int32_t threads = exec->threads < count ? exec->threads : (int32_t)count;
    /* With one thread OpenMP is not even touched: a host whose own runtime forbids a second one still works. */
    if (threads > 1) threads = granted_threads(threads);
    if (threads <= 1) work(exec, &next, count, job, context, 0);
    else work_together(threads, exec, &next, count, job, context);
    return uk_is_stopping(exec) ? UK_CANCELLED : UK_OK;
}
