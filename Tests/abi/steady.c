/*
 * steady.c - a warmed-up session allocates nothing but through its allocator
 *
 * This program defines malloc and its relatives, which the library then uses too, and counts the calls during a third
 * and later detection that do not come from the allocator hook. Each place that they come from is printed as addresses
 * (addr2line -e of a library that is not stripped) so that it can be found. Not for sanitizers, which define malloc themselves.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <execinfo.h>
#include <unistd.h>

#include "support.h"

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *pointer, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void *pointer);

static volatile int counting;
static long calls, frees;

/* Different ways to an allocation: the frames above malloc and how often. */
enum { FRAMES = 10, PLACES = 40 };
static struct place {
    void *frames[FRAMES];
    int depth, calls;
} places[PLACES];

static void note(void) {
    if (!counting || meter_inside) return;
    struct place place = {.calls = 1};
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
    meter_inside++; /* backtrace() may allocate */
    place.depth = backtrace(place.frames, FRAMES);
    meter_inside--;
    for (int i = 0; i < PLACES; i++) {
        if (!places[i].calls) places[i] = place;
        else if (memcmp(places[i].frames, place.frames, sizeof place.frames)) continue;
        else places[i].calls++;
        return;
    }
}

static void print_places(void) {
    for (int i = 0; i < PLACES && places[i].calls; i++) {
        printf("  %d times from\n", places[i].calls);
        fflush(stdout);
        backtrace_symbols_fd(places[i].frames + 2, places[i].depth - 2, STDOUT_FILENO); /* without note and malloc */
    }
}

void *malloc(size_t bytes) {
    note();
    return __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes) {
    note();
    return __libc_calloc(count, bytes);
}
void *realloc(void *pointer, size_t bytes) {
    note();
    return __libc_realloc(pointer, bytes);
}
void *memalign(size_t alignment, size_t bytes) {
    note();
    return __libc_memalign(alignment, bytes);
}
void *aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }
int posix_memalign(void **out, size_t alignment, size_t bytes) {
    void *pointer = memalign(alignment, bytes);
    if (!pointer) return ENOMEM;
    *out = pointer;
    return 0;
}
void free(void *pointer) {
    if (pointer && counting && !meter_inside) __atomic_fetch_add(&frees, 1, __ATOMIC_RELAXED);
    __libc_free(pointer);
}

static struct meter meter;
static uldor_model *model;
static uldor_session *session;
static int16_t pixels[96 * 80];
static uldor_image image;
static float *tensor;
static int32_t channels;

static void open_metered(int32_t threads) {
    uldor_session_options options = eager_options();
    options.allocator = &meter.allocator;
    options.threads = threads;
    CHECK_OK(uldor_session_create(model, &options, &session));
}

/* Which of the two calls a case measures; the result is freed within, as a host in a loop does. */
static uldor_status once(int forward) {
    uldor_result *result;
    uldor_status status = forward ? uldor_session_forward(session, tensor, channels, 64, 64, &result)
                                  : uldor_session_detect(session, &image, &result);
    return status < 0 ? status : uldor_result_free(result);
}

static void measure(int forward, int32_t threads) {
    enum { ROUNDS = 5 };
    long hook[ROUNDS], live[ROUNDS];
    open_metered(threads);
    NEED(session);
    CHECK_OK(once(forward));
    CHECK_OK(once(forward));
    calls = frees = 0;
    memset(places, 0, sizeof places);
    counting = 1;
    for (int i = 0; i < ROUNDS; i++) {
        long before = meter.allocations;
        uldor_status status = once(forward);
        hook[i] = meter.allocations - before;
        live[i] = meter.live_bytes;
        if (status < 0) FAIL("%s", uldor_last_error());
    }
    counting = 0;
    if (calls) {
        FAIL("%ld allocations and %ld frees outside the allocator in %d calls", calls, frees, ROUNDS);
        print_places();
    }
    /* Through the hook comes the result and nothing else; and nothing is kept from call to call. */
    for (int i = 1; i < ROUNDS; i++) {
        CHECK_INT(hook[i], hook[0]);
        CHECK_INT(live[i], live[0]);
    }
    if (hook[0] > 16) FAIL("%ld allocations through the hook in a call", hook[0]);
    CHECK_OK(uldor_session_free(session));
    CHECK_INT(meter.live_blocks, 0);
}

static void detect_on_one_thread(void) { measure(0, 1); }
static void detect_on_two_threads(void) { measure(0, 2); }
static void forward_on_one_thread(void) { measure(1, 1); }
static void forward_on_two_threads(void) { measure(1, 2); }

/* Sizes that come and go: memory is that of the largest, not the sum of all. */
static void many_sizes(void) {
    long peak = 0;
    open_metered(1);
    NEED(session);
    for (int round = 0; round < 3; round++) {
        for (int32_t side = 32; side <= 96; side += 16) {
            uldor_result *result;
            NEED_OK(uldor_session_forward(session, tensor, channels, side, 128 - side, &result));
            CHECK_OK(uldor_result_free(result));
        }
        CONTEXT("round %d: %ld bytes", round, meter.live_bytes);
        if (round == 0) peak = meter.live_bytes;
        else CHECK_INT(meter.live_bytes, peak);
    }
    uldor_session_info info = {.struct_size = sizeof info};
    CHECK_OK(uldor_session_get_info(session, &info));
    CHECK_INT(info.memory_bytes, meter.live_bytes);
    CHECK_OK(uldor_session_free(session));
}

int main(void) {
    uldor_model_info info = {.struct_size = sizeof info};
    void *warm_up[4];
    backtrace(warm_up, 4);
    meter_init(&meter);
    open_fixture(&model, NULL, 1);
    if (uldor_model_get_info(model, &info) < 0) return 2;
    channels = info.input_channels;
    tensor = draw_tensor(channels, 128, 128);
    draw_slice(pixels, 96, 80);
    image = slice_image(pixels, 96, 80);
    RUN(detect_on_one_thread);
    RUN(detect_on_two_threads);
    RUN(forward_on_one_thread);
    RUN(forward_on_two_threads);
    RUN(many_sizes);
    uldor_model_free(model);
    free(tensor);
    return check_finish("steady");
}
