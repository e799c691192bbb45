/* source.c - see source.h */
#include "source.h"

#include "support.h"

static int16_t pixels[SIDE * SIDE];

static int32_t describe(void *user, int64_t index, uldor_source_image *image) {
    (void)user;
    image->width = SIDE;
    image->height = SIDE;
    image->split = index < SOURCE_IMAGES - 1 ? ULDOR_SPLIT_TRAIN : ULDOR_SPLIT_VALIDATION;
    image->lesions = 1;
    image->spacing_x_mm = image->spacing_y_mm = 0.8;
    image->slice_interval_mm = 2;
    return 0;
}

static int32_t annotate(void *user, int64_t index, int32_t lesion, uldor_source_lesion *annotation) {
    static const double recist[8] = {22, 30, 40, 30, 31, 24, 31, 37};
    (void)user, (void)index, (void)lesion;
    annotation->has_recist = 1;
    memcpy(annotation->recist, recist, sizeof recist);
    return 0;
}

static int32_t read_image(void *user, int64_t index, uldor_image *image, void **token) {
    (void)user, (void)index, (void)token;
    image->type = ULDOR_INT16;
    image->width = SIDE;
    image->height = SIDE;
    image->data = pixels;
    image->data_bytes = sizeof pixels;
    return 0;
}

void open_source(const uldor_allocator *allocator, uldor_dataset **dataset) {
    uldor_source source;
    uldor_dataset_options options;
    draw_slice(pixels, SIDE, SIDE);
    uldor_source_init(&source, sizeof source);
    uldor_dataset_options_init(&options, sizeof options);
    source.count = SOURCE_IMAGES;
    source.describe = describe;
    source.annotate = annotate;
    source.read = read_image;
    options.allocator = allocator;
    if (uldor_dataset_open_callbacks(&source, &options, dataset) < 0) {
        printf("%s\n", uldor_last_error());
        exit(2);
    }
}
