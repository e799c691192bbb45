/*
 * evaluate_journal.h - what was detected so far, so that a run that was stopped goes on where it was
 *
 * A text file of JSON lines. The first says what the detections come from; each other one holds an image's, found again by the
 * image's name. A line is whole, or, where the process was killed or the disk was full, the last one and without a newline: it
 * is dropped when the journal is opened again. Lines go to the disk at most once a second, so a power cut costs the images of a
 * second: the zeros that a file system may leave of them are dropped, too, with all that follows.
 */
#ifndef EVALUATE_JOURNAL_H
#define EVALUATE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <jansson.h>
#include <uldor.h>

#include "reason.h"

typedef struct evaluate_journal {
    FILE *stream;
    int64_t *places; /* by the data set's images: where the line begins; -1: none yet */
    struct timespec synced; /* when it last went to the disk */
    int64_t end, found; /* found: images of the data set that were there when it was opened */
} evaluate_journal;

/*
 * Opens or begins it; `restart` begins anew. One that was begun for something else than `origin` (an object of numbers and
 * texts) is an error that names what differs, and so is a file that is no journal, or one that another process uses.
 */
int evaluate_journal_open(evaluate_journal *journal, const char *path, json_t *origin, const uldor_dataset *dataset, bool restart,
                          reason *why);
bool evaluate_journal_has(const evaluate_journal *journal, int64_t image);
/* Appends and flushes, and where the last time was a second ago, to the disk; `entry` has the image's name in "image". */
int evaluate_journal_add(evaluate_journal *journal, int64_t image, const json_t *entry, reason *why);
/* All of it is on the disk. */
int evaluate_journal_sync(evaluate_journal *journal, reason *why);
/* An image's entry, to be released with json_decref(). */
json_t *evaluate_journal_read(evaluate_journal *journal, int64_t image, reason *why);
/* Also where a run ends early: what it did is on the disk, if the disk lets it. */
void evaluate_journal_close(evaluate_journal *journal);

#endif
