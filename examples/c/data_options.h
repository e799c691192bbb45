/* data_options.h - the options of every command that opens a data set of DeepLesion's layout */
#ifndef DATA_OPTIONS_H
#define DATA_OPTIONS_H

#include <stdbool.h>

#include <uldor.h>

typedef struct data_options {
    const char *directory; /* NULL: not given */
    bool pseudo_masks;
    uldor_dataset_options dataset;
} data_options;

/* Beyond any command's own. */
enum {
    DATA_OPTION_DIRECTORY = 0x1000, DATA_OPTION_CSV, DATA_OPTION_IMAGES, DATA_OPTION_MASKS, DATA_OPTION_PSEUDO_MASKS,
    DATA_OPTION_BOXES, DATA_OPTION_WINDOWS, DATA_OPTION_NEGATIVES, DATA_OPTION_KEEP_NOISY, DATA_OPTION_ON_BAD
};

/* For a table of getopt_long(). */
#define DATA_LONG_OPTIONS                                                                                                       \
    {"data", required_argument, NULL, DATA_OPTION_DIRECTORY}, {"csv", required_argument, NULL, DATA_OPTION_CSV},                \
        {"images", required_argument, NULL, DATA_OPTION_IMAGES}, {"masks", required_argument, NULL, DATA_OPTION_MASKS},         \
        {"pseudo-masks", no_argument, NULL, DATA_OPTION_PSEUDO_MASKS}, {"boxes", required_argument, NULL, DATA_OPTION_BOXES},   \
        {"windows", required_argument, NULL, DATA_OPTION_WINDOWS}, {"negatives", no_argument, NULL, DATA_OPTION_NEGATIVES},     \
        {"keep-noisy", no_argument, NULL, DATA_OPTION_KEEP_NOISY}, {"on-bad", required_argument, NULL, DATA_OPTION_ON_BAD}

#define DATA_OPTIONS_HELP                                                                                                       \
    "      --csv FILE, --images DIR      in place of those in DIR\n"                                                            \
    "      --masks DIR           given masks (PNG), pseudo masks where there is none\n"                                         \
    "      --pseudo-masks        pseudo masks all the same; DIR only says where --negatives are\n"                              \
    "      --boxes FILE          CSV of further boxes without diameters\n"                                                      \
    "      --windows FILE        CSV with a window for each series\n"                                                           \
    "      --negatives           slices without a row and without a mask are images without lesions\n"                          \
    "      --keep-noisy          rows with Possibly_noisy = 1 count, too\n"                                                     \
    "      --on-bad RULE         error (default): stop at bad rows and images; skip: leave them out and count them\n"

void data_options_init(data_options *options);
/* Returns 1 when taken, 0 when the value does not fit, -1 for another option. */
int data_options_take(int option, const char *value, data_options *options);

#endif
