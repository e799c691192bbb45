/* data_options.c - see data_options.h */
#include "data_options.h"

#include <string.h>

void data_options_init(data_options *options) {
    *options = (data_options){0};
    uldor_dataset_options_init(&options->dataset, sizeof options->dataset);
}

static int take_rule(const char *text, uldor_dataset_options *data) {
    bool skips = strcmp(text, "skip") == 0;
    data->on_bad_row = data->on_bad_image = skips ? ULDOR_BAD_SKIP : ULDOR_BAD_ERROR;
    return skips || strcmp(text, "error") == 0;
}

int data_options_take(int option, const char *value, data_options *options) {
    uldor_dataset_options *data = &options->dataset;
    switch (option) {
    case DATA_OPTION_DIRECTORY: options->directory = value; return 1;
    case DATA_OPTION_CSV: data->csv_path = value; return 1;
    case DATA_OPTION_IMAGES: data->image_directory = value; return 1;
    case DATA_OPTION_MASKS:
        data->mask_directory = value;
        if (!options->pseudo_masks) data->masks = ULDOR_MASKS_GIVEN_OR_PSEUDO;
        return 1;
    case DATA_OPTION_PSEUDO_MASKS:
        options->pseudo_masks = true;
        data->masks = ULDOR_MASKS_PSEUDO;
        return 1;
    case DATA_OPTION_BOXES: data->boxes_path = value; return 1;
    case DATA_OPTION_WINDOWS: data->windows_path = value; return 1;
    case DATA_OPTION_NEGATIVES: data->negatives = ULDOR_NEGATIVES_UNMASKED; return 1;
    case DATA_OPTION_KEEP_NOISY: data->keep_noisy = 1; return 1;
    case DATA_OPTION_ON_BAD: return take_rule(value, data);
    default: return -1;
    }
}
