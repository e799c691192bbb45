/* froc_detections.h - detections from a COCO-style JSON list */
#ifndef FROC_DETECTIONS_H
#define FROC_DETECTIONS_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <uldor.h>

#include "reason.h"

typedef struct froc_detection {
    int64_t image; /* of the data set */
    double box[4], score, lesion_score; /* lesion_score: NaN where it is not given */
    int32_t class_index;
} froc_detection;

typedef struct froc_detections {
    froc_detection *items; /* by image */
    size_t count;
} froc_detections;

/*
 * Reads a list of {"image_id" or "file_name", "bbox": [x, y, width, height], "score", "category_id", "lesion_score"}. Every
 * entry that cannot be used (unknown slice, another split, NaN, negative size ...) is named on standard error with its index;
 * -1 then.
 * `split`: 0: all.
 */
int froc_detections_read(const char *path, const uldor_dataset *truth, int32_t split, froc_detections *detections);
void froc_detections_free(froc_detections *detections);

/* All fields of an entry but its image. */
int froc_detection_parse(const json_t *entry, froc_detection *detection, reason *why);

#endif
