/*
 * options.h - a command's options as tables: a row for each, with its name and what becomes of its value
 *
 * A command has one or more groups of rows, each with the struct that its rows fill: options that several commands share
 * (detector_options.h, data_options.h, froc_options.h) are a group. --help and -h every command has.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct option_row option_row;

/* Puts `value` (NULL where the option has none) into the group's struct; false: it does not fit. */
typedef bool option_taker(const option_row *row, const char *value, void *options);

struct option_row {
    const char *name;
    char letter;  /* 0: none */
    int argument; /* required_argument or no_argument */
    option_taker *take;
    size_t place; /* of the member to fill, by offsetof(); it and what follows is for the takers below */
    double low, high;
    const char *const *choices; /* ends with NULL */
    const char *alias_of; /* another name of that option, which says all the rest; messages have that one's */
};

typedef struct option_group {
    const option_row *rows; /* ends with a row without a name */
    void *options;
} option_group;

/* The member's type, and what fits. */
option_taker option_flag;   /* bool: becomes true */
option_taker option_set;    /* int32_t: becomes `low` */
option_taker option_text;   /* const char *: anything */
option_taker option_path;   /* const char *: not empty */
option_taker option_copy;   /* char *, to be freed: not empty */
option_taker option_int;    /* int32_t: within `low` to `high` */
option_taker option_seed;   /* uint64_t */
option_taker option_count;  /* int64_t: a 32-bit number within `low` to `high` */
option_taker option_number; /* double: within `low` to `high` */
option_taker option_float;  /* float: the same */
option_taker option_bytes;  /* int64_t: as parse_bytes() */
option_taker option_choice; /* int32_t: one of `choices`; the first stands for `low`, the next for one more ... */

/*
 * Goes through a command line; argv[0] is the command, `groups` end with one without rows. Returns -1 when the command is to go
 * on with argv[optind] and what follows, else the exit code: the help was printed, or it was said what is wrong.
 */
int options_parse(int argc, char **argv, const char *help, const option_group *groups);

/* "uldor: COMMAND: ..." and where the help is; returns EXIT_USAGE. */
int options_usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
