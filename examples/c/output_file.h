/*
 * output_file.h - files that are there whole or not at all
 *
 * A regular file is written under a temporary name in its own directory, flushed to the disk and renamed. Devices and pipes
 * (/dev/stdout, /dev/full) are written directly, "-" is standard output.
 */
#ifndef OUTPUT_FILE_H
#define OUTPUT_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include "reason.h"

typedef struct output_file {
    FILE *stream;
    char *target;    /* NULL: written directly */
    char *temporary; /* NULL: written directly */
} output_file;

int output_file_open(output_file *file, const char *path, reason *why);
/* Closes and puts the file in its place. On failure nothing is left behind. */
int output_file_commit(output_file *file, reason *why);
/* Closes and removes what was written. */
void output_file_discard(output_file *file);

/* Tells early whether `path` can be written, before minutes of computing: its directory exists and lets us. */
int output_file_check(const char *path, reason *why);
/* Refuses a `path` whose writing would replace the `input`. */
int output_file_check_input(const char *path, const char *input, reason *why);
/* Whether writing `path` would replace the regular file `other`; either may be NULL or not there. */
bool output_replaces(const char *path, const char *other);
/* Flushes standard output; -1 when something was lost, once: later calls return 0. */
int output_flush_stdout(reason *why);

#endif
