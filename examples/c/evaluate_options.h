/* evaluate_options.h - the command line of `uldor evaluate` */
#ifndef EVALUATE_OPTIONS_H
#define EVALUATE_OPTIONS_H

#include <stdbool.h>

#include <uldor.h>

#include "data_options.h"
#include "froc_options.h"

/* Which masks those of hits are compared with; bits. */
enum { MASK_TRUTH_PSEUDO = 1, MASK_TRUTH_GIVEN = 2 };

typedef struct evaluate_options {
    const char *weights, *config, *output;
    char *journal; /* given, or beside the output; freed by evaluate_options_free() */
    bool masks_out, restart, quiet;
    int32_t mask_truth;
    data_options data;
    uldor_session_options session;
    froc_options froc;
} evaluate_options;

/* Returns -1 when the command is to run, else the exit code. */
int evaluate_options_parse(int argc, char **argv, evaluate_options *options);
void evaluate_options_free(evaluate_options *options);

#endif
