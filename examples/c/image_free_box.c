/* image_free_box.c - see image_free_box.h */
#include "image_free_box.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "froc_data.h"

enum { MOST_EQUAL = 120, EQUAL_STEP = 2, REACH = 40 };

/* A lesion, and the size of its image. */
typedef struct place {
    double width, height, box[4], area;
} place;

typedef struct places {
    place *items;
    size_t count;
    double iou;
} places;

/* Lesions of the training split, as froc_add_image() has them. */
static int collect(const uldor_dataset *dataset, places *all, reason *why) {
    uldor_dataset_info info = {.struct_size = sizeof info};
    size_t capacity = 0;
    uldor_dataset_get_info(dataset, &info);
    for (int64_t index = 0; index < info.images; index++) {
        uldor_dataset_image about = {.struct_size = sizeof about};
        if (uldor_dataset_get_image(dataset, index, &about) < 0) return reason_set(why, "%s", uldor_last_error());
        for (int32_t i = 0; about.split == ULDOR_SPLIT_TRAIN && i < about.lesions; i++) {
            uldor_dataset_lesion lesion = {.struct_size = sizeof lesion};
            if (uldor_dataset_get_lesion(dataset, index, i, &lesion) < 0) return reason_set(why, "%s", uldor_last_error());
            if (lesion.class_index != ULDOR_CLASS_LESION) continue;
            if (all->count == capacity) {
                capacity = capacity > 0 ? 2 * capacity : 1024;
                place *grown = capacity <= SIZE_MAX / sizeof *grown ? realloc(all->items, capacity * sizeof *grown) : NULL;
                if (grown == NULL) return reason_set(why, "not enough memory");
                all->items = grown;
            }
            all->items[all->count++] = (place){.width = about.width, .height = about.height,
                                               .box = {lesion.x1, lesion.y1, lesion.x2, lesion.y2},
                                               .area = (lesion.x2 - lesion.x1) * (lesion.y2 - lesion.y1)};
        }
    }
    return 0;
}

static double larger(double a, double b) { return a > b ? a : b; }
static double smaller(double a, double b) { return a < b ? a : b; }

static int64_t count_hits(const places *all, const double margins[4]) {
    int64_t hits = 0;
    for (size_t i = 0; i < all->count; i++) {
        const place *p = &all->items[i];
        double right = p->width - margins[2], bottom = p->height - margins[3];
        double wide = larger(smaller(right, p->box[2]) - larger(margins[0], p->box[0]), 0);
        double high = larger(smaller(bottom, p->box[3]) - larger(margins[1], p->box[1]), 0);
        double area = larger(right - margins[0], 0) * larger(bottom - margins[1], 0), inner = wide * high;
        double all_in_all = area + p->area - inner;
        hits += all_in_all > 0 && inner / all_in_all > all->iou;
    }
    return hits;
}

/* Takes the margins if they hit more. */
static bool improve(const places *all, image_free_box *box, const double margins[4]) {
    int64_t hits = count_hits(all, margins);
    if (hits <= box->hits) return false;
    memcpy(box->margins, margins, sizeof box->margins);
    box->hits = hits;
    return true;
}

static int ascending(const void *a, const void *b) {
    double first = *(const double *)a, second = *(const double *)b;
    return (first > second) - (first < second);
}

/* The lesions' own, whole; there is a lesion. */
static int median_margins(const places *all, double margins[4], reason *why) {
    double *values = calloc(all->count, sizeof *values);
    if (values == NULL) return reason_set(why, "not enough memory");
    for (int side = 0; side < 4; side++) {
        for (size_t i = 0; i < all->count; i++) {
            const place *p = &all->items[i];
            values[i] = side < 2 ? p->box[side] : (side == 2 ? p->width : p->height) - p->box[side];
        }
        qsort(values, all->count, sizeof *values, ascending);
        margins[side] = rint((values[(all->count - 1) / 2] + values[all->count / 2]) / 2);
    }
    free(values);
    return 0;
}

static int start(const places *all, image_free_box *box, reason *why) {
    box->hits = -1;
    for (int margin = 0; margin < MOST_EQUAL; margin += EQUAL_STEP)
        improve(all, box, (double[4]){margin, margin, margin, margin});
    if (box->hits > 0) return 0;
    if (median_margins(all, box->margins, why) != 0) return -1;
    box->hits = count_hits(all, box->margins);
    return 0;
}

static void descend(const places *all, image_free_box *box) {
    for (bool improved = true; improved;) {
        improved = false;
        for (int side = 0; side < 4; side++)
            for (int step = -REACH; step <= REACH; step++) {
                double margins[4];
                memcpy(margins, box->margins, sizeof margins);
                margins[side] = larger(margins[side] + step, 0);
                improved |= improve(all, box, margins);
            }
    }
}

int image_free_box_search(const uldor_dataset *dataset, double iou, image_free_box *box, reason *why) {
    places all = {.iou = iou};
    *box = (image_free_box){0};
    int status = collect(dataset, &all, why);
    if (status == 0 && all.count > 0) status = start(&all, box, why);
    if (status == 0 && all.count > 0) descend(&all, box);
    box->lesions = (int64_t)all.count;
    free(all.items);
    return status;
}

int image_free_box_add(uldor_froc *froc, const uldor_dataset *dataset, int64_t index, const uldor_dataset_image *about,
                       const image_free_box *box, reason *why) {
    double left = about->window_left, top = about->window_top;
    froc_detection item = {.image = index, .score = 1, .lesion_score = 1, .class_index = ULDOR_CLASS_LESION,
                           .box = {left + box->margins[0], top + box->margins[1], left + about->width - box->margins[2],
                                   top + about->height - box->margins[3]}};
    bool has_room = item.box[0] < item.box[2] && item.box[1] < item.box[3];
    return froc_add_image(froc, dataset, index, about, &item, has_room ? 1 : 0, why);
}

int image_free_box_add_all(uldor_froc *froc, const uldor_dataset *dataset, int32_t split, const image_free_box *box, reason *why) {
    uldor_dataset_info info = {.struct_size = sizeof info};
    uldor_dataset_get_info(dataset, &info);
    for (int64_t index = 0; index < info.images; index++) {
        uldor_dataset_image about = {.struct_size = sizeof about};
        if (uldor_dataset_get_image(dataset, index, &about) < 0) return reason_set(why, "%s", uldor_last_error());
        if (split != 0 && about.split != split) continue;
        if (image_free_box_add(froc, dataset, index, &about, box, why) != 0) return -1;
    }
    return 0;
}
