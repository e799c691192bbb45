/* data_options.c - see data_options.h */
#include "data_options.h"

#include <string.h>

#include "text.h"

#define INTO(member) .place = offsetof(data_options, member)

void data_options_init(data_options *options) {
    *options = (data_options){0};
    uldor_dataset_options_init(&options->dataset, sizeof options->dataset);
}

char *data_options_path(const data_options *options, const char *given, const char *name) {
    return given != NULL ? strdup(given) : text_format("%s/%s", options->directory, name);
}

static bool take_masks(const option_row *row, const char *value, void *options) {
    data_options *o = options;
    if (!o->pseudo_masks) o->dataset.masks = ULDOR_MASKS_GIVEN_OR_PSEUDO;
    return option_text(row, value, options);
}

static bool take_pseudo_masks(const option_row *row, const char *value, void *options) {
    data_options *o = options;
    o->dataset.masks = ULDOR_MASKS_PSEUDO;
    return option_flag(row, value, options);
}

static bool take_rule(const option_row *row, const char *value, void *options) {
    data_options *o = options;
    bool fits = option_choice(row, value, options);
    o->dataset.on_bad_image = o->dataset.on_bad_row;
    return fits;
}

static const char *const rules[] = {"error", "skip", NULL};

const option_row data_option_rows[] = {
    {"data", 0, required_argument, option_text, INTO(directory)},
    {"csv", 0, required_argument, option_text, INTO(dataset.csv_path)},
    {"images", 0, required_argument, option_text, INTO(dataset.image_directory)},
    {"masks", 0, required_argument, take_masks, INTO(dataset.mask_directory)},
    {"pseudo-masks", 0, no_argument, take_pseudo_masks, INTO(pseudo_masks)},
    {"boxes", 0, required_argument, option_text, INTO(dataset.boxes_path)},
    {"windows", 0, required_argument, option_text, INTO(dataset.windows_path)},
    {"negatives", 0, no_argument, option_set, INTO(dataset.negatives), ULDOR_NEGATIVES_UNMASKED},
    {"keep-noisy", 0, no_argument, option_set, INTO(dataset.keep_noisy), 1},
    {"on-bad", 0, required_argument, take_rule, INTO(dataset.on_bad_row), ULDOR_BAD_ERROR, .choices = rules},
    {0},
};
