/* plot_file.h - pictures that are drawn with cairo and written as SVG or PNG, as the file's name ends */
#ifndef PLOT_FILE_H
#define PLOT_FILE_H

#include <cairo.h>

#include "options.h"
#include "reason.h"

/* For a table of options: a const char *, the name of such a file. */
option_taker plot_file_option;

typedef struct plot {
    int width, height;
    double png_scale; /* pixels of a PNG for a unit of the drawing */
    void (*draw)(cairo_t *cairo, const void *content); /* on white */
    const void *content;
} plot;

int plot_file_write(const plot *plot, const char *path, reason *why);

/* `align` 0 left, 0.5 centred, 1 right. It leaves a current point behind. */
void plot_text(cairo_t *cairo, const char *text, double x, double y, double align);

#endif
