/* data_options.h - the options of every command that opens a data set of DeepLesion's layout */
#ifndef DATA_OPTIONS_H
#define DATA_OPTIONS_H

#include <stdbool.h>

#include <uldor.h>

#include "options.h"
#include "reason.h"

typedef struct data_options {
    const char *directory; /* NULL: not given */
    bool pseudo_masks;
    uldor_dataset_options dataset;
} data_options;

#define DATA_OPTIONS_HELP                                                                                                       \
    "      --csv FILE, --images DIR      in place of those in DIR\n"                                                            \
    "      --masks DIR           given masks (PNG), pseudo masks where there is none\n"                                         \
    "      --pseudo-masks        pseudo masks all the same; DIR only says where --negatives are\n"                              \
    "      --boxes FILE          CSV of further boxes without diameters\n"                                                      \
    "      --windows FILE        CSV with a window for each series\n"                                                           \
    "      --negatives           slices without a row and without a mask are images without lesions\n"                          \
    "      --keep-noisy          rows with Possibly_noisy = 1 count, too\n"                                                     \
    "      --on-bad RULE         error (default): stop at bad rows and images; skip: leave them out and count them\n"

/* They fill a data_options. */
extern const option_row data_option_rows[];

void data_options_init(data_options *options);

/* `name` in the data set's directory, or what was `given` in its place; to be freed. NULL: not enough memory. */
char *data_options_path(const data_options *options, const char *given, const char *name);

/* Refuses a `path` whose writing would replace a table, an image or a mask of the data set. */
int data_options_check_output(const data_options *options, const char *path, reason *why);

/* What opening left out, by its number, as warnings: nothing is dropped silently. */
void data_options_tell_left_out(const uldor_dataset *dataset);

#endif
