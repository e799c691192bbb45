/* evaluate_image.c - see evaluate_image.h */
#include "evaluate_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_text.h"
#include "mask_json.h"
#include "message.h"
#include "text.h"

const char *const evaluate_truth_names[EVALUATE_TRUTHS] = {"pseudo", "given"};

/* "000001_03_01/088" as DeepLesion's table writes it. */
static json_t *file_name(const char *name) {
    char *text = text_format("%s.png", name);
    if (text == NULL) return NULL;
    char *slash = strrchr(text, '/');
    if (slash != NULL) *slash = '_';
    json_t *value = json_text(text);
    free(text);
    return value;
}

static json_t *detection_to_json(const evaluate_image *image, int32_t index, const uldor_detection *d) {
    const uldor_dataset_image *about = &image->about;
    json_t *value = json_pack("{so sI s[oooo] so si}", "file_name", file_name(about->name), "image_id",
                              (json_int_t)image->index, "bbox",
                              json_length(d->x1 + about->window_left), json_length(d->y1 + about->window_top),
                              json_length(d->x2 - d->x1), json_length(d->y2 - d->y1),
                              "score", json_float(d->score), "category_id", (int)d->class_index);
    int failed = value == NULL;
    if (d->class_index == ULDOR_CLASS_FALSE_POSITIVE)
        failed |= json_object_set_new(value, "lesion_score", json_float(d->lesion_probability));
    if (image->wants_masks) {
        /* The run lengths are those of the window. */
        if (about->window_left != 0 || about->window_top != 0) {
            failed |= json_object_set_new(value, "window_left", json_integer(about->window_left));
            failed |= json_object_set_new(value, "window_top", json_integer(about->window_top));
        }
        failed |= json_object_set_new(value, "segmentation", mask_to_json(image->result, index, about->height, about->width));
    }
    if (!failed) return value;
    json_decref(value);
    return NULL;
}

/* All that matching in one image takes. */
typedef struct matching {
    double *lesion_boxes, *boxes, *scores;
    int32_t *lesions, *classes, *matches; /* lesions: their index in the data set */
    uint8_t *mask, *truth;
    uldor_froc *froc;
} matching;

static void free_matching(matching *m) {
    free(m->lesion_boxes), free(m->boxes), free(m->scores), free(m->lesions), free(m->classes), free(m->matches);
    free(m->mask), free(m->truth);
    uldor_froc_free(m->froc);
}

/* The paper's hits at IoU 0.5, lesion detections alone. */
static int match(const evaluate_image *image, const uldor_dataset *truth, int32_t count, matching *m, reason *why) {
    size_t lesions = (size_t)image->about.lesions, pixels = (size_t)image->about.width * (size_t)image->about.height;
    size_t found = (size_t)count + 1; /* calloc() of nothing may be NULL */
    *m = (matching){.lesion_boxes = calloc(lesions + 1, 4 * sizeof(double)), .boxes = calloc(found, 4 * sizeof(double)),
                    .scores = calloc(found, sizeof(double)), .lesions = calloc(lesions + 1, sizeof(int32_t)),
                    .classes = calloc(found, sizeof(int32_t)), .matches = calloc(found, sizeof(int32_t)),
                    .mask = malloc(pixels + 1), .truth = malloc(pixels + 1)};
    if (!m->lesion_boxes || !m->boxes || !m->scores || !m->lesions || !m->classes || !m->matches || !m->mask || !m->truth)
        return reason_set(why, "not enough memory");
    uldor_froc_options options;
    uldor_froc_image hits;
    uldor_froc_options_init(&options, sizeof options);
    uldor_froc_image_init(&hits, sizeof hits);
    options.false_positives = ULDOR_FROC_IGNORE;
    for (int32_t i = 0; i < (int32_t)lesions; i++) {
        uldor_dataset_lesion lesion = {.struct_size = sizeof lesion};
        if (uldor_dataset_get_lesion(truth, image->index, i, &lesion) < 0) return reason_set(why, "%s", uldor_last_error());
        if (lesion.class_index != ULDOR_CLASS_LESION) continue;
        double *box = m->lesion_boxes + 4 * hits.lesion_count;
        box[0] = lesion.x1, box[1] = lesion.y1, box[2] = lesion.x2, box[3] = lesion.y2;
        m->lesions[hits.lesion_count++] = i;
    }
    for (int32_t i = 0; i < count; i++) {
        uldor_detection d = {.struct_size = sizeof d};
        if (uldor_result_get(image->result, i, &d) < 0) return reason_set(why, "%s", uldor_last_error());
        double *box = m->boxes + 4 * i;
        box[0] = d.x1, box[1] = d.y1, box[2] = d.x2, box[3] = d.y2;
        m->scores[i] = d.score;
        m->classes[i] = d.class_index;
    }
    hits.lesion_boxes = m->lesion_boxes, hits.boxes = m->boxes, hits.scores = m->scores, hits.classes = m->classes;
    hits.detection_count = (size_t)count;
    if (uldor_froc_create(&options, &m->froc) < 0 || uldor_froc_add_image(m->froc, &hits, m->matches) < 0)
        return reason_set(why, "%s", uldor_last_error());
    return 0;
}

/* Appends [lesion, IoU, Dice] of a hit whose lesion has a mask. */
static int compare_masks(const evaluate_image *image, const uldor_dataset *truth, int32_t index, matching *m, json_t *list,
                         reason *why) {
    const uldor_dataset_image *about = &image->about;
    size_t pixels = (size_t)about->width * (size_t)about->height;
    int32_t lesion = m->lesions[m->matches[index]];
    int64_t set = 0;
    uldor_dataset_lesion annotation = {.struct_size = sizeof annotation};
    uldor_mask_overlap_info overlap = {.struct_size = sizeof overlap};
    uldor_status status = uldor_dataset_get_lesion(truth, image->index, lesion, &annotation);
    if (status >= 0 && annotation.has_mask != 0)
        status = uldor_dataset_get_mask(truth, image->index, lesion, m->truth, pixels, 0, &set);
    if (status < 0 && image->skips_bad_masks && status != ULDOR_ERROR_NOMEM) {
        message_warning(about->name, "a mask is not compared with: %s", uldor_last_error());
        return 0;
    }
    if (status >= 0 && set > 0) {
        status = uldor_result_get_mask(image->result, index, m->mask, pixels, 0);
        if (status >= 0) status = uldor_mask_overlap(m->mask, 0, m->truth, 0, about->width, about->height, &overlap);
    }
    if (status < 0) return reason_set(why, "%s", uldor_last_error());
    if (set == 0) return 0;
    json_t *pair = json_pack("[ioo]", (int)lesion, json_number(overlap.iou), json_number(overlap.dice));
    return json_array_append_new(list, pair) == 0 ? 0 : reason_set(why, "not enough memory");
}

/* All hits' against one kind of truth; counts the hits. NULL: with the reason. */
static json_t *compare_hits(const evaluate_image *image, const uldor_dataset *truth, int32_t count, int64_t *hits, reason *why) {
    matching m;
    json_t *list = json_array();
    int status = match(image, truth, count, &m, why);
    if (list == NULL) status = reason_set(why, "not enough memory");
    *hits = 0;
    for (int32_t i = 0; status == 0 && i < count; i++) {
        if (m.matches[i] < 0) continue;
        ++*hits;
        status = compare_masks(image, truth, i, &m, list, why);
    }
    free_matching(&m);
    if (status == 0) return list;
    json_decref(list);
    return NULL;
}

static json_t *overlaps_to_json(const evaluate_image *image, int32_t count, reason *why) {
    json_t *overlaps = json_object();
    for (int t = 0; t < EVALUATE_TRUTHS; t++) {
        int64_t hits;
        if (image->truths[t] == NULL) continue;
        json_t *list = compare_hits(image, image->truths[t], count, &hits, why);
        if (list == NULL || json_object_set_new(overlaps, evaluate_truth_names[t], list) != 0 ||
            json_object_set_new(overlaps, "hits", json_integer(hits)) != 0) {
            if (list != NULL) reason_set(why, "not enough memory");
            json_decref(overlaps);
            return NULL;
        }
    }
    if (overlaps == NULL) reason_set(why, "not enough memory");
    return overlaps;
}

json_t *evaluate_image_to_json(const evaluate_image *image, reason *why) {
    uldor_result_info info = {.struct_size = sizeof info};
    uldor_result_get_info(image->result, &info);
    json_t *detections = json_array();
    for (int32_t i = 0; detections != NULL && i < info.count; i++) {
        uldor_detection d = {.struct_size = sizeof d};
        bool done = uldor_result_get(image->result, i, &d) >= 0;
        if (done && json_array_append_new(detections, detection_to_json(image, i, &d)) == 0) continue;
        json_decref(detections);
        detections = NULL;
    }
    if (detections == NULL) {
        reason_set(why, "not enough memory");
        return NULL;
    }
    json_t *overlaps = overlaps_to_json(image, info.count, why);
    if (overlaps == NULL) {
        json_decref(detections);
        return NULL;
    }
    json_t *entry = json_pack("{so so so}", "image", json_text(image->about.name), "detections", detections,
                              "overlaps", overlaps);
    if (entry == NULL) reason_set(why, "not enough memory");
    return entry;
}
