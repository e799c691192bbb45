/* froc_options.h - the options of every command that ends in a FROC, and what they ask for */
#ifndef FROC_OPTIONS_H
#define FROC_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uldor.h>

#include "froc_output.h"

enum { FROC_MOST_LEVELS = 64, FROC_BOTH = -1 /* as a convention */ };

typedef struct froc_options {
    const char *json, *plot;                            /* NULL: not asked for */
    int32_t split;                                      /* 0: all */
    double levels[FROC_MOST_LEVELS + FROC_PLOT_LEVELS]; /* room for those that only the plot wants */
    size_t level_count;
    uldor_froc_options froc;                            /* its convention may be FROC_BOTH */
} froc_options;

/* Beyond any command's own; the others have letters: s, c, l, b, j, p. */
enum { FROC_OPTION_IOU = 0x3000, FROC_OPTION_FALSE_POSITIVES, FROC_OPTION_SEED, FROC_OPTION_CONFIDENCE };

#define FROC_SHORT_OPTIONS "s:c:l:b:j:p:"

/* For a table of getopt_long(). */
#define FROC_LONG_OPTIONS                                                                                                       \
    {"split", required_argument, NULL, 's'}, {"convention", required_argument, NULL, 'c'},                                      \
        {"iou", required_argument, NULL, FROC_OPTION_IOU},                                                                      \
        {"false-positives", required_argument, NULL, FROC_OPTION_FALSE_POSITIVES}, {"levels", required_argument, NULL, 'l'},    \
        {"bootstrap", required_argument, NULL, 'b'}, {"seed", required_argument, NULL, FROC_OPTION_SEED},                       \
        {"confidence", required_argument, NULL, FROC_OPTION_CONFIDENCE}, {"json", required_argument, NULL, 'j'},                \
        {"plot", required_argument, NULL, 'p'}

#define FROC_OPTIONS_HELP                                                                                                       \
    "      --iou T               IoU of a hit (default 0.5)\n"                                                                  \
    "      --false-positives R   class 2 is appended by lesion-score (default), by score, or ignore\n"                          \
    "  -l, --levels A,B,...      false positives an image (default 0.5,1,2,4,5,8,16; at most 64)\n"                             \
    "  -b, --bootstrap N         intervals from N samples of the patients (default 0: none)\n"                                  \
    "      --seed N              of the bootstrap (default 0)\n"                                                                \
    "      --confidence C        of the intervals (default 0.95)\n"                                                             \
    "  -j, --json FILE           write everything as JSON; - is standard output\n"                                              \
    "  -p, --plot FILE           draw the curve, FILE.svg or FILE.png\n"

/* By split: "all", "train" ...; ends with NULL. */
extern const char *const froc_split_names[];

void froc_options_init(froc_options *options);
/* Returns 1 when taken, 0 when the value does not fit, -1 for another option. */
int froc_options_take(int option, const char *value, froc_options *options);

/* Computes at the levels of the options, and at those of the plot if there is one; says what went wrong and returns -1. */
int froc_options_compute(const froc_options *options, uldor_froc *froc);
/* How `froc`, of this convention, is shown. */
froc_report froc_options_report(const froc_options *options, const uldor_froc *froc, int32_t convention);

#endif
