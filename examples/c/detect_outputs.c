/* detect_outputs.c - see detect_outputs.h */
#include "detect_outputs.h"

#include <stdio.h>
#include <string.h>

#include "message.h"
#include "output_file.h"
#include "reason.h"
#include "text.h"

static int digits_of(int32_t number) { return snprintf(NULL, 0, "%d", (int)number); }

char *detect_overlay_path(const detect_options *options, int index, const image *image, bool several_slices) {
    const char *path = options->overlay, *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    if (strcmp(path, "-") == 0) return strdup(path);
    size_t stem = dot != NULL && dot > (slash != NULL ? slash : path) ? (size_t)(dot - path) : strlen(path);
    char number[32] = "", slice[32] = "";
    if (options->image_count > 1) snprintf(number, sizeof number, "-%0*d", digits_of(options->image_count), index + 1);
    if (several_slices)
        snprintf(slice, sizeof slice, "-s%0*d", digits_of(image->slices - 1), (int)image_slice_number(image));
    return text_format("%.*s%s%s%s", (int)stem, path, number, slice, path + stem);
}

static int check_output(const detect_options *options, const char *path, reason *why) {
    int status = output_file_check(path, why);
    if (status == 0) status = output_file_check_input(path, options->weights, why);
    for (int i = 0; status == 0 && i < options->image_count; i++)
        status = output_file_check_input(path, options->images[i], why);
    return status;
}

int detect_check_outputs(const detect_options *options) {
    const char *paths[] = {options->json, options->overlay};
    reason why;
    for (int i = 0; i < 2; i++) {
        if (paths[i] == NULL || check_output(options, paths[i], &why) == 0) continue;
        message_error(paths[i], "%s", why.text);
        return -1;
    }
    return 0;
}
