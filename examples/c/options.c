/* options.c - see options.h */
#include "options.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "message.h"
#include "parse.h"

enum { MOST_OPTIONS = 96, FIRST_WITHOUT_LETTER = 256 };

/* All groups' rows; `longs` are the same for getopt_long(). */
typedef struct option_table {
    size_t count;
    const option_row *rows[MOST_OPTIONS];
    void *options[MOST_OPTIONS];
    struct option longs[MOST_OPTIONS + 2];
    char letters[2 * MOST_OPTIONS + 3];
} option_table;

static size_t find_name(const option_table *table, const char *name) {
    size_t i = 0;
    while (strcmp(table->rows[i]->name, name) != 0) i++;
    return i;
}

static size_t find_option(const option_table *table, int option) {
    size_t i = 0;
    while (table->longs[i].val != option || table->rows[i]->alias_of != NULL) i++;
    return i;
}

static void build(option_table *table, const option_group *groups) {
    char *letters = table->letters;
    *table = (option_table){0};
    *letters++ = ':';
    *letters++ = 'h';
    for (; groups->rows != NULL; groups++)
        for (const option_row *row = groups->rows; row->name != NULL; row++) {
            size_t i = table->count++;
            assert(i < MOST_OPTIONS);
            table->rows[i] = row;
            table->options[i] = groups->options;
            table->longs[i] = (struct option){row->name, row->argument, NULL,
                                              row->letter != 0 ? row->letter : FIRST_WITHOUT_LETTER + (int)i};
            if (row->letter == 0) continue;
            *letters++ = row->letter;
            if (row->argument == required_argument) *letters++ = ':';
        }
    for (size_t i = 0; i < table->count; i++) {
        if (table->rows[i]->alias_of == NULL) continue;
        const struct option *meant = &table->longs[find_name(table, table->rows[i]->alias_of)];
        table->longs[i].has_arg = meant->has_arg;
        table->longs[i].val = meant->val;
    }
    table->longs[table->count] = (struct option){"help", no_argument, NULL, 'h'};
}

int options_parse(int argc, char **argv, const char *help, const option_group *groups) {
    option_table table;
    int option;
    build(&table, groups);
    opterr = 0;
    while ((option = getopt_long(argc, argv, table.letters, table.longs, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return EXIT_OK;
        }
        if (option == ':') return options_usage_error(argv[0], "%s needs a value", argv[optind - 1]);
        if (option == '?') return options_usage_error(argv[0], "unknown option %s", argv[optind - 1]);
        size_t i = find_option(&table, option);
        const option_row *row = table.rows[i];
        if (!row->take(row, optarg, table.options[i]))
            return options_usage_error(argv[0], "--%s: '%s' is not a usable value", row->name, optarg);
    }
    return -1;
}

int options_usage_error(const char *command, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    message_error(NULL, "%s: %s", command, text);
    fprintf(stderr, "Try 'uldor %s --help'.\n", command);
    return EXIT_USAGE;
}

static void *member(const option_row *row, void *options) { return (char *)options + row->place; }

bool option_flag(const option_row *row, const char *value, void *options) {
    (void)value;
    *(bool *)member(row, options) = true;
    return true;
}

bool option_set(const option_row *row, const char *value, void *options) {
    (void)value;
    *(int32_t *)member(row, options) = (int32_t)row->low;
    return true;
}

bool option_text(const option_row *row, const char *value, void *options) {
    *(const char **)member(row, options) = value;
    return true;
}

bool option_path(const option_row *row, const char *value, void *options) {
    return option_text(row, value, options) && *value != 0;
}

bool option_copy(const option_row *row, const char *value, void *options) {
    char **place = member(row, options);
    free(*place);
    *place = strdup(value);
    return *place != NULL && *value != 0;
}

bool option_int(const option_row *row, const char *value, void *options) {
    return parse_int(value, (int32_t)row->low, (int32_t)row->high, member(row, options));
}

bool option_seed(const option_row *row, const char *value, void *options) {
    char *end;
    if (*value < '0' || *value > '9') return false;
    errno = 0;
    *(uint64_t *)member(row, options) = strtoull(value, &end, 10);
    return *end == 0 && errno == 0;
}

bool option_count(const option_row *row, const char *value, void *options) {
    int32_t number;
    if (!parse_int(value, (int32_t)row->low, (int32_t)row->high, &number)) return false;
    *(int64_t *)member(row, options) = number;
    return true;
}

bool option_number(const option_row *row, const char *value, void *options) {
    return parse_double(value, row->low, row->high, member(row, options));
}

bool option_float(const option_row *row, const char *value, void *options) {
    double number;
    if (!parse_double(value, row->low, row->high, &number)) return false;
    *(float *)member(row, options) = (float)number;
    return true;
}

bool option_bytes(const option_row *row, const char *value, void *options) {
    return parse_bytes(value, member(row, options));
}

bool option_choice(const option_row *row, const char *value, void *options) {
    for (int32_t i = 0; row->choices[i] != NULL; i++) {
        if (strcmp(value, row->choices[i]) != 0) continue;
        *(int32_t *)member(row, options) = (int32_t)row->low + i;
        return true;
    }
    return false;
}
