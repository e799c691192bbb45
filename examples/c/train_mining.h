/* train_mining.h - the options of `uldor train` that have to do with hard negatives */
#ifndef TRAIN_MINING_H
#define TRAIN_MINING_H

#include <stdbool.h>

#include <uldor.h>

#include "options.h"

typedef struct train_mining {
    bool mines;
    uldor_mining_options options;
    const char *mined, *output;
    int32_t any_model;
} train_mining;

#define TRAIN_MINING_HELP                                                                                                       \
    "Hard negatives (docs/mining.md)\n"                                                                                         \
    "      --mine                look for them before epochs, and learn from them as a third class\n"                           \
    "      --mine-first N, --mine-every N        epochs before the first time, and between two (1, 1); 0: only once\n"          \
    "      --mine-most N, --mine-good-iou X, --mine-min-score S, --mine-score-threshold S,\n"                                   \
    "      --mine-spare Q, --mine-boxes-only     as --most and so on of `uldor mine`\n"                                         \
    "      --mined-out FILE      where each set is written\n"                                                                   \
    "      --mined FILE          learn from this file of `uldor mine`, until the first time\n"                                  \
    "      --mined-any-model     although it is of another model than --init\n"

/* They fill a train_mining. */
extern const option_row train_mining_rows[];

void train_mining_init(train_mining *mining);
/* Puts what was asked for into the trainer's options. Returns -1, or an exit code where it does not go together. */
int train_mining_complete(const train_mining *mining, uldor_trainer_options *trainer);

#endif
