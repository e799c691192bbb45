/*
 * froc.c - evaluation: what is kept of a detection and a lesion, failing allocations, wrong arguments
 */
#include "failing.h"

#include <stdbool.h>

static const double lesions[] = {0, 0, 10, 10, 20, 20, 30, 30}, boxes[] = {0, 0, 10, 10, 50, 50, 60, 60, 20, 20, 30, 31};
static const double scores[] = {0.9, 0.8, 0.7};

static uldor_froc_image image_of(uint64_t patient) {
    uldor_froc_image image;
    CHECK_OK(uldor_froc_image_init(&image, sizeof image));
    image.patient = patient;
    image.lesion_boxes = lesions, image.lesion_count = 2;
    image.boxes = boxes, image.scores = scores, image.detection_count = 3;
    return image;
}

static void kept_bytes(void) {
    struct meter meter;
    uldor_froc_options options;
    uldor_froc *froc = NULL;
    meter_init(&meter);
    CHECK_OK(uldor_froc_options_init(&options, sizeof options));
    options.allocator = &meter.allocator;
    NEED_OK(uldor_froc_create(&options, &froc));
    enum { IMAGES = 100000 };
    for (int i = 0; i < IMAGES; i++) {
        uldor_froc_image image = image_of((uint64_t)(i % 7));
        NEED_OK(uldor_froc_add_image(froc, &image, NULL));
    }
    /* Detections and lesions, and for each kind a block, its list, and what does not grow. */
    CHECK(meter.live_bytes <= 24L * 3 * IMAGES + 16L * 2 * IMAGES + 3 * 65536);
    uldor_froc_info info = {.struct_size = sizeof info};
    CHECK_OK(uldor_froc_get_info(froc, &info));
    CHECK_INT(info.memory_bytes, meter.live_bytes);
    CHECK_OK(uldor_froc_compute(froc, scores, 2));
    CHECK(meter.peak_bytes <= (24L + 64) * 3 * IMAGES + (16L + 64) * 2 * IMAGES + 3 * 65536);
    CHECK_OK(uldor_froc_free(froc));
    CHECK_INT(meter.live_blocks, 0);
    CHECK_INT(meter.damaged, 0);
    CHECK_INT(meter.misused, 0);
}

/* What was added before a failure stays, and the next attempt goes through. */
static uldor_status evaluate_once(struct meter *meter, void *context) {
    uldor_froc_options options;
    uldor_froc *froc = NULL;
    (void)context;
    uldor_froc_options_init(&options, sizeof options);
    options.allocator = &meter->allocator;
    options.bootstrap_samples = 5;
    options.threads = 1;
    uldor_status first = uldor_froc_create(&options, &froc);
    for (uint64_t p = 0; p < 2 && froc; p++) {
        uldor_froc_image image = image_of(p);
        uldor_froc_info before = {.struct_size = sizeof before}, after = before;
        uldor_froc_get_info(froc, &before);
        uldor_status status = uldor_froc_add_image(froc, &image, NULL);
        if (status == ULDOR_OK) continue;
        first = status;
        uldor_froc_get_info(froc, &after);
        CHECK_INT(after.images, before.images);
        CHECK_INT(after.patients, before.patients);
        CHECK_INT(after.lesions, before.lesions);
        CHECK_OK(uldor_froc_add_image(froc, &image, NULL));
    }
    uldor_status status = froc ? uldor_froc_compute(froc, scores, 3) : ULDOR_OK;
    if (status != ULDOR_OK) {
        first = status;
        CHECK_OK(uldor_froc_compute(froc, scores, 3));
    }
    uldor_froc_info info = {.struct_size = sizeof info};
    if (froc) {
        CHECK_OK(uldor_froc_get_info(froc, &info));
        CHECK_INT(info.images, 2);
        CHECK_INT(info.hits, 4);
        CHECK(info.average_precision_low > 0 && info.average_precision_high <= 1);
        CHECK_OK(uldor_froc_free(froc));
    }
    return first;
}

static void failing_allocations(void) { fail_allocations("an evaluation", 1000, 1, 20, evaluate_once, NULL); }

static void refusals(void) {
#define REFUSED(call, names) CHECK_ERROR(call, ULDOR_ERROR_INVALID_ARGUMENT, names)
    uldor_froc *froc = NULL, *untouched = UNTOUCHED(uldor_froc);
    uldor_froc_options options;
    uldor_froc_image image = image_of(1);
    uldor_froc_subset subset = {.struct_size = sizeof subset};
    uldor_froc_sensitivity at = {.struct_size = sizeof at};
    uldor_froc_info info = {.struct_size = sizeof info};
    uldor_mask_overlap_info overlap = {.struct_size = sizeof overlap};
    size_t count = 77;
    int32_t matches[3];
    double points[30];
    const uint8_t mask[4] = {1, 0, 1, 0};
    uldor_froc_options_init(&options, sizeof options);
    options.convention = 2;
    REFUSED(uldor_froc_create(&options, &untouched), "convention");
    CHECK(untouched == UNTOUCHED(uldor_froc));
    REFUSED(uldor_froc_create(NULL, NULL), "froc");
    NEED_OK(uldor_froc_create(NULL, &froc));
    REFUSED(uldor_froc_compute(froc, scores, 1), "image");
    REFUSED(uldor_froc_add_image(froc, NULL, NULL), "image");
    REFUSED(uldor_froc_add_image(NULL, &image, NULL), "froc");
    CHECK_OK(uldor_froc_add_image(froc, &image, matches));
    CHECK(matches[0] == 0 && matches[1] == ULDOR_FROC_FALSE_POSITIVE && matches[2] == 1);
    REFUSED(uldor_froc_get_subset(froc, 0, &subset), "uldor_froc_compute");
    REFUSED(uldor_froc_compute(froc, NULL, 1), "levels");
    NEED_OK(uldor_froc_compute(froc, scores, 1));
    REFUSED(uldor_froc_get_subset(froc, 1, &subset), "index");
    REFUSED(uldor_froc_get_sensitivity(froc, 0, 1, &at), "level");
    REFUSED(uldor_froc_get_sensitivity(froc, 0, 0, NULL), "sensitivity");
    REFUSED(uldor_froc_get_info(froc, NULL), "info");
    REFUSED(uldor_froc_get_curve(froc, points, 9, NULL), "count");
    CHECK_OK(uldor_froc_get_curve(froc, NULL, 0, &count));
    CHECK_ERROR(uldor_froc_get_curve(froc, points, count - 1, &count), ULDOR_ERROR_BUFFER_TOO_SMALL, "points");
    CHECK_OK(uldor_froc_get_curve(froc, points, count, &count));
    image.lesion_count = SIZE_MAX;
    REFUSED(uldor_froc_add_image(froc, &image, NULL), "lesion_count");
    image.lesion_count = 2, image.scores = NULL;
    REFUSED(uldor_froc_add_image(froc, &image, NULL), "scores");
    REFUSED(uldor_mask_overlap(NULL, 0, mask, 0, 2, 2, &overlap), "a");
    REFUSED(uldor_mask_overlap(mask, 0, mask, 1, 2, 2, &overlap), "b_stride");
    REFUSED(uldor_mask_overlap(mask, 0, mask, 0, 0, 2, &overlap), "width");
    CHECK_OK(uldor_mask_overlap(mask, 0, mask, 0, 2, 2, &overlap));
    CHECK(overlap.area_a == 2 && overlap.iou == 1 && overlap.dice == 1);
    CHECK_OK(uldor_froc_free(froc));
    CHECK_OK(uldor_froc_free(NULL));
#undef REFUSED
}

int main(void) {
    RUN(kept_bytes);
    RUN(failing_allocations);
    RUN(refusals);
    return check_finish("froc");
}
