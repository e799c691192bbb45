/* froc_data.h - a data set's lesions and their detections, brought together image by image */
#ifndef FROC_DATA_H
#define FROC_DATA_H

#include <uldor.h>

#include "froc_detections.h"
#include "reason.h"

/* Adds one image; boxes are in pixels of the stored image, whatever its window. */
int froc_add_image(uldor_froc *froc, const uldor_dataset *truth, int64_t index, const uldor_dataset_image *about,
                   const froc_detection *items, size_t count, reason *why);
/* Adds all images of the split. */
int froc_add_all(uldor_froc *froc, const uldor_dataset *truth, int32_t split, const froc_detections *detections, reason *why);

#endif
