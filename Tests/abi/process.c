/*
 * process.c - the library inside a larger process: fork, threads with small stacks, idle threads, traps in the host
 */
#define _GNU_SOURCE
#include <fenv.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

static uldor_model *model;
static uldor_session *session;
static int16_t pixels[SIDE * SIDE];
static uldor_image image;
static uint64_t expected;

static uint64_t detect(uldor_session *with) { return detection_digest(with, &image); }

static uldor_session *create(int32_t threads) {
    uldor_session *created = NULL;
    uldor_session_options options = eager_options();
    options.threads = threads;
    return uldor_session_create(model, &options, &created) < 0 ? NULL : created;
}

/* ---------------------------------------------------------------------------------------------------- fork */

enum { CHILD_FINE = 0, CHILD_ERROR = 1, CHILD_WRONG = 2 };

/* In the child: results as in the parent, or an error with a message; never a hang. */
static void child(int with_old_session) {
    alarm(30);
    uldor_session *own = with_old_session ? session : create(2);
    uint64_t digest = own ? detect(own) : 0;
    if (!digest) _exit(*uldor_last_error() ? CHILD_ERROR : CHILD_WRONG);
    _exit(digest == expected ? CHILD_FINE : CHILD_WRONG);
}

static void expect_child(pid_t pid) {
    int status = 0;
    NEED(pid > 0);
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status)) FAIL("the child ended with signal %d", WTERMSIG(status));
    else CHECK(WEXITSTATUS(status) == CHILD_FINE || WEXITSTATUS(status) == CHILD_ERROR);
}

static void fork_with_idle_threads(void) {
    for (int old = 0; old < 2; old++) {
        CONTEXT("%s session", old ? "the parent's" : "a new");
        CHECK(detect(session) == expected);
        pid_t pid = fork();
        if (pid == 0) child(old);
        expect_child(pid);
        CHECK(detect(session) == expected);
    }
}

static volatile int stop;
static void *keeps_detecting(void *user) {
    while (!stop) detect(user);
    return NULL;
}

/* The fork hits the other thread anywhere: in a parallel region, in the allocator, at a lock. */
static void fork_while_another_thread_works(void) {
    pthread_t thread;
    uldor_session *other = create(2);
    NEED(other && !pthread_create(&thread, NULL, keeps_detecting, other));
    for (int i = 0; i < 20; i++) {
        CONTEXT("fork %d", i);
        usleep(1000 * (useconds_t)(i % 7));
        pid_t pid = fork();
        if (pid == 0) child(0);
        expect_child(pid);
    }
    stop = 1;
    pthread_join(thread, NULL);
    CHECK_OK(uldor_session_free(other));
}

/* ------------------------------------------------------------------------------------------------- Threads */

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void idle_threads_sleep(void) {
    uldor_session *many = create(4);
    NEED(many && detect(many));
    double before = cpu_seconds();
    usleep(500000);
    double after_call = cpu_seconds() - before;
    CHECK_OK(uldor_session_free(many));
    before = cpu_seconds();
    usleep(500000);
    double after_free = cpu_seconds() - before;
    /* OpenMP's threads may look for work for a moment; a viewer between two slices must not pay for it. */
    if (after_call > 0.05) FAIL("%.0f ms of CPU time in the 500 ms after a call", 1e3 * after_call);
    if (after_free > 0.02) FAIL("%.0f ms of CPU time in the 500 ms after the last free", 1e3 * after_free);
}

static void *detects(void *user) {
    *(uint64_t *)user = detect(session);
    return NULL;
}

static void small_stack(void) {
    pthread_attr_t attributes;
    pthread_t thread;
    uint64_t digest = 0;
    pthread_attr_init(&attributes);
    NEED(!pthread_attr_setstacksize(&attributes, 256 * 1024));
    NEED(!pthread_create(&thread, &attributes, detects, &digest));
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    CHECK(digest == expected);
}

/* Hundreds of short-lived host threads: what the library or OpenMP keeps for each must go with it. */
static long resident_kilobytes(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    if (file) fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int thread_count(void) {
    int count = 0;
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file)) sscanf(line, "Threads: %d", &count);
    if (file) fclose(file);
    return count;
}

static void many_host_threads(void) {
    long memory = 0;
    int threads = 0;
    for (int i = 0; i < 200; i++) {
        pthread_t thread;
        uint64_t digest = 0;
        NEED(!pthread_create(&thread, NULL, detects, &digest));
        pthread_join(thread, NULL);
        CHECK(digest == expected);
        if (i == 20) memory = resident_kilobytes(), threads = thread_count();
    }
    long grown = resident_kilobytes() - memory;
    if (grown > 20000 && !CHECK_SANITIZED) FAIL("180 host threads left %ld kB", grown);
    if (thread_count() > threads + 4) FAIL("180 host threads left %d threads", thread_count() - threads);
}

/* -------------------------------------------------------------------------------------- The host's arithmetic */

/* Another rounding or flush mode of the calling thread is the host's; it may not change results beyond them. */
static void host_rounding_mode_is_kept(void) {
    NEED(!fesetround(FE_UPWARD));
    uint64_t digest = detect(session);
    int mode = fegetround();
    fesetround(FE_TONEAREST);
    CHECK_INT(mode, FE_UPWARD);
    CHECK(digest != 0);
    CHECK(detect(session) == expected);
}

static void life_after_life(void) {
    long memory = 0;
    for (int i = 0; i < 40; i++) {
        uldor_model *again;
        uldor_session *with;
        open_fixture(&again, &with, 2);
        CHECK(detect(with) == expected);
        CHECK_OK(uldor_session_free(with));
        CHECK_OK(uldor_model_free(again));
        if (i == 10) memory = resident_kilobytes();
    }
    long grown = resident_kilobytes() - memory;
    if (grown > 8000 && !CHECK_SANITIZED) FAIL("30 lives left %ld kB", grown);
}

int main(void) {
    draw_slice(pixels, SIDE, SIDE);
    image = slice_image(pixels, SIDE, SIDE);
    open_fixture(&model, &session, 2);
    expected = detect(session);
    if (!expected) {
        printf("process: %s\nprocess: 0 passed, 1 failed\n", uldor_last_error());
        return 1;
    }
    RUN(fork_with_idle_threads);
    RUN(fork_while_another_thread_works);
    RUN(idle_threads_sleep);
    RUN(small_stack);
    RUN(many_host_threads);
    RUN(host_rounding_mode_is_kept);
    RUN(life_after_life);
    uldor_session_free(session);
    uldor_model_free(model);
    return check_finish("process");
}
