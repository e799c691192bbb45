/* message.h - what the tool says on standard error: "uldor: SUBJECT: text" */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Warnings are left out when quiet; errors never. `subject` (a file; "-": standard output) may be NULL. */
void message_set_quiet(bool quiet);
void message_error(const char *subject, const char *format, ...) __attribute__((format(printf, 2, 3)));
void message_warning(const char *subject, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An uldor_log_fn that prints the library's warnings; `user` is the subject. */
void message_from_library(void *user, int32_t level, const char *text);

/*
 * Writes text that came from a file with its control characters replaced: a model's description must not be able to steer the
 * terminal.
 */
void message_print_foreign(FILE *stream, const char *text);

#endif
