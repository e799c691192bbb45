/*
 * ranges.c - every number out of its range: indices, sizes, options, dimensions
 */
#include "support.h"

static uldor_model *model;
static uldor_session *session;
static uldor_result *result;
static uldor_tensors *tensors;
static int16_t pixels[SIDE * SIDE];
static uldor_image image;
static float tensor[3 * SIDE * SIDE];

#define REFUSED(call, names) CHECK_ERROR(call, ULDOR_ERROR_INVALID_ARGUMENT, names)
#define REFUSED_OUT(call, out, names)                                                                                  \
    do {                                                                                                               \
        REFUSED(call, names);                                                                                          \
        CHECK((void *)(out) == (void *)UNTOUCHED(void));                                                               \
    } while (0)

static const int32_t bad_indices[] = {-1, INT32_MIN, INT32_MAX, 100000};

static void indices(void) {
    const char *text = UNTOUCHED(char);
    uldor_detection detection = {.struct_size = sizeof detection};
    uldor_tensor view = {.struct_size = sizeof view};
    uldor_tensors *outputs = UNTOUCHED(uldor_tensors);
    static uint8_t mask[SIDE * SIDE];
    size_t count = 77;
    int32_t contours = 77;
    for (size_t i = 0; i < sizeof bad_indices / sizeof *bad_indices; i++) {
        int32_t bad = bad_indices[i];
        CONTEXT("%d", bad);
        REFUSED_OUT(uldor_model_get_text(model, bad, &text), text, "which");
        REFUSED_OUT(uldor_model_get_class_name(model, bad, &text), text, "index");
        REFUSED(uldor_result_get(result, bad, &detection), "index");
        REFUSED(uldor_result_get_mask(result, bad, mask, sizeof mask, 0), "index");
        REFUSED(uldor_result_get_mask_rle(result, bad, NULL, 0, &count), "index");
        REFUSED(uldor_result_get_contour_count(result, bad, &contours), "index");
        REFUSED(uldor_result_get_contour(result, bad, 0, NULL, 0, &count), "index");
        REFUSED(uldor_result_get_contour(result, 0, bad, NULL, 0, &count), "contour");
        REFUSED(uldor_result_get_mask_probabilities(result, bad, tensor, 784), "index");
        REFUSED(uldor_tensors_get(tensors, bad, &view), "index");
        REFUSED(uldor_session_get_input(session, &image, bad, tensor, 3 * SIDE * SIDE, NULL), "step");
        REFUSED_OUT(uldor_session_run_stage(session, bad, tensors, &outputs), outputs, "stage");
        CHECK_INT(count, 77);
        CHECK_INT(contours, 77);
    }
    uldor_model_info info = {.struct_size = sizeof info};
    NEED_OK(uldor_model_get_info(model, &info));
    REFUSED_OUT(uldor_model_get_class_name(model, info.classes, &text), text, "index");
    REFUSED_OUT(uldor_model_get_text(model, ULDOR_TEXT_CONFIG + 1, &text), text, "which");
    CHECK_INT(detection.class_index, 0);
}

static void forward_sizes(void) {
    uldor_result *r = UNTOUCHED(uldor_result);
    uldor_model_info info = {.struct_size = sizeof info};
    NEED_OK(uldor_model_get_info(model, &info));
    int32_t channels = info.input_channels;
    int64_t bytes = 77;
    const int32_t bad[] = {0, -1, INT32_MIN, INT32_MAX, 4097};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CONTEXT("%d", bad[i]);
        REFUSED_OUT(uldor_session_forward(session, tensor, bad[i], 32, 32, &r), r, "channels");
        REFUSED_OUT(uldor_session_forward(session, tensor, channels, bad[i], 32, &r), r, "height");
        REFUSED_OUT(uldor_session_forward(session, tensor, channels, 32, bad[i], &r), r, "width");
        REFUSED(uldor_session_estimate_memory(session, bad[i], 32, &bytes), "height");
        REFUSED(uldor_session_estimate_memory(session, 32, bad[i], &bytes), "width");
        CHECK_INT(bytes, 77);
    }
    *check_context = 0;
    REFUSED_OUT(uldor_session_forward(session, tensor, channels + 1, 32, 32, &r), r, "channels");
}

static void session_options_out_of_range(void) {
    uldor_session_options options;
    uldor_session *s = UNTOUCHED(uldor_session);
#define FIELD(field, value)                                                                                            \
    do {                                                                                                               \
        NEED_OK(uldor_session_options_init(&options, sizeof options));                                                 \
        options.field = value;                                                                                         \
        CONTEXT("%s = %s", #field, #value);                                                                            \
        REFUSED_OUT(uldor_session_create(model, &options, &s), s, #field);                                             \
    } while (0)
    FIELD(threads, -1);
    FIELD(threads, 1025);
    FIELD(instructions, -1);
    FIELD(instructions, 4);
    FIELD(memory_limit, -1);
    FIELD(memory_limit, INT64_MIN);
    FIELD(score_threshold, 1.5f);
    FIELD(score_threshold, 0.0f / 0.0f);
    FIELD(nms_threshold, 1.5f);
    FIELD(nms_threshold, 0.0f / 0.0f);
    FIELD(detections, -1);
    FIELD(detections, 1001);
    FIELD(proposals, -1);
    FIELD(proposals, 4097);
    FIELD(class_rule, -1);
    FIELD(class_rule, 3);
#undef FIELD
    uldor_model_options model_options;
    uldor_model *m = UNTOUCHED(uldor_model);
    *check_context = 0;
    NEED_OK(uldor_model_options_init(&model_options, sizeof model_options));
    model_options.threads = -1;
    REFUSED_OUT(uldor_model_load_file(fixture_path(), &model_options, &m), m, "threads");
}

static void tensors_out_of_range(void) {
    char name[65];
    const float one = 1;
    int64_t dims[4] = {1, 1, 1, 1};
    int32_t before = -1, after = -2;
    NEED_OK(uldor_tensors_get_count(tensors, &before));
    for (int32_t rank = -1; rank <= 5; rank += 6) REFUSED(uldor_tensors_add(tensors, "a", &one, rank, dims), "rank");
    REFUSED(uldor_tensors_add(tensors, "a", &one, 0, dims), "rank");
    REFUSED(uldor_tensors_add(tensors, "a", &one, INT32_MAX, dims), "rank");
    const int64_t bad[] = {-1, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < 2; i++) {
        dims[1] = bad[i];
        REFUSED(uldor_tensors_add(tensors, "a", &one, 4, dims), "dims");
    }
    /* Products that overflow 64 bits, one that would wrap to 1 value, and one that is only too large. */
    const int64_t overflows[][4] = {{INT64_MAX, INT64_MAX, 1, 1}, {1LL << 32, 1LL << 32, 1, 1},
                                    {1LL << 62, 4, 1, 1}, {INT64_MAX, 1, 1, 1}, {1LL << 61, 1, 1, 1}};
    for (size_t i = 0; i < sizeof overflows / sizeof *overflows; i++) {
        uldor_status status = uldor_tensors_add(tensors, "a", &one, 4, overflows[i]);
        CHECK(status == ULDOR_ERROR_INVALID_ARGUMENT || status == ULDOR_ERROR_NOMEM);
    }
    memset(name, 'n', sizeof name);
    name[64] = 0;
    dims[1] = 1;
    REFUSED(uldor_tensors_add(tensors, name, &one, 1, dims), "name");
    NEED_OK(uldor_tensors_get_count(tensors, &after));
    CHECK_INT(after, before);
    name[63] = 0;
    CHECK_OK(uldor_tensors_add(tensors, name, &one, 1, dims));
    uldor_tensor view = {.struct_size = sizeof view};
    NEED_OK(uldor_tensors_get(tensors, before, &view));
    CHECK(!strcmp(view.name, name) && view.data[0] == 1 && view.rank == 1 && view.dims[3] == 1);
}

static void slice_reach(void) {
    int32_t slices = 77;
    const double bad[] = {0, -1, 0.0 / 0.0, 1.0 / 0.0, -1.0 / 0.0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        REFUSED(uldor_model_get_slice_reach(model, bad[i], &slices), "slice_interval_mm");
    CHECK_INT(slices, 77);
    /* A tiny interval asks for more slices than fit a number: refused or saturated, never negative. */
    if (uldor_model_get_slice_reach(model, 1e-300, &slices) == ULDOR_OK) CHECK(slices > 0);
    uldor_model_info info = {.struct_size = sizeof info};
    NEED_OK(uldor_model_get_info(model, &info));
    int32_t neighbours = info.input_channels / 2;
    CHECK_OK(uldor_model_get_slice_reach(model, info.slice_distance_mm, &slices));
    CHECK_INT(slices, neighbours);
    /* 3 channels at 2.5 times the distance: 0.4 slices away, between the key slice and the next. */
    CHECK_OK(uldor_model_get_slice_reach(model, info.slice_distance_mm * 2.5, &slices));
    CHECK_INT(slices, (neighbours * 2 + 4) / 5);
    CHECK_OK(uldor_model_get_slice_reach(model, info.slice_distance_mm * 0.5, &slices));
    CHECK_INT(slices, neighbours * 2);
}

int main(void) {
    const int64_t dims[1] = {2};
    open_fixture(&model, &session, 1);
    draw_slice(pixels, SIDE, SIDE);
    image = slice_image(pixels, SIDE, SIDE);
    if (uldor_session_detect(session, &image, &result) < 0 || uldor_tensors_create(NULL, &tensors) < 0 ||
        uldor_tensors_add(tensors, "something", tensor, 1, dims) < 0) {
        printf("ranges: cannot start: %s\nranges: 0 passed, 1 failed\n", uldor_last_error());
        return 1;
    }
    RUN(indices);
    RUN(forward_sizes);
    RUN(session_options_out_of_range);
    RUN(tensors_out_of_range);
    RUN(slice_reach);
    CHECK_OK(uldor_tensors_free(tensors));
    CHECK_OK(uldor_result_free(result));
    CHECK_OK(uldor_session_free(session));
    CHECK_OK(uldor_model_free(model));
    return check_finish("ranges");
}
