/* evaluate_image.h - what was found in one image, as JSON: its entry of the journal */
#ifndef EVALUATE_IMAGE_H
#define EVALUATE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <uldor.h>

#include "reason.h"

enum { EVALUATE_TRUTHS = 2 };
extern const char *const evaluate_truth_names[EVALUATE_TRUTHS]; /* "pseudo", "given" */

/* What the entry of an image is made from. */
typedef struct evaluate_image {
    int64_t index;
    uldor_dataset_image about;
    const uldor_result *result;
    bool wants_masks;
    bool skips_bad_masks; /* one that cannot be read is warned of and not compared with */
    /* Whose masks those of hits are compared with; NULL: not asked for. All have the same images and lesions. */
    const uldor_dataset *truths[EVALUATE_TRUTHS];
} evaluate_image;

/*
 * {"image": name, "detections": [...], "overlaps": {"hits": N, "pseudo": [[lesion, IoU, Dice], ...]}}. A detection has the
 * fields that `uldor froc` reads, boxes in pixels of the stored image. NULL: with the reason.
 */
json_t *evaluate_image_to_json(const evaluate_image *image, reason *why);

#endif
