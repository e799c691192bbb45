/*
 * image.c - descriptions of images: every field out of range, strides that leave the buffer, pixels that are no number
 *
 * Buffers are heap blocks of the exact size, so that a sanitizer sees what the library's own checks let through.
 */
#include <math.h>

#include "support.h"

static uldor_model *model;
static uldor_session *session;
static int16_t *pixels; /* DEPTH slices of SIDE x SIDE */
static uldor_image good;
enum { DEPTH = 3, SLICE = SIDE * SIDE * 2 };

/* What the check gives, without running the network: a step back asks for the same description. */
static uldor_status look(const uldor_image *image) {
    uldor_input_info info = {.struct_size = sizeof info};
    uldor_status status = uldor_session_get_input(session, image, ULDOR_INPUT_PADDED, NULL, 0, &info);
    if (status < 0) return status;
    float *out = malloc(sizeof(float) * (size_t)info.channels * (size_t)info.width * (size_t)info.height);
    if (!out) return ULDOR_ERROR_NOMEM;
    status = uldor_session_get_input(session, image, ULDOR_INPUT_PADDED, out,
                                     (size_t)info.channels * (size_t)info.width * (size_t)info.height, NULL);
    for (size_t i = 0; status == ULDOR_OK && i < (size_t)info.channels * (size_t)info.width * (size_t)info.height; i++)
        if (!isfinite(out[i])) status = ULDOR_ERROR_INTERNAL;
    free(out);
    return status;
}

/* `field` = `value` in an otherwise good image is refused, by the check and by detection, and named. */
#define REFUSED(field, value, names)                                                                                   \
    do {                                                                                                               \
        uldor_image image = good;                                                                                      \
        uldor_result *result = UNTOUCHED(uldor_result);                                                                \
        image.field = value;                                                                                           \
        CONTEXT("%s = %s", #field, #value);                                                                            \
        CHECK_ERROR(look(&image), ULDOR_ERROR_IMAGE, names);                                                           \
        CHECK_ERROR(uldor_session_detect(session, &image, &result), ULDOR_ERROR_IMAGE, names);                         \
        CHECK(result == UNTOUCHED(uldor_result));                                                                      \
        CHECK(message_names(uldor_session_last_error(session), names));                                                \
    } while (0)

static void fields(void) {
    CHECK_OK(look(&good));
    REFUSED(type, 0, "type");
    REFUSED(type, 4, "type");
    REFUSED(type, INT32_MIN, "type");
    REFUSED(width, 0, "width");
    REFUSED(width, -1, "width");
    REFUSED(width, 16385, "width");
    REFUSED(width, INT32_MAX, "width");
    REFUSED(height, 0, "height");
    REFUSED(height, INT32_MIN, "height");
    REFUSED(height, 16385, "height");
    REFUSED(depth, 0, "depth");
    REFUSED(depth, -1, "depth");
    REFUSED(depth, 65537, "depth");
    REFUSED(depth, INT32_MAX, "depth");
    REFUSED(key_slice, -1, "key_slice");
    REFUSED(key_slice, DEPTH, "key_slice");
    REFUSED(key_slice, INT32_MAX, "key_slice");
    REFUSED(data, NULL, "data|slices");
    REFUSED(data_bytes, 0, "data_bytes|buffer");
    REFUSED(slope, 0, "slope");
    REFUSED(slope, NAN, "slope");
    REFUSED(slope, INFINITY, "slope");
    REFUSED(intercept, NAN, "intercept");
    REFUSED(intercept, -INFINITY, "intercept");
    REFUSED(spacing_x_mm, -0.5, "spacing_x_mm");
    REFUSED(spacing_x_mm, NAN, "spacing_x_mm");
    REFUSED(spacing_y_mm, INFINITY, "spacing_y_mm");
    REFUSED(spacing_y_mm, -0.5, "spacing_y_mm");
    REFUSED(spacing_x_mm, 0, "spacing"); /* one of the two known: an oversight of the host */
    REFUSED(slice_interval_mm, 0, "slice_interval_mm");
    REFUSED(slice_interval_mm, -1, "slice_interval_mm");
    REFUSED(slice_interval_mm, NAN, "slice_interval_mm");
    REFUSED(slice_interval_mm, INFINITY, "slice_interval_mm");
}

static void buffers(void) {
    const size_t whole = (size_t)DEPTH * SLICE;
    REFUSED(data_bytes, whole - 1, "data_bytes|buffer");
    REFUSED(offset_bytes, 1, "data_bytes|buffer|offset");
    REFUSED(offset_bytes, whole, "data_bytes|buffer|offset");
    REFUSED(offset_bytes, SIZE_MAX, "data_bytes|buffer|offset");
    REFUSED(offset_bytes, SIZE_MAX - 1, "data_bytes|buffer|offset");
    REFUSED(stride_x_bytes, 3, "data_bytes|buffer|stride");
    REFUSED(stride_x_bytes, -2, "data_bytes|buffer|stride");
    REFUSED(stride_y_bytes, SIDE * 2 + 1, "data_bytes|buffer|stride");
    REFUSED(stride_y_bytes, -SIDE * 2, "data_bytes|buffer|stride");
    REFUSED(stride_z_bytes, SLICE + 1, "data_bytes|buffer|stride");
    REFUSED(stride_z_bytes, -SLICE, "data_bytes|buffer|stride");
    REFUSED(stride_x_bytes, PTRDIFF_MAX, "data_bytes|buffer|stride");
    REFUSED(stride_x_bytes, PTRDIFF_MIN, "data_bytes|buffer|stride");
    REFUSED(stride_y_bytes, PTRDIFF_MAX / 63 + 1, "data_bytes|buffer|stride");
    REFUSED(stride_y_bytes, PTRDIFF_MIN, "data_bytes|buffer|stride");
    REFUSED(stride_z_bytes, PTRDIFF_MAX, "data_bytes|buffer|stride");
    REFUSED(stride_z_bytes, (ptrdiff_t)1 << 62, "data_bytes|buffer|stride");
    /* Products that wrap to something small. */
    REFUSED(stride_y_bytes, (ptrdiff_t)1 << 58, "data_bytes|buffer|stride");
    REFUSED(stride_z_bytes, PTRDIFF_MIN / 2, "data_bytes|buffer|stride");
}

static void slices(void) {
    const void *buffers[DEPTH] = {pixels, pixels + SLICE / 2, pixels + SLICE};
    uldor_image image = good;
    image.slices = buffers;
    CHECK_ERROR(look(&image), ULDOR_ERROR_IMAGE, "slices|data"); /* both forms at once */
    image.data = NULL;
    image.data_bytes = SLICE;
    CHECK_OK(look(&image));
    image.data_bytes = SLICE - 1;
    CHECK_ERROR(look(&image), ULDOR_ERROR_IMAGE, "data_bytes|buffer");
    image.data_bytes = SLICE;
    buffers[0] = buffers[2] = NULL;
    CHECK_OK(look(&image));
    uldor_result *result;
    uldor_result_info info = {.struct_size = sizeof info};
    NEED_OK(uldor_session_detect(session, &image, &result));
    CHECK_OK(uldor_result_get_info(result, &info));
    CHECK_INT(info.missing_neighbours, 2);
    CHECK_OK(uldor_result_free(result));
    buffers[1] = NULL;
    CHECK_ERROR(look(&image), ULDOR_ERROR_IMAGE, "slices|key_slice");
}

/* The same pixels in other orders in memory are the same image. */
static void strides_that_work(void) {
    const size_t row = SIDE * 2 + 6;
    uint8_t *memory = malloc(1 + row * SIDE);
    uldor_image plain = good, other;
    plain.depth = 1;
    plain.key_slice = 0;
    plain.data_bytes = SLICE;
    float *expected = malloc(SLICE * 2 * 3), *got = malloc(SLICE * 2 * 3);
    NEED(memory && expected && got);
    size_t count = (size_t)SIDE * SIDE * 3;
    NEED_OK(uldor_session_get_input(session, &plain, ULDOR_INPUT_HU, expected, count, NULL));
    struct {
        const char *name;
        size_t offset, bytes;
        ptrdiff_t x, y;
    } forms[] = {
        {"padded rows at an odd address", 1, 1 + row * (SIDE - 1) + SIDE * 2, 2, (ptrdiff_t)row},
        {"bottom up", row * (SIDE - 1), row * (SIDE - 1) + SIDE * 2, 2, -(ptrdiff_t)row},
        {"right to left", SIDE * 2 - 2, row * (SIDE - 1) + SIDE * 2, -2, (ptrdiff_t)row},
        {"columns", 0, row * (SIDE - 1) + SIDE * 2, (ptrdiff_t)row, 2},
    };
    for (int f = 0; f < 4; f++) {
        CONTEXT("%s", forms[f].name);
        for (ptrdiff_t y = 0; y < SIDE; y++)
            for (ptrdiff_t x = 0; x < SIDE; x++)
                memcpy(memory + (ptrdiff_t)forms[f].offset + y * forms[f].y + x * forms[f].x, &pixels[y * SIDE + x], 2);
        uint8_t *exact = malloc(forms[f].bytes);
        NEED(exact);
        memcpy(exact, memory, forms[f].bytes);
        other = plain;
        other.data = exact;
        other.data_bytes = forms[f].bytes;
        other.offset_bytes = forms[f].offset;
        other.stride_x_bytes = forms[f].x;
        other.stride_y_bytes = forms[f].y;
        memset(got, 0, count * sizeof *got);
        CHECK_OK(uldor_session_get_input(session, &other, ULDOR_INPUT_HU, got, count, NULL));
        CHECK(!memcmp(got, expected, count * sizeof *got));
        other.data_bytes--;
        if (f != 0) CHECK(look(&other) == ULDOR_ERROR_IMAGE || other.offset_bytes == 0);
        free(exact);
    }
    /* Rows that overlap stay within the buffer and are read as they are described. */
    other = plain;
    other.stride_y_bytes = 2;
    CHECK_OK(look(&other));
    free(memory);
    free(expected);
    free(got);
}

static void pixels_that_are_no_number(void) {
    float *values = calloc(SIDE * SIDE * DEPTH, sizeof *values);
    NEED(values);
    uldor_image image = good;
    image.type = ULDOR_FLOAT32;
    image.data = values;
    image.data_bytes = SIDE * SIDE * DEPTH * sizeof *values;
    CHECK_OK(look(&image));
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int k = 0; k < 3; k++) {
        float *at = &values[(2 * SIDE + 21) * SIDE + 37];
        *at = bad[k];
        CONTEXT("%g", bad[k]);
        CHECK_ERROR(look(&image), ULDOR_ERROR_IMAGE, "37");
        CHECK(message_names(uldor_last_error(), "21") && message_names(uldor_last_error(), "slice 2|slice_2|slice=2"));
        /* A slice that is out of reach is not read: at 20 mm the neighbours lie within the next slice. */
        image.depth = 2;
        CHECK_OK(look(&image));
        image.depth = DEPTH;
        *at = 0;
    }
    *check_context = 0;
    /* Finite numbers whose Hounsfield units are not, and those a window clips. */
    values[SIDE * SIDE + 5] = 3e38f;
    CHECK_OK(look(&image));
    image.slope = 1e300;
    uldor_status status = look(&image);
    CHECK(status == ULDOR_OK || status == ULDOR_ERROR_IMAGE);
    free(values);
}

static void spacings(void) {
    const double values[] = {1e-300, 1e-9, 1e-3, 0.01, 100, 1e9, 1e300};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        for (int k = 0; k < 3; k++) {
            uldor_image image = good;
            uldor_result *result;
            if (k != 1) image.spacing_x_mm = values[i];
            if (k != 0) image.spacing_y_mm = values[i];
            CONTEXT("spacing %g x %g", image.spacing_x_mm, image.spacing_y_mm);
            uldor_status status = uldor_session_detect(session, &image, &result);
            CHECK(status == ULDOR_OK || status == ULDOR_ERROR_IMAGE);
            if (status == ULDOR_OK) uldor_result_free(result);
            else CHECK(message_names(uldor_last_error(), "spacing"));
        }
    const double intervals[] = {1e-300, 1e-6, 1e-3, 1e6, 1e300};
    for (size_t i = 0; i < 5; i++) {
        uldor_image image = good;
        CONTEXT("slice interval %g", intervals[i]);
        image.slice_interval_mm = intervals[i];
        uldor_status status = look(&image);
        CHECK(status == ULDOR_OK || (status == ULDOR_ERROR_IMAGE && message_names(uldor_last_error(), "interval")));
    }
}

static void extreme_sizes(void) {
    const int32_t sizes[][2] = {{1, 1}, {2, 1}, {1, 2}, {3, 3}, {16384, 1}, {1, 16384}, {33, 7}, {4096, 5}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int32_t width = sizes[i][0], height = sizes[i][1];
        int16_t *slice = malloc((size_t)width * (size_t)height * 2);
        uldor_result *result;
        NEED(slice);
        draw_slice(slice, width, height);
        uldor_image image = slice_image(slice, width, height);
        CONTEXT("%d x %d", width, height);
        CHECK_OK(look(&image));
        if (uldor_session_detect(session, &image, &result) == ULDOR_OK) {
            CHECK(result_digest(result) != 0);
            CHECK_OK(uldor_result_free(result));
        } else {
            FAIL("%s", uldor_last_error());
        }
        free(slice);
    }
}

/* Nothing but air, and one value everywhere: nothing to crop to, nothing to find, but a result. */
static void empty_slices(void) {
    static int16_t flat[SIDE * SIDE];
    const int16_t values[] = {-1024, 0, INT16_MIN, INT16_MAX};
    for (int k = 0; k < 4; k++) {
        uldor_result *result;
        for (int i = 0; i < SIDE * SIDE; i++) flat[i] = values[k];
        uldor_image image = slice_image(flat, SIDE, SIDE);
        CONTEXT("all %d", values[k]);
        NEED_OK(uldor_session_detect(session, &image, &result));
        CHECK_OK(uldor_result_free(result));
    }
}

int main(void) {
    pixels = malloc((size_t)DEPTH * SLICE);
    if (!pixels) return 2;
    for (int z = 0; z < DEPTH; z++) draw_slice(pixels + z * SLICE / 2, SIDE, SIDE);
    good = slice_image(pixels, SIDE, SIDE);
    good.depth = DEPTH;
    good.key_slice = 1;
    good.data_bytes = (size_t)DEPTH * SLICE;
    good.slice_interval_mm = 2;
    open_fixture(&model, &session, 1);
    RUN(fields);
    RUN(buffers);
    RUN(slices);
    RUN(strides_that_work);
    RUN(pixels_that_are_no_number);
    RUN(spacings);
    RUN(extreme_sizes);
    RUN(empty_slices);
    uldor_session_free(session);
    uldor_model_free(model);
    free(pixels);
    return check_finish("image");
}
