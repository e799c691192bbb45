/*
 * threads.c - sessions on several threads, BUSY, cancelling, callbacks; the same bits for every number of threads
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

static uldor_model *model;
static int32_t channels;
static int16_t pixels[SIDE * SIDE];
static uldor_image image;
static float *large; /* channels x LARGE x LARGE */
enum { LARGE = 1024 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uldor_session *create(uldor_session_options options) {
    uldor_session *session = NULL;
    CHECK_OK(uldor_session_create(model, &options, &session));
    return session;
}

static uint64_t detect_digest(uldor_session *session) { return detection_digest(session, &image); }

static void *detects(void *user) {
    uint64_t *digests = user;
    uldor_session_options options = eager_options();
    uldor_session *session;
    options.threads = 2;
    if (uldor_session_create(model, &options, &session) < 0) return NULL;
    for (int i = 0; i < 8; i++) digests[i] = detect_digest(session);
    uldor_session_free(session);
    return NULL;
}

static void two_threads_on_one_model(void) {
    uint64_t digests[3][8] = {{0}};
    pthread_t threads[2];
    detects(digests[2]);
    CHECK(digests[2][0]);
    for (int i = 0; i < 2; i++) NEED(!pthread_create(&threads[i], NULL, detects, digests[i]));
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 8; k++) CHECK(digests[i][k] == digests[2][0]);
}

/* Digests of a detection and of a forward pass; false where this CPU lacks the instructions. */
static int digests_of(int32_t threads, int32_t instructions, int32_t exact, uint64_t digests[2]) {
    uldor_session_options options = eager_options();
    uldor_session *session;
    uldor_result *result;
    options.threads = threads;
    options.instructions = instructions;
    options.exact = exact;
    uldor_status status = uldor_session_create(model, &options, &session);
    if (status == ULDOR_ERROR_UNSUPPORTED) return 0;
    CHECK_OK(status);
    digests[0] = detect_digest(session);
    /* Odd sides, so that the threads' shares are uneven. */
    status = uldor_session_forward(session, large, channels, 131, 97, &result);
    CHECK_OK(status);
    if (status == ULDOR_OK) {
        digests[1] = result_digest(result);
        uldor_result_free(result);
    }
    CHECK(digests[0] && digests[1]);
    uldor_session_free(session);
    return 1;
}

static void same_bits_for_every_number_of_threads(void) {
    const int32_t counts[] = {1, 2, 3, 8};
    for (int32_t exact = 0; exact < 2; exact++)
        for (int32_t instructions = ULDOR_INSTRUCTIONS_BEST; instructions <= ULDOR_INSTRUCTIONS_AVX512; instructions++) {
            uint64_t first[2] = {0}, got[2] = {0};
            for (int i = 0; i < 4; i++) {
                CONTEXT("%d threads, instructions %d, exact %d", counts[i], instructions, exact);
                if (!digests_of(counts[i], instructions, exact, i ? got : first)) break;
                if (i) CHECK(!memcmp(got, first, sizeof got));
            }
        }
}

/* AVX2 and AVX-512 fuse multiply and add alike; Winograd rounds in other places than direct convolutions. */
static void same_bits_for_wide_instructions(void) {
    uint64_t digests[2][2] = {{0}};
    for (int32_t exact = 0; exact < 2; exact++) {
        uint64_t *narrow = digests[exact], wide[2] = {0};
        CONTEXT("exact %d", exact);
        if (!digests_of(1, ULDOR_INSTRUCTIONS_AVX2, exact, narrow)) return;
        if (digests_of(1, ULDOR_INSTRUCTIONS_AVX512, exact, wide)) CHECK(!memcmp(narrow, wide, sizeof wide));
    }
    CHECK(memcmp(digests[0], digests[1], sizeof digests[0]));
}

/* A session on a thread of its own that runs the large tensor; `started` is set by its first progress call. */
struct job {
    uldor_session *session;
    atomic_int started, progress_on_other_thread;
    pthread_t thread;
    uldor_status status;
    double ended;
    uldor_result *result;
};

static int32_t on_progress(void *user, double fraction, const char *stage) {
    struct job *job = user;
    if (!pthread_equal(pthread_self(), job->thread)) job->progress_on_other_thread = 1;
    if (fraction < 0 || fraction > 1 || !stage || !*stage) job->progress_on_other_thread = 2;
    job->started = 1;
    return 0;
}

static void *runs(void *user) {
    struct job *job = user;
    job->thread = pthread_self();
    job->status = uldor_session_forward(job->session, large, channels, LARGE, LARGE, &job->result);
    job->ended = now();
    return NULL;
}

static pthread_t start(struct job *job, int32_t threads) {
    pthread_t thread;
    uldor_session_options options = eager_options();
    options.threads = threads;
    options.progress = on_progress;
    options.progress_user = job;
    job->session = create(options);
    if (!job->session || pthread_create(&thread, NULL, runs, job)) exit(2);
    while (!job->started) usleep(100);
    return thread;
}

static void busy_from_another_thread(void) {
    struct job job = {0};
    uldor_result *result = UNTOUCHED(uldor_result);
    uldor_input_info input = {.struct_size = sizeof input};
    pthread_t thread = start(&job, 2);
    CHECK_ERROR(uldor_session_detect(job.session, &image, &result), ULDOR_ERROR_BUSY, "session");
    CHECK_ERROR(uldor_session_forward(job.session, large, channels, 32, 32, &result), ULDOR_ERROR_BUSY, "session");
    CHECK_ERROR(uldor_session_get_input(job.session, &image, 0, NULL, 0, &input), ULDOR_ERROR_BUSY, "session");
    CHECK_ERROR(uldor_session_free(job.session), ULDOR_ERROR_BUSY, "session");
    CHECK(result == UNTOUCHED(uldor_result));
    /* The model may be dropped by the caller meanwhile: the session holds it. Here it is only asked. */
    uldor_model_info info = {.struct_size = sizeof info};
    CHECK_OK(uldor_model_get_info(model, &info));
    CHECK_OK(uldor_session_cancel(job.session));
    pthread_join(thread, NULL);
    if (job.status == ULDOR_OK) uldor_result_free(job.result);
    CHECK_INT(job.progress_on_other_thread, 0);
    CHECK_OK(uldor_session_free(job.session));
}

static void cancel_from_another_thread(void) {
    uint64_t expected = 0, got;
    for (int32_t threads = 1; threads <= 2; threads++) {
        struct job job = {0};
        CONTEXT("%d threads", threads);
        pthread_t thread = start(&job, threads);
        usleep(20000); /* into the middle of a layer */
        double asked = now();
        CHECK_OK(uldor_session_cancel(job.session));
        pthread_join(thread, NULL);
        CHECK_INT(job.status, ULDOR_ERROR_CANCELLED);
        if (job.ended - asked > 0.5) FAIL("returned %.0f ms after the cancel", 1e3 * (job.ended - asked));
        CHECK(message_names(uldor_session_last_error(job.session), "cancel"));
        if (job.status == ULDOR_OK) uldor_result_free(job.result);
        /* Usable afterwards, with the results of a fresh session. */
        got = detect_digest(job.session);
        if (!expected) {
            uldor_session *fresh = create(eager_options());
            expected = detect_digest(fresh);
            uldor_session_free(fresh);
        }
        CHECK(got && got == expected);
        CHECK_OK(uldor_session_free(job.session));
    }
}

/* A cancel with nothing running does nothing: the next call is not cancelled. */
static void cancel_of_an_idle_session(void) {
    uldor_session *session = create(eager_options());
    NEED(session);
    CHECK_OK(uldor_session_cancel(session));
    CHECK(detect_digest(session) != 0);
    CHECK_OK(uldor_session_free(session));
}

struct calls {
    int count, cancel_at;
    double last;
    uldor_session *session;
    pthread_t thread;
    int failures;
};

static int32_t counts_and_cancels(void *user, double fraction, const char *stage) {
    struct calls *calls = user;
    if (fraction < calls->last || fraction > 1 || !stage || !pthread_equal(calls->thread, pthread_self()))
        calls->failures++;
    calls->last = fraction;
    return ++calls->count == calls->cancel_at ? 1 : 0;
}

static void cancel_by_the_callback(void) {
    struct calls calls = {.thread = pthread_self()};
    uldor_session_options options = eager_options();
    options.progress = counts_and_cancels;
    options.progress_user = &calls;
    uldor_session *session = create(options);
    NEED(session);
    uint64_t expected = detect_digest(session);
    int total = calls.count;
    CHECK(total >= 3 && expected);
    for (int at = 1; at <= total; at++) {
        uldor_result *result = UNTOUCHED(uldor_result);
        calls.count = 0, calls.last = 0, calls.cancel_at = at;
        CONTEXT("cancelled by call %d of %d", at, total);
        CHECK_ERROR(uldor_session_detect(session, &image, &result), ULDOR_ERROR_CANCELLED, "cancel");
        CHECK_INT(calls.count, at);
        CHECK(result == UNTOUCHED(uldor_result));
    }
    calls.count = 0, calls.last = 0, calls.cancel_at = 0;
    CHECK(detect_digest(session) == expected);
    CHECK_INT(calls.failures, 0);
    CHECK_OK(uldor_session_free(session));
}

/* What a callback must not do gets BUSY, and the call goes on. */
static int32_t misbehaves(void *user, double fraction, const char *stage) {
    struct calls *calls = user;
    uldor_result *result;
    (void)fraction, (void)stage;
    calls->count++;
    if (uldor_session_free(calls->session) != ULDOR_ERROR_BUSY) calls->failures++;
    if (uldor_session_detect(calls->session, &image, &result) != ULDOR_ERROR_BUSY) calls->failures++;
    return 0;
}

static void free_inside_the_callback(void) {
    struct calls calls = {0};
    uldor_session_options options = eager_options();
    options.progress = misbehaves;
    options.progress_user = &calls;
    uldor_session *session = create(options);
    NEED(session);
    calls.session = session;
    CHECK(detect_digest(session) != 0);
    CHECK(calls.count > 0);
    CHECK_INT(calls.failures, 0);
    CHECK_OK(uldor_session_free(session));
}

/* Another session inside a callback is nobody's business. */
static int32_t nests(void *user, double fraction, const char *stage) {
    struct calls *calls = user;
    (void)fraction, (void)stage;
    if (calls->count++ == 0 && !detect_digest(calls->session)) calls->failures++;
    return 0;
}

static void another_session_inside_the_callback(void) {
    struct calls calls = {.session = create(eager_options())};
    uldor_session_options options = eager_options();
    options.threads = 2;
    options.progress = nests;
    options.progress_user = &calls;
    uldor_session *session = create(options);
    NEED(session && calls.session);
    CHECK(detect_digest(session) != 0);
    CHECK_INT(calls.failures, 0);
    uldor_session_free(session);
    uldor_session_free(calls.session);
}

/* The model's memory goes with the last session. */
static void model_freed_before_its_session(void) {
    uldor_model *own;
    uldor_session *session;
    open_fixture(&own, &session, 1);
    uint64_t expected = detect_digest(session);
    CHECK_OK(uldor_model_free(own));
    CHECK(expected && detect_digest(session) == expected);
    CHECK_OK(uldor_session_free(session));
}

int main(void) {
    uldor_model_info info = {.struct_size = sizeof info};
    open_fixture(&model, NULL, 1);
    if (uldor_model_get_info(model, &info) < 0) return 2;
    channels = info.input_channels;
    large = draw_tensor(channels, LARGE, LARGE);
    draw_slice(pixels, SIDE, SIDE);
    image = slice_image(pixels, SIDE, SIDE);
    RUN(two_threads_on_one_model);
    RUN(same_bits_for_every_number_of_threads);
    RUN(same_bits_for_wide_instructions);
    RUN(busy_from_another_thread);
    RUN(cancel_from_another_thread);
    RUN(cancel_of_an_idle_session);
    RUN(cancel_by_the_callback);
    RUN(free_inside_the_callback);
    RUN(another_session_inside_the_callback);
    RUN(model_freed_before_its_session);
    uldor_model_free(model);
    free(large);
    return check_finish("threads");
}
