/*
 * arguments.c - every pointer NULL, every handle in the place of another kind
 *
 * A refused call returns INVALID_ARGUMENT, names the parameter, and leaves the out-parameter as it was.
 */
#include "source.h"
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

static void null_pointers_of_model(void) {
    uldor_model *m = UNTOUCHED(uldor_model);
    const char *text = UNTOUCHED(char);
    int32_t reach = 77;
    uldor_model_info info = {.struct_size = sizeof info};
    REFUSED(uldor_model_options_init(NULL, sizeof(uldor_model_options)), "options");
    REFUSED_OUT(uldor_model_load_file(NULL, NULL, &m), m, "path");
    REFUSED(uldor_model_load_file(fixture_path(), NULL, NULL), "model");
    REFUSED_OUT(uldor_model_load_memory(NULL, 100, NULL, &m), m, "data");
    REFUSED(uldor_model_load_memory(tensor, sizeof tensor, NULL, NULL), "model");
    REFUSED(uldor_model_save_packed(NULL, "/tmp/x"), "model");
    REFUSED(uldor_model_save_packed(model, NULL), "path");
    REFUSED(uldor_model_get_info(NULL, &info), "model");
    REFUSED(uldor_model_get_info(model, NULL), "info");
    REFUSED_OUT(uldor_model_get_text(NULL, ULDOR_TEXT_NAME, &text), text, "model");
    REFUSED(uldor_model_get_text(model, ULDOR_TEXT_NAME, NULL), "text");
    REFUSED_OUT(uldor_model_get_class_name(NULL, 0, &text), text, "model");
    REFUSED(uldor_model_get_class_name(model, 0, NULL), "name");
    REFUSED(uldor_model_get_slice_reach(NULL, 1, &reach), "model");
    REFUSED(uldor_model_get_slice_reach(model, 1, NULL), "slices");
    CHECK_INT(reach, 77);
    CHECK_OK(uldor_model_free(NULL));
}

static void null_pointers_of_session(void) {
    uldor_session *s = UNTOUCHED(uldor_session);
    uldor_result *r = UNTOUCHED(uldor_result);
    uldor_tensors *t = UNTOUCHED(uldor_tensors);
    uldor_session_info info = {.struct_size = sizeof info};
    int64_t bytes = 77;
    REFUSED(uldor_session_options_init(NULL, sizeof(uldor_session_options)), "options");
    REFUSED(uldor_image_init(NULL, sizeof(uldor_image)), "image");
    REFUSED_OUT(uldor_session_create(NULL, NULL, &s), s, "model");
    REFUSED(uldor_session_create(model, NULL, NULL), "session");
    REFUSED(uldor_session_cancel(NULL), "session");
    REFUSED(uldor_session_get_info(NULL, &info), "session");
    REFUSED(uldor_session_get_info(session, NULL), "info");
    REFUSED(uldor_session_estimate_memory(NULL, 32, 32, &bytes), "session");
    REFUSED(uldor_session_estimate_memory(session, 32, 32, NULL), "bytes");
    CHECK_INT(bytes, 77);
    REFUSED_OUT(uldor_session_detect(NULL, &image, &r), r, "session");
    REFUSED_OUT(uldor_session_detect(session, NULL, &r), r, "image");
    REFUSED(uldor_session_detect(session, &image, NULL), "result");
    REFUSED_OUT(uldor_session_forward(NULL, tensor, 3, 32, 32, &r), r, "session");
    REFUSED_OUT(uldor_session_forward(session, NULL, 3, 32, 32, &r), r, "tensor");
    REFUSED(uldor_session_forward(session, tensor, 3, 32, 32, NULL), "result");
    REFUSED(uldor_session_get_input(NULL, &image, 0, NULL, 0, NULL), "session");
    REFUSED(uldor_session_get_input(session, NULL, 0, tensor, 1, NULL), "image");
    REFUSED(uldor_session_get_input(session, &image, 0, NULL, 0, NULL), "info");
    REFUSED(uldor_session_get_input(session, &image, 0, NULL, 8, NULL), "out|capacity");
    REFUSED_OUT(uldor_session_run_stage(NULL, 0, tensors, &t), t, "session");
    REFUSED_OUT(uldor_session_run_stage(session, 0, NULL, &t), t, "inputs");
    REFUSED(uldor_session_run_stage(session, 0, tensors, NULL), "outputs");
    CHECK_OK(uldor_session_free(NULL));
    CHECK(uldor_session_last_error(NULL) != NULL);
}

static void null_pointers_of_mining(void) {
    uldor_mining_options options;
    uldor_mining_info info = {.struct_size = sizeof info, .images = 77};
    uldor_dataset *data;
    open_source(NULL, &data);
    CHECK_OK(uldor_mining_options_init(&options, sizeof options));
    REFUSED(uldor_mining_options_init(NULL, sizeof options), "options");
    REFUSED(uldor_mine(NULL, data, "/tmp/nowhere/mined", &options, &info), "model");
    REFUSED(uldor_mine(model, NULL, "/tmp/nowhere/mined", &options, &info), "dataset");
    REFUSED(uldor_mine(model, data, NULL, &options, &info), "path");
    REFUSED(uldor_mine((uldor_model *)(void *)data, data, "/tmp/nowhere/mined", &options, &info), "model");
    REFUSED(uldor_mine(model, (const uldor_dataset *)(const void *)model, "/tmp/nowhere/mined", &options, &info), "dataset");
    CHECK_INT(info.images, 77);
    CHECK_OK(uldor_dataset_free(data));
}

static void null_pointers_of_result(void) {
    uldor_result_info info = {.struct_size = sizeof info};
    uldor_detection detection = {.struct_size = sizeof detection};
    uint8_t mask[SIDE * SIDE];
    uint32_t runs[8];
    size_t count = 77;
    int32_t contours = 77;
    double xy[16];
    REFUSED(uldor_result_get_info(NULL, &info), "result");
    REFUSED(uldor_result_get_info(result, NULL), "info");
    REFUSED(uldor_result_get(NULL, 0, &detection), "result");
    REFUSED(uldor_result_get(result, 0, NULL), "detection");
    REFUSED(uldor_result_get_mask(NULL, 0, mask, sizeof mask, 0), "result");
    REFUSED(uldor_result_get_mask(result, 0, NULL, sizeof mask, 0), "out");
    REFUSED(uldor_result_get_mask_rle(NULL, 0, runs, 8, &count), "result");
    REFUSED(uldor_result_get_mask_rle(result, 0, NULL, 0, NULL), "count");
    REFUSED(uldor_result_get_mask_rle(result, 0, NULL, 8, &count), "counts|capacity");
    REFUSED(uldor_result_get_contour_count(NULL, 0, &contours), "result");
    REFUSED(uldor_result_get_contour_count(result, 0, NULL), "count");
    REFUSED(uldor_result_get_contour(NULL, 0, 0, xy, 8, &count), "result");
    REFUSED(uldor_result_get_contour(result, 0, 0, NULL, 0, NULL), "points|contour");
    REFUSED(uldor_result_get_mask_probabilities(NULL, 0, tensor, 784), "result");
    REFUSED(uldor_result_get_mask_probabilities(result, 0, NULL, 784), "out");
    CHECK_OK(uldor_result_free(NULL));
    CHECK_INT(count, 77);
    CHECK_INT(contours, 77);
}

static void null_pointers_of_tensors(void) {
    const int64_t dims[4] = {1, 1, 2, 2};
    int32_t count = 77;
    uldor_tensor view = {.struct_size = sizeof view};
    REFUSED(uldor_tensors_create(NULL, NULL), "tensors");
    REFUSED(uldor_tensors_add(NULL, "a", tensor, 4, dims), "tensors");
    REFUSED(uldor_tensors_add(tensors, NULL, tensor, 4, dims), "name");
    REFUSED(uldor_tensors_add(tensors, "a", NULL, 4, dims), "data");
    REFUSED(uldor_tensors_add(tensors, "a", tensor, 4, NULL), "dims");
    REFUSED(uldor_tensors_get_count(NULL, &count), "tensors");
    REFUSED(uldor_tensors_get_count(tensors, NULL), "count");
    REFUSED(uldor_tensors_get(NULL, 0, &view), "tensors");
    REFUSED(uldor_tensors_get(tensors, 0, NULL), "tensor");
    CHECK_INT(count, 77);
    CHECK_OK(uldor_tensors_free(NULL));
}

/* Each handle in the place of each other kind. */
static void wrong_handles(void) {
    void *handles[] = {model, session, result, tensors};
    const char *kinds[] = {"model", "session", "result", "tensors"};
    uldor_model_info model_info = {.struct_size = sizeof model_info};
    uldor_session_info session_info = {.struct_size = sizeof session_info};
    uldor_result_info result_info = {.struct_size = sizeof result_info};
    int32_t count;
    int64_t bytes;
    for (int i = 0; i < 4; i++) {
        CONTEXT("a %s handle", kinds[i]);
        if (i != 0) {
            uldor_session *s = UNTOUCHED(uldor_session);
            REFUSED(uldor_model_free(handles[i]), "model");
            REFUSED(uldor_model_get_info(handles[i], &model_info), "model");
            REFUSED(uldor_model_save_packed(handles[i], "/tmp/x"), "model");
            REFUSED_OUT(uldor_session_create(handles[i], NULL, &s), s, "model");
        }
        if (i != 1) {
            uldor_result *r = UNTOUCHED(uldor_result);
            REFUSED(uldor_session_free(handles[i]), "session");
            REFUSED(uldor_session_cancel(handles[i]), "session");
            REFUSED(uldor_session_get_info(handles[i], &session_info), "session");
            REFUSED(uldor_session_estimate_memory(handles[i], 32, 32, &bytes), "session");
            REFUSED_OUT(uldor_session_detect(handles[i], &image, &r), r, "session");
            CHECK(uldor_session_last_error(handles[i]) != NULL);
        }
        if (i != 2) {
            REFUSED(uldor_result_free(handles[i]), "result");
            REFUSED(uldor_result_get_info(handles[i], &result_info), "result");
        }
        if (i != 3) {
            uldor_tensors *t = UNTOUCHED(uldor_tensors);
            REFUSED(uldor_tensors_free(handles[i]), "tensors");
            REFUSED(uldor_tensors_get_count(handles[i], &count), "tensors");
            REFUSED_OUT(uldor_session_run_stage(session, 0, handles[i], &t), t, "inputs");
        }
    }
}

int main(void) {
    const int64_t dims[1] = {2};
    open_fixture(&model, &session, 1);
    draw_slice(pixels, SIDE, SIDE);
    image = slice_image(pixels, SIDE, SIDE);
    if (uldor_session_detect(session, &image, &result) < 0 || uldor_tensors_create(NULL, &tensors) < 0 ||
        uldor_tensors_add(tensors, "something", tensor, 1, dims) < 0) {
        printf("arguments: cannot start: %s\narguments: 0 passed, 1 failed\n", uldor_last_error());
        return 1;
    }
    RUN(null_pointers_of_model);
    RUN(null_pointers_of_session);
    RUN(null_pointers_of_mining);
    RUN(null_pointers_of_result);
    RUN(null_pointers_of_tensors);
    RUN(wrong_handles);
    CHECK_OK(uldor_tensors_free(tensors));
    CHECK_OK(uldor_result_free(result));
    CHECK_OK(uldor_session_free(session));
    CHECK_OK(uldor_model_free(model));
    return check_finish("arguments");
}
