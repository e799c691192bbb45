/*
 * alloc_fail.c - the allocator fails once, at its first, second, third ... allocation, until a whole life succeeds
 *
 * Each failure is NOMEM, gives back everything, and leaves the handles that exist usable.
 */
#include "support.h"

static struct meter meter;
static uint8_t *file;
static size_t file_bytes;
static int16_t pixels[SIDE * SIDE];
static float *tensor;
static int32_t channels;
static uint64_t expected;
enum { SANE = 20000 }; /* more allocations than one life can need: the search would not end */

/* A step that fails as it should has spent the one failure: the same step must succeed when it is tried again. */
#define STEP(call)                                                                                                     \
    do {                                                                                                               \
        uldor_status step_status = (call);                                                                             \
        if (step_status == ULDOR_ERROR_NOMEM && meter.fail_at && meter.allocations >= meter.fail_at) {                 \
            CHECK(*uldor_last_error());                                                                                \
            meter.fail_at = 0;                                                                                         \
            step_status = (call);                                                                                      \
        }                                                                                                              \
        if (step_status != ULDOR_OK) FAIL("%s: %s: %s", #call, uldor_status_name(step_status), uldor_last_error());    \
        CHECK(!meter.fail_at || meter.allocations < meter.fail_at); /* a failure that was swallowed */                 \
    } while (0)

static void read_result(uldor_result *result) {
    uldor_result_info info = {.struct_size = sizeof info};
    static uint8_t mask[SIDE * SIDE];
    static float probabilities[64 * 64];
    STEP(uldor_result_get_info(result, &info));
    for (int32_t i = 0; i < info.count && i < 3; i++) {
        uldor_detection d = {.struct_size = sizeof d};
        size_t count = 0;
        int32_t contours = 0;
        STEP(uldor_result_get(result, i, &d));
        STEP(uldor_result_get_mask(result, i, mask, sizeof mask, 0));
        STEP(uldor_result_get_mask_rle(result, i, NULL, 0, &count));
        STEP(uldor_result_get_mask_probabilities(result, i, probabilities, 64 * 64));
        STEP(uldor_result_get_contour_count(result, i, &contours));
        for (int32_t c = 0; c < contours; c++) STEP(uldor_result_get_contour(result, i, c, NULL, 0, &count));
    }
}

static void run_stage(uldor_session *session) {
    uldor_tensors *inputs = NULL, *outputs = NULL;
    const int64_t dims[4] = {1, channels, SIDE, SIDE};
    STEP(uldor_tensors_create(&meter.allocator, &inputs));
    if (!inputs) return;
    STEP(uldor_tensors_add(inputs, "input", tensor, 4, dims));
    STEP(uldor_session_run_stage(session, ULDOR_STAGE_C2, inputs, &outputs));
    uldor_tensors_free(inputs);
    uldor_tensors_free(outputs);
}

static void read_input(uldor_session *session, const uldor_image *image) {
    uldor_input_info info = {.struct_size = sizeof info};
    STEP(uldor_session_get_input(session, image, ULDOR_INPUT_PADDED, NULL, 0, &info));
    size_t count = (size_t)info.channels * (size_t)info.width * (size_t)info.height;
    float *out = malloc((count + 1) * sizeof *out);
    if (out) STEP(uldor_session_get_input(session, image, ULDOR_INPUT_PADDED, out, count, NULL));
    free(out);
}

/* Where the weights come from; the first way is followed by everything that one can do with them. */
enum way { FILE_AND_ALL_THE_REST, MAPPED_FILE, MEMORY };

/* Everything once; a session of 2 threads, so that what each thread needs is asked for too. */
static void life(enum way way) {
    uldor_model *model = NULL;
    uldor_session *session = NULL;
    uldor_result *result = NULL, *forward = NULL;
    uldor_model_options options;
    uldor_session_options session_options = eager_options();
    uldor_model_options_init(&options, sizeof options);
    options.allocator = &meter.allocator;
    options.memory_map = way == MAPPED_FILE;
    options.threads = 2;
    session_options.threads = 2;
    uldor_image image = slice_image(pixels, SIDE, SIDE);
    if (way == MEMORY) STEP(uldor_model_load_memory(file, file_bytes, &options, &model));
    else STEP(uldor_model_load_file(fixture_path(), &options, &model));
    if (model && way == FILE_AND_ALL_THE_REST) STEP(uldor_session_create(model, &session_options, &session));
    if (session) {
        STEP(uldor_session_detect(session, &image, &result));
        STEP(uldor_session_forward(session, tensor, channels, SIDE, SIDE, &forward));
        read_input(session, &image);
        run_stage(session);
    }
    if (result) {
        read_result(result);
        long fail_at = meter.fail_at;
        meter.fail_at = 0; /* the digest below is not a part of the life */
        uint64_t digest = result_digest(result);
        if (!expected) expected = digest;
        CHECK(digest == expected);
        meter.fail_at = fail_at;
    }
    CHECK_OK(uldor_model_free(model)); /* before its sessions, which keep it */
    CHECK_OK(uldor_session_free(session));
    CHECK_OK(uldor_result_free(result));
    CHECK_OK(uldor_result_free(forward));
    CHECK_INT(meter.live_blocks, 0);
    CHECK_INT(meter.live_bytes, 0);
    CHECK_INT(meter.damaged, 0);
    CHECK_INT(meter.misused, 0);
}

static void search(enum way way) {
    meter_init(&meter);
    life(way);
    long total = meter.allocations;
    CHECK(total > 0 && total < SANE);
    for (long n = 1; n <= total + 1 && n < SANE; n++) {
        meter_init(&meter);
        meter.fail_at = n;
        CONTEXT("allocation %ld of %ld fails", n, total);
        life(way);
        if (check_case_failed) return; /* one is enough to look at */
        if (n <= total) CHECK_INT(meter.fail_at, 0);
    }
}

static void from_a_file(void) { search(FILE_AND_ALL_THE_REST); }
static void from_a_mapped_file(void) { search(MAPPED_FILE); }
static void from_memory(void) { search(MEMORY); }

/* Every allocation fails from a certain one on: what is freed on the way must not be needed again. */
static void *refuse(void *user, size_t bytes, size_t alignment) {
    (void)user, (void)bytes, (void)alignment;
    return NULL;
}
static void never_called(void *user, void *pointer, size_t bytes) {
    (void)pointer, (void)bytes;
    ++*(int *)user;
}
static void nothing_to_give(void) {
    int calls = 0;
    uldor_allocator none = {sizeof none, &calls, refuse, never_called};
    uldor_model *model = UNTOUCHED(uldor_model);
    uldor_model_options options;
    uldor_model_options_init(&options, sizeof options);
    options.allocator = &none;
    CHECK_ERROR(uldor_model_load_file(fixture_path(), &options, &model), ULDOR_ERROR_NOMEM, "memory");
    CHECK_ERROR(uldor_model_load_memory(file, file_bytes, &options, &model), ULDOR_ERROR_NOMEM, "memory");
    CHECK(model == UNTOUCHED(uldor_model));
    uldor_session *session;
    uldor_result *result = UNTOUCHED(uldor_result);
    uldor_session_options session_options = eager_options();
    uldor_image image = slice_image(pixels, SIDE, SIDE);
    NEED_OK(uldor_model_load_file(fixture_path(), NULL, &model));
    session_options.allocator = &none;
    if (uldor_session_create(model, &session_options, &session) == ULDOR_OK) {
        CHECK_ERROR(uldor_session_detect(session, &image, &result), ULDOR_ERROR_NOMEM, "memory");
        CHECK_ERROR(uldor_session_forward(session, tensor, channels, SIDE, SIDE, &result), ULDOR_ERROR_NOMEM, "memory");
        CHECK(result == UNTOUCHED(uldor_result));
        uldor_session_free(session);
    }
    uldor_model_free(model);
    CHECK_INT(calls, 0);
}

int main(void) {
    uldor_model *model;
    uldor_model_info info = {.struct_size = sizeof info};
    file = read_file(fixture_path(), &file_bytes);
    draw_slice(pixels, SIDE, SIDE);
    open_fixture(&model, NULL, 1);
    if (uldor_model_get_info(model, &info) < 0) return 2;
    uldor_model_free(model);
    channels = info.input_channels;
    tensor = draw_tensor(channels, SIDE, SIDE);
    RUN(from_a_file);
    RUN(from_a_mapped_file);
    RUN(from_memory);
    RUN(nothing_to_give);
    free(file);
    free(tensor);
    return check_finish("alloc_fail");
}
