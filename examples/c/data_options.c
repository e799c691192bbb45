/* data_options.c - see data_options.h */
#include "data_options.h"

#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "output_file.h"
#include "text.h"

#define INTO(member) .place = offsetof(data_options, member)

void data_options_init(data_options *options) {
    *options = (data_options){0};
    uldor_dataset_options_init(&options->dataset, sizeof options->dataset);
}

char *data_options_path(const data_options *options, const char *given, const char *name) {
    return given != NULL ? strdup(given) : text_format("%s/%s", options->directory, name);
}

/* Whether `path` is there and is a PNG file somewhere in `directory`. */
static bool is_image_of(const char *path, const char *directory) {
    if (directory == NULL) return false;
    char *file = realpath(path, NULL), *inside = realpath(directory, NULL);
    size_t length = file != NULL ? strlen(file) : 0, start = inside != NULL ? strlen(inside) : 0;
    bool found = length > 4 && strcmp(file + length - 4, ".png") == 0 && start > 0 && length > start &&
                 strncmp(file, inside, start) == 0 && file[start] == '/';
    free(file), free(inside);
    return found;
}

/* Refuses a `path` whose writing would replace a table, an image or a mask of the data set. */
static int check_data_set(const data_options *options, const char *path, reason *why) {
    const uldor_dataset_options *data = &options->dataset;
    bool has_places = options->directory != NULL;
    char *csv = has_places ? data_options_path(options, data->csv_path, "DL_info.csv") : NULL;
    char *images = has_places ? data_options_path(options, data->image_directory, "Images_png") : NULL;
    const char *const tables[] = {csv, data->boxes_path, data->windows_path};
    int status = !has_places || (csv != NULL && images != NULL) ? 0 : reason_set(why, "not enough memory");
    for (size_t i = 0; status == 0 && i < sizeof tables / sizeof *tables; i++)
        status = output_file_check_input(path, tables[i], why);
    if (status == 0 && (is_image_of(path, images) || is_image_of(path, data->mask_directory)))
        status = reason_set(why, "this is an image of the data set; it is not overwritten");
    free(csv), free(images);
    return status;
}

int data_options_check_outputs(const data_options *options, size_t output_count, const char *const *outputs, size_t input_count,
                               const char *const *inputs) {
    for (size_t i = 0; i < output_count; i++) {
        reason why;
        if (outputs[i] == NULL) continue;
        int status = output_file_check(outputs[i], &why);
        if (status == 0) status = check_data_set(options, outputs[i], &why);
        for (size_t k = 0; status == 0 && k < input_count; k++) status = output_file_check_input(outputs[i], inputs[k], &why);
        for (size_t k = 0; status == 0 && k < i; k++)
            if (outputs[k] != NULL && (strcmp(outputs[i], outputs[k]) == 0 || output_replaces(outputs[i], outputs[k])))
                status = reason_set(&why, "two outputs cannot go to one file");
        if (status == 0) continue;
        message_error(outputs[i], "%s", why.text);
        return -1;
    }
    return 0;
}

static void tell(int64_t count, const char *what, const char *why) {
    if (count > 0) message_warning(NULL, "%lld %s%s %s", (long long)count, what, count == 1 ? "" : "s", why);
}

void data_options_tell_left_out(const uldor_dataset *dataset) {
    uldor_dataset_info info = {.struct_size = sizeof info};
    if (uldor_dataset_get_info(dataset, &info) < 0) return;
    tell(info.bad_rows, "bad row", "left out");
    tell(info.bad_images, "bad image", "left out");
    tell(info.lesions_outside_window, "lesion", "left out: outside the window");
    tell(info.images_outside_window, "image", "left out: no lesion within the window");
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
