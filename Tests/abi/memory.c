/*
 * memory.c - what a session says that it will hold, what it holds, and the limit that a host sets
 */
#include "support.h"

enum { LARGE = 384, LARGE_PIXELS = LARGE * LARGE };

static uldor_model *model;
static int32_t channels;
static float *tensor; /* channels x LARGE x LARGE */
static int16_t pixels[LARGE_PIXELS];
static struct meter meter;

static uldor_session *open_metered(int32_t threads, int32_t exact, int64_t limit) {
    uldor_session *session = NULL;
    uldor_session_options options = eager_options();
    meter_init(&meter);
    options.allocator = &meter.allocator;
    options.threads = threads;
    options.exact = exact;
    options.memory_limit = limit;
    CHECK_OK(uldor_session_create(model, &options, &session));
    return session;
}

static void close_metered(uldor_session *session) {
    CHECK_OK(uldor_session_free(session));
    CHECK_INT(meter.live_blocks, 0);
    CHECK_INT(meter.damaged, 0);
}

static int64_t held(uldor_session *session) {
    uldor_session_info info = {.struct_size = sizeof info};
    CHECK_OK(uldor_session_get_info(session, &info));
    CHECK_INT(info.memory_bytes, meter.live_bytes); /* no result is held when this is asked */
    return info.memory_bytes;
}

static int64_t estimate(uldor_session *session, int32_t height, int32_t width) {
    int64_t bytes = -1;
    CHECK_OK(uldor_session_estimate_memory(session, height, width, &bytes));
    return bytes;
}

static uldor_status forward(uldor_session *session, int32_t height, int32_t width) {
    uldor_result *result;
    uldor_status status = uldor_session_forward(session, tensor, channels, height, width, &result);
    return status < 0 ? status : uldor_result_free(result);
}

/* An image that is taken as it is: its own size is the network's. */
static uldor_status detect(uldor_session *session, int32_t height, int32_t width) {
    uldor_result *result;
    uldor_image image = slice_image(pixels, width, height);
    uldor_status status = uldor_session_detect(session, &image, &result);
    return status < 0 ? status : uldor_result_free(result);
}

/*
 * What masks take beside the estimate (uldor.h): ten bytes a pixel of the largest box at most, and the outlines of ten
 * detections, which have fewer than ten thousand points here.
 */
static int64_t masks(int32_t height, int32_t width) { return 10 * (int64_t)height * width + (512 << 10); }

static const int32_t sizes[][2] = {{1, 1}, {32, 32}, {33, 65}, {64, 64}, {97, 131}, {128, 40}, {256, 192}, {LARGE, LARGE}};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Before a byte is allocated, for each size on its own. */
static void estimate_of_a_new_session(void) {
    for (int32_t threads = 1; threads <= 8; threads += 7)
        for (int32_t exact = 0; exact < 2; exact++)
            for (int i = 0; i < SIZES; i++) {
                int32_t height = sizes[i][0], width = sizes[i][1];
                CONTEXT("%d x %d, %d threads, exact %d", height, width, threads, exact);
                uldor_session *session = open_metered(threads, exact, 0);
                NEED(session);
                long before = meter.allocations;
                int64_t expected = estimate(session, height, width);
                CHECK_INT(meter.allocations, before);
                NEED_OK(forward(session, height, width));
                /* The tensor is the caller's; its copy, which the estimate has, is made for images only. */
                int64_t input = 4 * (int64_t)channels * ((height + 31) / 32 * 32) * ((width + 31) / 32 * 32);
                int64_t now = held(session);
                if (now > expected + masks(height, width)) FAIL("held %lld, estimated %lld", (long long)now, (long long)expected);
                if (now < expected - input) FAIL("held only %lld, estimated %lld", (long long)now, (long long)expected);
                /* From now on it knows what masks take, too. */
                CHECK_INT(estimate(session, height, width), now + input);
                close_metered(session);
            }
}

/* Sizes in any order: the session holds what was estimated for the largest, from the first time it was seen. */
static void thirty_sizes(void) {
    for (int round = 0; round < 2; round++) {
        uldor_session *session = open_metered(2, 0, 0);
        uint32_t random = 7;
        NEED(session);
        int64_t first = estimate(session, LARGE, LARGE);
        NEED_OK(forward(session, LARGE, LARGE));
        int64_t largest = held(session);
        CHECK(largest <= first + masks(LARGE, LARGE));
        for (int i = 0; i < 30; i++) {
            int32_t height = 1 + (int32_t)(random_next(&random) % LARGE), width = 1 + (int32_t)(random_next(&random) % LARGE);
            CONTEXT("%d: %d x %d", i, height, width);
            CHECK(estimate(session, height, width) >= largest);
            NEED_OK(forward(session, height, width));
            /* Masks of another size may differ by their outlines; scratch memory does not. */
            int64_t now = held(session);
            if (now > largest + (512 << 10)) FAIL("%lld bytes after %lld", (long long)now, (long long)largest);
        }
        close_metered(session);
    }
}

/* Images have their input copied; a size that grows little by little must not take more than the estimate. */
static void growing_images(void) {
    uldor_session *session = NULL;
    uldor_session_options options = eager_options();
    meter_init(&meter);
    options.allocator = &meter.allocator;
    options.no_resampling = options.no_body_crop = 1;
    NEED_OK(uldor_session_create(model, &options, &session));
    for (int32_t side = 32; side <= LARGE; side += 32) {
        CONTEXT("%d", side);
        int64_t expected = estimate(session, side, side);
        NEED_OK(detect(session, side, side));
        int64_t now = held(session);
        if (now > expected + masks(side, side)) FAIL("held %lld, estimated %lld", (long long)now, (long long)expected);
        CHECK_INT(estimate(session, side, side), now);
    }
    close_metered(session);
}

/* Refused with both numbers, nothing allocated, and the session goes on with what fits. */
static void limit_below_the_estimate(void) {
    uldor_session *session = open_metered(1, 0, 0);
    NEED(session);
    int64_t small = estimate(session, 64, 64), large = estimate(session, LARGE, LARGE);
    CHECK(small < large);
    close_metered(session);

    const int64_t limits[] = {small, large - 1};
    for (int i = 0; i < 2; i++) {
        char number[32], limit[32];
        uldor_result *result = UNTOUCHED(uldor_result);
        CONTEXT("limit %lld", (long long)limits[i]);
        session = open_metered(1, 0, limits[i]);
        NEED(session);
        snprintf(number, sizeof number, " %lld ", (long long)large);
        snprintf(limit, sizeof limit, " %lld", (long long)limits[i]);
        for (int round = 0; round < 3; round++) {
            long allocations = meter.allocations, live = meter.live_bytes;
            CHECK_ERROR(uldor_session_forward(session, tensor, channels, LARGE, LARGE, &result), ULDOR_ERROR_NOMEM, "memory_limit");
            CHECK(message_names(uldor_last_error(), number) && message_names(uldor_last_error(), limit));
            CHECK(!strcmp(uldor_session_last_error(session), uldor_last_error()));
            CHECK_INT(meter.allocations, allocations);
            CHECK_INT(meter.live_bytes, live);
            CHECK(result == UNTOUCHED(uldor_result));
            /* What it was made for, again and again: that masks take memory, too, does not count. */
            CHECK_OK(forward(session, 64, 64));
            CHECK(estimate(session, LARGE, LARGE) > limits[i]);
        }
        close_metered(session);
    }
}

/* The estimate itself is enough, for a tensor and for an image, as often as one likes. */
static void limit_of_the_estimate(void) {
    uldor_session *session = open_metered(2, 0, 0);
    NEED(session);
    int64_t limit = estimate(session, 256, 192);
    close_metered(session);
    uldor_session_options options = eager_options();
    meter_init(&meter);
    options.allocator = &meter.allocator;
    options.threads = 2;
    options.memory_limit = limit;
    options.no_resampling = options.no_body_crop = 1;
    NEED_OK(uldor_session_create(model, &options, &session));
    for (int round = 0; round < 2; round++) {
        CHECK_OK(forward(session, 256, 192));
        CHECK_OK(detect(session, 256, 192));
        CHECK_OK(detect(session, 64, 64));
        CHECK_ERROR(detect(session, 256, 256), ULDOR_ERROR_NOMEM, "memory_limit");
        CHECK_ERROR(forward(session, 288, 192), ULDOR_ERROR_NOMEM, "memory_limit");
    }
    CHECK(held(session) <= limit + masks(256, 192));
    close_metered(session);
}

/* Preparing an image keeps the limit, too; the largest number is one. */
static void limit_of_an_image(void) {
    const int64_t limits[] = {1, 4096, INT64_MAX};
    for (int i = 0; i < 3; i++) {
        CONTEXT("limit %lld", (long long)limits[i]);
        uldor_session *session = open_metered(1, 0, limits[i]);
        NEED(session);
        uldor_status status = detect(session, LARGE, LARGE);
        CHECK_INT(status, limits[i] == INT64_MAX ? ULDOR_OK : ULDOR_ERROR_NOMEM);
        if (limits[i] < INT64_MAX) CHECK(held(session) <= limits[i]);
        close_metered(session);
    }
}

/* The largest input that there is: a number, no overflow, no allocation. */
static void estimate_of_the_largest(void) {
    uldor_session *session = open_metered(1024, 0, 0);
    NEED(session);
    long before = meter.allocations;
    int64_t whole = estimate(session, 4096, 4096), row = estimate(session, 1, 4096);
    CHECK(whole > row && row > 0);
    CHECK(whole > (int64_t)4096 * 4096 * 4 * channels && whole < (int64_t)1 << 44);
    CHECK_INT(meter.allocations, before);
    close_metered(session);
}

static int32_t asks(void *user, double fraction, const char *stage) {
    int64_t bytes = 77;
    (void)fraction, (void)stage;
    uldor_session **session = user;
    CHECK_ERROR(uldor_session_estimate_memory(*session, 32, 32, &bytes), ULDOR_ERROR_BUSY, "session");
    CHECK_INT(bytes, 77);
    return 0;
}

/* It plans with the scratch memory that a call is using. */
static void estimate_during_a_call(void) {
    uldor_session *session = NULL;
    uldor_session_options options = eager_options();
    options.progress = asks;
    options.progress_user = &session;
    NEED_OK(uldor_session_create(model, &options, &session));
    CHECK_OK(forward(session, 64, 64));
    CHECK(estimate(session, 64, 64) > 0);
    CHECK_OK(uldor_session_free(session));
}

int main(void) {
    uldor_model_info info = {.struct_size = sizeof info};
    open_fixture(&model, NULL, 1);
    if (uldor_model_get_info(model, &info) < 0) return 2;
    channels = info.input_channels;
    tensor = draw_tensor(channels, LARGE, LARGE);
    draw_slice(pixels, LARGE, LARGE);
    RUN(estimate_of_a_new_session);
    RUN(thirty_sizes);
    RUN(growing_images);
    RUN(limit_below_the_estimate);
    RUN(limit_of_the_estimate);
    RUN(limit_of_an_image);
    RUN(estimate_of_the_largest);
    RUN(estimate_during_a_call);
    uldor_model_free(model);
    free(tensor);
    return check_finish("memory");
}
