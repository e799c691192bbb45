/* froc_options.h - the options of every command that ends in a FROC, and what they ask for */
#ifndef FROC_OPTIONS_H
#define FROC_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uldor.h>

#include "froc_output.h"
#include "image_free_box.h"
#include "options.h"

enum { FROC_MOST_LEVELS = 64, FROC_BOTH = 2 /* a convention beside ULDOR_FROC_PAPER and ULDOR_FROC_DEEPLESION */ };

typedef struct froc_options {
    const char *json, *plot;                            /* NULL: not asked for */
    int32_t split;                                      /* 0: all */
    double levels[FROC_MOST_LEVELS + FROC_PLOT_LEVELS]; /* room for those that only the plot wants */
    size_t level_count;
    int32_t image_free;                                 /* 0: where the images are windows; 1: yes; -1: no */
    uldor_froc_options froc;                            /* its convention may be FROC_BOTH */
} froc_options;

#define FROC_OPTIONS_HELP                                                                                                       \
    "      --iou T               IoU of a hit (default 0.5)\n"                                                                  \
    "      --false-positives R   class 2 is appended by lesion-score (default), by score, or ignore\n"                          \
    "  -l, --levels A,B,...      false positives an image (default 0.5,1,2,4,5,8,16; at most 64)\n"                             \
    "  -b, --bootstrap N         intervals from N samples of the patients (default 0: none)\n"                                  \
    "      --seed N              of the bootstrap (default 0)\n"                                                                \
    "      --confidence C        of the intervals (default 0.95)\n"                                                             \
    "      --image-free-box, --no-image-free-box   beside every figure that of the best box without an image,\n"                \
    "                            searched for on the training split; default: with --windows\n"                                 \
    "  -j, --json FILE           write everything as JSON; - is standard output\n"                                              \
    "  -p, --plot FILE           draw the curve, FILE.svg or FILE.png\n"

/* By split: "all", "train" ...; ends with NULL. */
extern const char *const froc_split_names[];

void froc_options_init(froc_options *options);
/* They fill a froc_options. The convention is each command's own option. */
extern const option_row froc_option_rows[];

/* Whether the box without an image is asked for; `data` is what is measured against. */
bool froc_options_want_box(const froc_options *options, const uldor_dataset_options *data);
/* Searches for it; says what went wrong and returns -1, also where it was asked for and there is nothing to search on. */
int froc_options_search_box(const froc_options *options, const uldor_dataset *dataset, image_free_box *box);
/* Computes at the levels of the options, and at those of the plot if there is one; says what went wrong and returns -1. */
int froc_options_compute(const froc_options *options, uldor_froc *froc);
/* How `froc`, of this convention, is shown. `box` NULL: not asked for; `box_froc`, computed, is NULL where there is no box. */
froc_report froc_options_report(const froc_options *options, const uldor_froc *froc, int32_t convention,
                                const image_free_box *box, const uldor_froc *box_froc);

#endif
