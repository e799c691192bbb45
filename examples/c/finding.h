/* finding.h - results of one slice, as the three kinds of output need them */
#ifndef FINDING_H
#define FINDING_H

#include <stdbool.h>
#include <stdint.h>

#include <uldor.h>

#include "image.h"

typedef struct slice_result {
    const char *path;         /* of the image */
    const image *image;       /* its key slice is the one looked at */
    const uldor_model *model; /* for class names */
    const uldor_result *result;
    uldor_result_info info;
    uldor_input_info input; /* how the slice became the network's input */
    const char *overlay;    /* file that shows it; NULL: none */
} slice_result;

/* Detection `index`; false (with uldor_last_error()) when the library refuses. */
bool slice_result_get(const slice_result *slice, int32_t index, uldor_detection *detection);
/* "lesion"; "" when the library refuses. */
const char *slice_result_class(const slice_result *slice, const uldor_detection *detection);

#endif
