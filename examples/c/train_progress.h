/* train_progress.h - what is seen of a training run while it goes on: the line on the terminal, a line an epoch, the curves */
#ifndef TRAIN_PROGRESS_H
#define TRAIN_PROGRESS_H

#include <stdint.h>

#include <uldor.h>

#include "train_options.h"

typedef struct train_progress {
    const train_options *options;
    double mean_loss; /* of the last steps, later ones counting more; 0: none yet */
    int failures;     /* what could not be written; it was said */
} train_progress;

/* For uldor_trainer_options.progress; `user` is a train_progress. Stops the run once a signal came in. */
int32_t train_progress_show(void *user, const uldor_training_event *event);
/* Draws the log's curves, if they were asked for. */
void train_progress_draw(train_progress *progress);

#endif
