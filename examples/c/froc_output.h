/* froc_output.h - the table, the JSON and the plot of a computed FROC */
#ifndef FROC_OUTPUT_H
#define FROC_OUTPUT_H

#include <stdbool.h>

#include <jansson.h>
#include <uldor.h>

#include "image_free_box.h"
#include "reason.h"

/* Levels that are only there for the plot's band follow the `levels` that were asked for. */
typedef struct froc_report {
    const uldor_froc *froc;
    const char *convention;
    int32_t levels; /* asked for */
    double iou_threshold, confidence;
    int32_t bootstrap;
    bool is_continued; /* the curve goes on level past its end */
    const image_free_box *box;  /* NULL: not asked for */
    const uldor_froc *box_froc; /* what it finds; NULL: there is none. Its subsets are those of `froc` */
} froc_report;

int froc_print_table(const froc_report *report, reason *why);
/* NULL: not enough memory. */
json_t *froc_to_json(const froc_report *report);
int froc_write_json(const froc_report *report, const char *path, reason *why);
/* SVG or PNG, by the name's ending. */
int froc_write_plot(const froc_report *report, const char *path, reason *why);

/* The false positives an image of the box without an image: below them it has no sensitivity. */
double froc_box_level(const froc_report *report);
/* The curve's points as uldor_froc_get_curve() gives them, to be freed. */
int froc_copy_curve(const uldor_froc *froc, double **points, size_t *count, reason *why);

/* The false positives an image that the plot reaches from and to, and how many levels its band wants in between. */
#define FROC_PLOT_FIRST 0.125
#define FROC_PLOT_LAST 16.0
enum { FROC_PLOT_LEVELS = 57 };

#endif
