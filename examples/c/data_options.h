/* data_options.h - the options of every command that opens a data set of DeepLesion's layout */
#ifndef DATA_OPTIONS_H
#define DATA_OPTIONS_H

#include <stdbool.h>

#include <uldor.h>

#include "options.h"

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

/*
 * Before the work, not after it: says which of the `outputs` (NULL: not asked for) cannot be written, or would replace another one, one
 * of the `inputs` (NULL: none), or a table, an image or a mask of the data set; -1 then.
 */
int data_options_check_outputs(const data_options *options, size_t output_count, const char *const *outputs, size_t input_count,
                               const char *const *inputs);

/* What opening left out, by its number, as warnings: nothing is dropped silently. */
void data_options_tell_left_out(const uldor_dataset *dataset);

#endif
