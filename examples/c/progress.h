/*
 * progress.h - one line on the terminal that shows how far the detection is
 *
 * Nothing is ever written unless standard error is a terminal.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Shows progress if `wanted` and standard error is a terminal that understands it. */
void progress_start(bool wanted);
/* What is being done: "088.png", number `index` of `count`. */
void progress_set_task(const char *task, int64_t index, int64_t count);
/* An uldor_progress_fn; cancels once a signal came in. */
int32_t progress_report(void *user, double fraction, const char *stage);
/* Removes the line; the next report draws it again. */
void progress_erase(void);
/* The same from the signal thread: write(2) alone, since stderr's lock may be held. */
void progress_erase_raw(void);

#endif
