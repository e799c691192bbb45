/* output_overlay.h - the slice as a picture with the findings drawn over it (cairo) */
#ifndef OUTPUT_OVERLAY_H
#define OUTPUT_OVERLAY_H

#include "finding.h"
#include "reason.h"

int output_overlay_write(const slice_result *slice, const char *path, double window_centre, double window_width,
                         reason *why);

#endif
