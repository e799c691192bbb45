/* froc_detections.c - see froc_detections.h */
#include "froc_detections.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "file_text.h"
#include "json_lines.h"
#include "message.h"

/* After so many the rest is only counted: a wrong file would fill the screen. */
enum { MOST_TOLD = 20 };

static int find_image(const json_t *entry, const uldor_dataset *truth, int32_t split, int64_t *index, reason *why) {
    const json_t *name = json_object_get(entry, "file_name"), *id = json_object_get(entry, "image_id");
    uldor_dataset_info info = {.struct_size = sizeof info};
    uldor_dataset_image image = {.struct_size = sizeof image};
    if (name == NULL) name = id;
    if (json_is_string(name)) {
        if (uldor_dataset_find(truth, json_string_value(name), index) < 0)
            return reason_set(why, "unknown slice '%s': the truth has no such image", json_string_value(name));
    } else if (json_is_integer(name)) {
        uldor_dataset_get_info(truth, &info);
        *index = json_integer_value(name);
        if (*index < 0 || *index >= info.images)
            return reason_set(why, "unknown slice: image_id %lld is not within 0 to %lld", (long long)*index,
                              (long long)info.images - 1);
    } else {
        return reason_set(why, "neither file_name nor image_id");
    }
    if (uldor_dataset_get_image(truth, *index, &image) < 0) return reason_set(why, "%s", uldor_last_error());
    if (split != 0 && image.split != split)
        return reason_set(why, "slice %s is of another split", image.name);
    return 0;
}

static int number(const json_t *value, const char *name, double *result, reason *why) {
    if (!json_is_number(value)) return reason_set(why, "%s is not a number", name);
    *result = json_number_value(value);
    return isfinite(*result) ? 0 : reason_set(why, "%s is not finite", name);
}

int froc_detection_parse(const json_t *entry, froc_detection *detection, reason *why) {
    static const char *const sides[] = {"bbox[0]", "bbox[1]", "bbox[2]", "bbox[3]"};
    double values[4];
    if (!json_is_object(entry)) return reason_set(why, "not an object");
    const json_t *box = json_object_get(entry, "bbox"), *category = json_object_get(entry, "category_id");
    if (!json_is_array(box) || json_array_size(box) != 4) return reason_set(why, "bbox is not [x, y, width, height]");
    for (size_t i = 0; i < 4; i++)
        if (number(json_array_get(box, i), sides[i], &values[i], why) != 0) return -1;
    if (values[2] < 0 || values[3] < 0)
        return reason_set(why, "a box of negative size, %g x %g", values[2], values[3]);
    memcpy(detection->box, (double[]){values[0], values[1], values[0] + values[2], values[1] + values[3]}, sizeof detection->box);
    for (int i = 0; i < 4; i++)
        if (!(fabs(detection->box[i]) <= 1e9)) return reason_set(why, "a box that reaches to %g", detection->box[i]);
    if (number(json_object_get(entry, "score"), "score", &detection->score, why) != 0) return -1;
    if (detection->score < 0 || detection->score > 1) return reason_set(why, "score is %g, not within 0 to 1", detection->score);
    if (category != NULL && !json_is_integer(category)) return reason_set(why, "category_id is not an integer");
    json_int_t class_index = category != NULL ? json_integer_value(category) : ULDOR_CLASS_LESION;
    if (class_index != ULDOR_CLASS_LESION && class_index != ULDOR_CLASS_FALSE_POSITIVE)
        return reason_set(why, "category_id is %lld, neither 1 (lesion) nor 2 (false positive)", (long long)class_index);
    detection->class_index = (int32_t)class_index;
    detection->lesion_score = NAN;
    const json_t *lesion_score = json_object_get(entry, "lesion_score");
    if (lesion_score == NULL || json_is_null(lesion_score)) return 0;
    if (number(lesion_score, "lesion_score", &detection->lesion_score, why) != 0) return -1;
    return detection->lesion_score >= 0 && detection->lesion_score <= 1
               ? 0 : reason_set(why, "lesion_score is %g, not within 0 to 1", detection->lesion_score);
}

static int read_entry(const json_t *entry, const uldor_dataset *truth, int32_t split, froc_detection *detection, reason *why) {
    if (!json_is_object(entry)) return reason_set(why, "not an object");
    if (find_image(entry, truth, split, &detection->image, why) != 0) return -1;
    return froc_detection_parse(entry, detection, why);
}

static int by_image(const void *a, const void *b) {
    int64_t first = ((const froc_detection *)a)->image, second = ((const froc_detection *)b)->image;
    return (first > second) - (first < second);
}

static int read_list(const char *path, const json_t *list, const char *text, size_t size, const uldor_dataset *truth, int32_t split,
                     froc_detections *detections) {
    if (!json_is_array(list)) {
        message_error(path, "not a list of detections");
        return -1;
    }
    size_t count = json_array_size(list), bad = 0;
    detections->items = calloc(count + 1, sizeof *detections->items);
    if (detections->items == NULL) {
        message_error(NULL, "not enough memory");
        return -1;
    }
    json_lines lines = json_lines_of(text, size);
    for (size_t i = 0; i < count; i++) {
        reason why;
        if (read_entry(json_array_get(list, i), truth, split, &detections->items[i], &why) == 0) continue;
        if (++bad <= MOST_TOLD) message_error(path, "line %zu: [%zu]: %s", json_lines_find(&lines, i), i, why.text);
    }
    if (bad > MOST_TOLD) message_error(path, "%zu more detections cannot be used", bad - MOST_TOLD);
    detections->count = count;
    qsort(detections->items, count, sizeof *detections->items, by_image);
    return bad == 0 ? 0 : -1;
}

int froc_detections_read(const char *path, const uldor_dataset *truth, int32_t split, froc_detections *detections) {
    json_error_t error;
    size_t size;
    *detections = (froc_detections){0};
    char *text = file_text(path, &size);
    if (text == NULL) {
        message_error(path, "%s", strerror(errno));
        return -1;
    }
    json_t *list = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    int status = -1;
    if (list != NULL) status = read_list(path, list, text, size, truth, split, detections);
    else if (error.line > 0) message_error(path, "line %d: %s", error.line, error.text);
    else message_error(path, "%s", error.text);
    json_decref(list);
    free(text);
    if (status != 0) froc_detections_free(detections);
    return status;
}

void froc_detections_free(froc_detections *detections) {
    free(detections->items);
    *detections = (froc_detections){0};
}
