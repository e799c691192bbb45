/*
 * reason.h - why something did not work, as one line for a person
 *
 * Functions that can fail take a `reason` and return 0 or -1; who called them decides where the text goes (the terminal, the
 * JSON file, both).
 */
#ifndef REASON_H
#define REASON_H

typedef struct reason {
    char text[600];
} reason;

/* Formats the text and returns -1, so that `return reason_set(...)` reads well. */
int reason_set(reason *why, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The text of errno. */
int reason_set_errno(reason *why, int error);

#endif
