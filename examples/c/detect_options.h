/* detect_options.h - the command line of `uldor detect` */
#ifndef DETECT_OPTIONS_H
#define DETECT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <uldor.h>

typedef struct detect_options {
    const char *weights, *config, *info, *orientation;
    const char *json, *overlay;                           /* NULL: not asked for */
    double spacing_x_mm, spacing_y_mm, slice_interval_mm; /* 0: not given */
    int32_t first_slice, last_slice;                      /* -1: all */
    double window_centre, window_width;
    bool quiet;
    uldor_session_options session;
    char **images;
    int image_count;
} detect_options;

/* Returns -1 when the command is to run, else the exit code. */
int detect_options_parse(int argc, char **argv, detect_options *options);

#endif
