/* detect_outputs.h - where the findings of `uldor detect` go */
#ifndef DETECT_OUTPUTS_H
#define DETECT_OUTPUTS_H

#include <stdbool.h>

#include "detect_options.h"
#include "image.h"

/* Says which output cannot be written or would replace an input: before the work, not after it. 0, or -1. */
int detect_check_outputs(const detect_options *options);
/*
 * The overlay's file for the image's present slice: FILE.png, or FILE-2-s034.png with the number of the image where there are
 * several, and the slice where the volume gives several. To be freed; NULL: out of memory.
 */
char *detect_overlay_path(const detect_options *options, int index, const image *image, bool several_slices);

#endif
