/* mine_options.h - the command line of `uldor mine` */
#ifndef MINE_OPTIONS_H
#define MINE_OPTIONS_H

#include <stdbool.h>

#include <uldor.h>

#include "data_options.h"

typedef struct mine_options {
    const char *weights, *config, *output;
    bool quiet;
    data_options data;
    uldor_mining_options mining; /* but for log and progress */
} mine_options;

/* Returns -1 when the command is to run, else the exit code. */
int mine_options_parse(int argc, char **argv, mine_options *options);

#endif
