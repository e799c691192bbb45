/* train_history.h - a training run's log, read back: CSV or JSON lines as the library writes them */
#ifndef TRAIN_HISTORY_H
#define TRAIN_HISTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "reason.h"

enum { TRAIN_TERMS = 5 };
/* Names of the terms in the log, and for a reader. */
extern const char *const train_term_names[TRAIN_TERMS];
extern const char *const train_term_titles[TRAIN_TERMS];

typedef struct train_record {
    bool is_epoch;
    double epoch;      /* epochs done with it; a step's has a fraction */
    double step;       /* within its epoch */
    double terms[TRAIN_TERMS], loss;
    double validation; /* NaN: none */
} train_record;

typedef struct train_history {
    train_record *records;
    size_t count, capacity;
} train_history;

/* Lines that are no records (the header, one that is being written) are passed over. Free with train_history_free(). */
int train_history_read(const char *path, train_history *history, reason *why);
void train_history_free(train_history *history);

#endif
