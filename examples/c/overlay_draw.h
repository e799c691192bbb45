/* overlay_draw.h - the marks of an overlay; coordinates are the image's, `scale` leads to the canvas */
#ifndef OVERLAY_DRAW_H
#define OVERLAY_DRAW_H

#include <cairo.h>

#include "finding.h"
#include "overlay_label.h"

/* The windowed slice, enlarged `scale` times; check with cairo_surface_status(). */
cairo_surface_t *overlay_draw_slice(const image *image, int scale, double window_centre, double window_width);
/* Mask, contour, box and diameters of one detection. False when the library refuses. */
bool overlay_draw_detection(cairo_t *cairo, const slice_result *slice, int32_t index, const uldor_detection *detection,
                            int scale);
/* Text with a dark rim, legible on any background. `align` 0 left, 0.5 centred, 1 right. Returns what it covers. */
rectangle overlay_draw_text(cairo_t *cairo, const char *text, double x, double y, double align);
/* Colour of a detection's marks. */
void overlay_set_colour(cairo_t *cairo, const uldor_detection *detection, double alpha);

#endif
