/*
 * image_free_box.h - what a detector that ignores the pixels would find: one box an image, the same distance from each of its sides
 *
 * Images that were cut out around their lesions give the lesions' places away; a figure on them means what it is above this one.
 */
#ifndef IMAGE_FREE_BOX_H
#define IMAGE_FREE_BOX_H

#include <uldor.h>

#include "reason.h"

typedef struct image_free_box {
    double margins[4];     /* left, top, right, bottom of the image, or of its window, in pixels */
    int64_t lesions, hits; /* of the training split, where the margins were searched for; no lesion: there is no box */
} image_free_box;

/*
 * The margins with which most lesions of the training split overlap the box by more than `iou` (of continuous boxes): the best equal
 * ones, or the lesions' median ones where no equal ones hit any, then side by side while a change of up to 40 pixels hits more.
 * tools/image_free_box.py searches alike.
 */
int image_free_box_search(const uldor_dataset *dataset, double iou, image_free_box *box, reason *why);
/* Adds an image with that box, if there is room for one, for its only detection. */
int image_free_box_add(uldor_froc *froc, const uldor_dataset *dataset, int64_t index, const uldor_dataset_image *about,
                       const image_free_box *box, reason *why);

/* Adds all images of a split (0: of all) like that. */
int image_free_box_add_all(uldor_froc *froc, const uldor_dataset *dataset, int32_t split, const image_free_box *box, reason *why);

#endif
