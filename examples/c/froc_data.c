/* froc_data.c - see froc_data.h */
#include "froc_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The arrays of one image. */
typedef struct arrays {
    double *lesion_boxes, *sizes, *boxes, *scores, *lesion_scores;
    int32_t *types, *classes;
} arrays;

static void free_arrays(arrays *a) {
    free(a->lesion_boxes), free(a->sizes), free(a->boxes), free(a->scores), free(a->lesion_scores), free(a->types);
    free(a->classes);
}

int froc_add_image(uldor_froc *froc, const uldor_dataset *truth, int64_t index, const uldor_dataset_image *about,
                   const froc_detection *items, size_t count, reason *why) {
    size_t lesions = (size_t)about->lesions;
    arrays a = {.lesion_boxes = calloc(lesions + 1, 4 * sizeof(double)), .sizes = calloc(lesions + 1, sizeof(double)),
                .boxes = calloc(count + 1, 4 * sizeof(double)), .scores = calloc(count + 1, sizeof(double)),
                .lesion_scores = calloc(count + 1, sizeof(double)), .types = calloc(lesions + 1, sizeof(int32_t)),
                .classes = calloc(count + 1, sizeof(int32_t))};
    int status = 0;
    if (!a.lesion_boxes || !a.sizes || !a.boxes || !a.scores || !a.lesion_scores || !a.types || !a.classes)
        status = reason_set(why, "not enough memory");
    size_t used = 0;
    for (size_t i = 0; status == 0 && i < lesions; i++) {
        uldor_dataset_lesion lesion = {.struct_size = sizeof lesion};
        if (uldor_dataset_get_lesion(truth, index, (int32_t)i, &lesion) < 0) {
            status = reason_set(why, "%s", uldor_last_error());
        } else if (lesion.class_index == ULDOR_CLASS_LESION) {
            double left = about->window_left, top = about->window_top;
            memcpy(a.lesion_boxes + 4 * used,
                   (double[]){lesion.x1 + left, lesion.y1 + top, lesion.x2 + left, lesion.y2 + top}, 4 * sizeof(double));
            a.sizes[used] = lesion.long_mm > 0 ? lesion.long_mm : NAN;
            a.types[used++] = lesion.type < 0 ? INT32_MIN : lesion.type; /* not known: of no type, rather than of type -1 */
        }
    }
    for (size_t i = 0; status == 0 && i < count; i++) {
        memcpy(a.boxes + 4 * i, items[i].box, sizeof items[i].box);
        a.scores[i] = items[i].score;
        a.lesion_scores[i] = items[i].lesion_score;
        a.classes[i] = items[i].class_index;
    }
    uldor_froc_image image;
    uldor_froc_image_init(&image, sizeof image);
    image.patient = (uint64_t)about->patient;
    image.lesion_boxes = a.lesion_boxes, image.lesion_sizes_mm = a.sizes, image.lesion_types = a.types;
    image.lesion_count = used;
    image.boxes = a.boxes, image.scores = a.scores, image.lesion_scores = a.lesion_scores, image.classes = a.classes;
    image.detection_count = count;
    if (status == 0 && uldor_froc_add_image(froc, &image, NULL) < 0)
        status = reason_set(why, "%s: %s", about->name, uldor_last_error());
    free_arrays(&a);
    return status;
}

int froc_add_all(uldor_froc *froc, const uldor_dataset *truth, int32_t split, const froc_detections *detections, reason *why) {
    uldor_dataset_info info = {.struct_size = sizeof info};
    size_t next = 0;
    int64_t added = 0;
    uldor_dataset_get_info(truth, &info);
    for (int64_t index = 0; index < info.images; index++) {
        uldor_dataset_image image = {.struct_size = sizeof image};
        size_t first = next;
        while (next < detections->count && detections->items[next].image == index) next++;
        if (uldor_dataset_get_image(truth, index, &image) < 0) return reason_set(why, "%s", uldor_last_error());
        if (split != 0 && image.split != split) continue;
        if (froc_add_image(froc, truth, index, &image, detections->items + first, next - first, why) != 0) return -1;
        added++;
    }
    return added > 0 ? 0 : reason_set(why, "no image of this split");
}
