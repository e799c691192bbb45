/* train_options.h - the command line of `uldor train` */
#ifndef TRAIN_OPTIONS_H
#define TRAIN_OPTIONS_H

#include <stdbool.h>

#include <uldor.h>

#include "data_options.h"
#include "train_mining.h"

typedef struct train_options {
    const char *config, *plot;
    bool check_only, no_checkpoint, no_log, quiet;
    char *checkpoint, *log; /* given, or beside the output; freed by train_options_free() */
    data_options data;
    train_mining mining;
    uldor_augmentation augmentation;
    uldor_trainer_options trainer; /* but for config, log and progress */
} train_options;

/* Returns an exit code, or -1 to go on with `options`. */
int train_options_parse(int argc, char **argv, train_options *options);
void train_options_free(train_options *options);

#endif
