/*
 * results.c - output of variable size: the two calls, buffers one too small, strides; results agree with each other
 */
#include "support.h"

enum { WIDTH = 72, HEIGHT = 56 };
static uldor_model *model;
static uldor_session *session;
static uldor_result *result;
static uldor_result_info info = {.struct_size = sizeof info};
static uint8_t mask[WIDTH * HEIGHT];

#define TOO_SMALL(call) CHECK_ERROR(call, ULDOR_ERROR_BUFFER_TOO_SMALL, "capacity|room")

static void detections(void) {
    float last = 1;
    CHECK_INT(info.width, WIDTH);
    CHECK_INT(info.height, HEIGHT);
    NEED(info.count > 0 && info.count <= 10);
    for (int32_t i = 0; i < info.count; i++) {
        uldor_detection d = {.struct_size = sizeof d};
        CONTEXT("detection %d", i);
        NEED_OK(uldor_result_get(result, i, &d));
        CHECK(d.score <= last && d.score >= 0 && d.score <= 1);
        last = d.score;
        CHECK(d.x1 >= 0 && d.y1 >= 0 && d.x2 <= WIDTH && d.y2 <= HEIGHT && d.x1 < d.x2 && d.y1 < d.y2);
        CHECK(d.class_index == ULDOR_CLASS_LESION || d.class_index == ULDOR_CLASS_FALSE_POSITIVE);
        CHECK(d.flags & ULDOR_DETECTION_HAS_MM);
        NEED_OK(uldor_result_get_mask(result, i, mask, sizeof mask, 0));
        double area = 0;
        for (size_t k = 0; k < sizeof mask; k++) area += mask[k];
        CHECK(area == d.area_px);
        CHECK(!(d.flags & ULDOR_DETECTION_HAS_RECIST) == (area == 0));
        if (area > 0) CHECK(d.long_px >= d.short_px && d.long_px > 0 && d.long_mm > 0);
        else CHECK(d.long_px == 0 && d.short_px == 0 && d.area_mm2 == 0);
    }
}

static void mask_buffers(void) {
    enum { STRIDE = WIDTH + 5, NEEDED = STRIDE * (HEIGHT - 1) + WIDTH };
    static uint8_t wide[NEEDED + 16];
    NEED_OK(uldor_result_get_mask(result, 0, mask, sizeof mask, 0));
    memset(wide, 0xcc, sizeof wide);
    TOO_SMALL(uldor_result_get_mask(result, 0, wide, sizeof mask - 1, 0));
    TOO_SMALL(uldor_result_get_mask(result, 0, wide, 0, 0));
    TOO_SMALL(uldor_result_get_mask(result, 0, wide, NEEDED - 1, STRIDE));
    for (size_t i = 0; i < sizeof wide; i++) CHECK_INT(wide[i], 0xcc);
    CHECK_ERROR(uldor_result_get_mask(result, 0, wide, sizeof wide, WIDTH - 1), ULDOR_ERROR_INVALID_ARGUMENT,
                "row_stride_bytes");
    const size_t huge[] = {SIZE_MAX, SIZE_MAX / HEIGHT + 1, SIZE_MAX / (HEIGHT - 1) + 1, (size_t)1 << 60};
    for (int i = 0; i < 4; i++) CHECK(uldor_result_get_mask(result, 0, wide, sizeof wide, huge[i]) < 0);
    /* The last row needs no more than its pixels; bytes between rows are not touched. */
    NEED_OK(uldor_result_get_mask(result, 0, wide, NEEDED, STRIDE));
    for (size_t y = 0; y < HEIGHT; y++) {
        CHECK(!memcmp(wide + y * STRIDE, mask + y * WIDTH, WIDTH));
        CHECK_INT(wide[y * STRIDE + WIDTH], 0xcc);
    }
}

static void mask_rle(void) {
    for (int32_t i = 0; i < info.count; i++) {
        size_t count = 0, untouched = 77, at = 0;
        CONTEXT("detection %d", i);
        NEED_OK(uldor_result_get_mask(result, i, mask, sizeof mask, 0));
        NEED_OK(uldor_result_get_mask_rle(result, i, NULL, 0, &count));
        NEED(count > 0 && count < 100000);
        uint32_t *runs = malloc((count + 1) * sizeof *runs);
        NEED(runs);
        memset(runs, 0xcc, (count + 1) * sizeof *runs);
        if (count > 1) {
            TOO_SMALL(uldor_result_get_mask_rle(result, i, runs, count - 1, &untouched));
            CHECK_INT(untouched, 77);
        }
        CHECK_INT(runs[0], 0xcccccccc);
        NEED_OK(uldor_result_get_mask_rle(result, i, runs, count, &untouched));
        CHECK_INT(untouched, count);
        CHECK_INT(runs[count], 0xcccccccc);
        for (size_t k = 0; k < count; k++)
            for (uint32_t n = 0; n < runs[k] && at < sizeof mask; n++, at++) {
                size_t x = at / HEIGHT, y = at % HEIGHT;
                if (mask[y * WIDTH + x] != k % 2) {
                    FAIL("run %zu differs from the mask at %zu, %zu", k, x, y);
                    n = runs[k] - 1;
                }
            }
        CHECK_INT(at, sizeof mask);
        free(runs);
    }
}

static void contours(void) {
    for (int32_t i = 0; i < info.count; i++) {
        int32_t contour_count = -1;
        uldor_detection d = {.struct_size = sizeof d};
        NEED_OK(uldor_result_get(result, i, &d));
        NEED_OK(uldor_result_get_contour_count(result, i, &contour_count));
        CHECK((contour_count > 0) == (d.area_px > 0));
        for (int32_t c = 0; c < contour_count; c++) {
            size_t points = 0, again = 77;
            CONTEXT("detection %d, contour %d", i, c);
            NEED_OK(uldor_result_get_contour(result, i, c, NULL, 0, &points));
            NEED(points >= 3);
            double *xy = malloc((2 * points + 1) * sizeof *xy), area = 0;
            NEED(xy);
            xy[0] = xy[2 * points] = -12345;
            TOO_SMALL(uldor_result_get_contour(result, i, c, xy, points - 1, &again));
            CHECK(xy[0] == -12345 && again == 77);
            NEED_OK(uldor_result_get_contour(result, i, c, xy, points, &again));
            CHECK(again == points && xy[2 * points] == -12345);
            for (size_t p = 0; p < points; p++) {
                size_t q = (p + 1) % points;
                area += xy[2 * p] * xy[2 * q + 1] - xy[2 * q] * xy[2 * p + 1];
                CHECK(xy[2 * p] >= 0 && xy[2 * p] <= WIDTH && xy[2 * p + 1] >= 0 && xy[2 * p + 1] <= HEIGHT);
            }
            if (c == 0) CHECK(area > 0); /* the largest contour is an outer one */
            free(xy);
        }
        CHECK_ERROR(uldor_result_get_contour(result, i, contour_count, NULL, 0, &(size_t){0}),
                    ULDOR_ERROR_INVALID_ARGUMENT, "contour");
    }
}

static void mask_probabilities(void) {
    uldor_model_info about = {.struct_size = sizeof about};
    NEED_OK(uldor_model_get_info(model, &about));
    size_t needed = (size_t)about.mask_size * (size_t)about.mask_size;
    float *out = malloc((needed + 1) * sizeof *out);
    NEED(out && needed);
    out[0] = out[needed] = -5;
    TOO_SMALL(uldor_result_get_mask_probabilities(result, 0, out, needed - 1));
    CHECK(out[0] == -5);
    NEED_OK(uldor_result_get_mask_probabilities(result, 0, out, needed));
    for (size_t i = 0; i < needed; i++) CHECK(out[i] >= 0 && out[i] <= 1);
    CHECK(out[needed] == -5);
    free(out);
}

static void network_input(void) {
    static int16_t pixels[WIDTH * HEIGHT];
    draw_slice(pixels, WIDTH, HEIGHT);
    uldor_image image = slice_image(pixels, WIDTH, HEIGHT);
    for (int32_t step = ULDOR_INPUT_HU; step <= ULDOR_INPUT_PADDED; step++) {
        uldor_input_info size = {.struct_size = sizeof size}, again = size;
        CONTEXT("step %d", step);
        NEED_OK(uldor_session_get_input(session, &image, step, NULL, 0, &size));
        NEED(size.channels > 0 && size.width > 0 && size.height > 0);
        size_t needed = (size_t)size.channels * (size_t)size.width * (size_t)size.height;
        float *out = malloc((needed + 1) * sizeof *out);
        NEED(out);
        out[0] = out[needed] = -54321;
        TOO_SMALL(uldor_session_get_input(session, &image, step, out, needed - 1, NULL));
        CHECK(out[0] == -54321);
        NEED_OK(uldor_session_get_input(session, &image, step, out, needed, &again));
        CHECK(out[0] != -54321 && out[needed] == -54321);
        CHECK(!memcmp(&size, &again, sizeof size));
        CHECK_OK(uldor_session_get_input(session, &image, step, out, needed, NULL));
        if (step == ULDOR_INPUT_HU)
            CHECK(size.width == WIDTH && size.height == HEIGHT && out[WIDTH * HEIGHT / 2] == pixels[WIDTH * HEIGHT / 2]);
        free(out);
    }
}

int main(void) {
    static int16_t pixels[WIDTH * HEIGHT];
    open_fixture(&model, &session, 1);
    draw_slice(pixels, WIDTH, HEIGHT);
    uldor_image image = slice_image(pixels, WIDTH, HEIGHT);
    if (uldor_session_detect(session, &image, &result) < 0 || uldor_result_get_info(result, &info) < 0) {
        printf("results: cannot start: %s\nresults: 0 passed, 1 failed\n", uldor_last_error());
        return 1;
    }
    RUN(detections);
    RUN(mask_buffers);
    RUN(mask_rle);
    RUN(contours);
    RUN(mask_probabilities);
    RUN(network_input);
    uldor_result_free(result);
    uldor_session_free(session);
    uldor_model_free(model);
    return check_finish("results");
}
