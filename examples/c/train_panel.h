/* train_panel.h - one of the diagrams of train_curves.h: axes, labels, a legend on the right */
#ifndef TRAIN_PANEL_H
#define TRAIN_PANEL_H

#include <cairo.h>

typedef struct colour {
    double red, green, blue;
} colour;

extern const colour panel_ink;

typedef struct panel {
    cairo_t *cairo;
    double x, y, width, height;
    double epochs, top; /* ends of the axes; both begin at 0 */
    int legend;
} panel;

void panel_set_colour(cairo_t *cairo, colour c, double alpha);
/* 1, 2 or 5 times a power of ten, so that about five lines fit. */
double panel_spacing(double range);
/* Places in the picture; what is above the axis is drawn at its end. */
double panel_x(const panel *p, double epoch);
double panel_y(const panel *p, double value);
void panel_draw_frame(panel *p, const char *title);
/* A curve's line in the legend; and one of text alone, in the present colour. */
void panel_draw_legend(panel *p, colour c, const char *label);
void panel_add_to_legend(panel *p, const char *text);

#endif
