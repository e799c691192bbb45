/*
 * image_png.c - a slice of a DeepLesion directory
 *
 * The slices of a series lie side by side as 001.png, 002.png ... from head to feet. The neighbours that the model needs are
 * found by their number; one that is not stored stays NULL and the library puts the nearest one in its place.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image.h"
#include "parse.h"
#include "png_file.h"

/* Slice intervals of CT lie between 0.2 and 10 mm: a longer reach than this is a mistyped interval. */
enum { MAX_REACH = 256 };

/* The number in ".../088.png", and how many digits it is written with. */
static int32_t number_of(const char *path, int *digits) {
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    size_t count = strspn(name, "0123456789");
    int32_t number;
    char text[10];
    if (count == 0 || count >= sizeof text || strcmp(name + count, ".png") != 0) return -1;
    memcpy(text, name, count);
    text[count] = 0;
    if (!parse_int(text, 0, INT32_MAX, &number)) return -1;
    *digits = (int)count;
    return number;
}

static void take_spacing(image *image, const char *path, const image_request *request) {
    uldor_image *view = &image->view;
    double listed[3];
    if (request->info != NULL && deeplesion_info_find(request->info, path, listed)) {
        view->spacing_x_mm = listed[0];
        view->spacing_y_mm = listed[1];
        view->slice_interval_mm = listed[2];
    }
    if (request->spacing_x_mm != 0) {
        view->spacing_x_mm = request->spacing_x_mm;
        view->spacing_y_mm = request->spacing_y_mm;
    }
    if (request->slice_interval_mm != 0) view->slice_interval_mm = request->slice_interval_mm;
}

static int find_reach(image *image, const image_request *request, int32_t *reach, reason *why) {
    uldor_model_info info = {.struct_size = sizeof info};
    *reach = 0;
    if (uldor_model_get_info(request->model, &info) < 0) return reason_set(why, "%s", uldor_last_error());
    if (info.input_channels == 1) return 0;
    if (image->number < 0) {
        snprintf(image->warning, sizeof image->warning,
                 "the file's name is not a number such as 088.png: read without the slices beside it");
        return 0;
    }
    if (image->view.slice_interval_mm == 0) {
        snprintf(image->warning, sizeof image->warning,
                 "the slice interval is not known (--slice-interval, --info): read without the slices beside it");
        return 0;
    }
    if (uldor_model_get_slice_reach(request->model, image->view.slice_interval_mm, reach) < 0)
        return reason_set(why, "%s", uldor_last_error());
    if (*reach > MAX_REACH)
        return reason_set(why, "a slice interval of %g mm is too small: %d slices on each side",
                          image->view.slice_interval_mm, (int)*reach);
    return 0;
}

static int read_neighbour(image *image, const char *path, int32_t number, int digits, uint16_t **pixels, reason *why) {
    const char *slash = strrchr(path, '/');
    int directory = slash != NULL ? (int)(slash + 1 - path) : 0;
    char name[4096];
    int32_t width, height;
    int length = snprintf(name, sizeof name, "%.*s%0*d.png", directory, path, digits, (int)number);
    if (length < 0 || (size_t)length >= sizeof name) return reason_set(why, "the path is too long");
    if (access(name, F_OK) != 0) return 0;
    reason inner;
    if (png_file_read(name, pixels, &width, &height, &inner) != 0)
        return reason_set(why, "its neighbour %s: %.400s", name + directory, inner.text);
    if (width != image->view.width || height != image->view.height)
        return reason_set(why, "its neighbour %s has %d x %d pixels instead of %d x %d", name + directory, (int)width,
                          (int)height, (int)image->view.width, (int)image->view.height);
    return 0;
}

int image_open_png(image *image, const char *path, const image_request *request, reason *why) {
    uldor_image *view = &image->view;
    uint16_t *key = NULL;
    int digits = 0;
    int32_t reach;
    image->number = number_of(path, &digits);
    image->slices = 1;
    take_spacing(image, path, request);
    if (png_file_read(path, &key, &view->width, &view->height, why) != 0) return -1;
    if (find_reach(image, request, &reach, why) != 0) {
        free(key);
        return -1;
    }
    image->neighbours = calloc((size_t)(2 * reach + 1), sizeof *image->neighbours);
    if (image->neighbours == NULL) {
        free(key);
        return reason_set(why, "not enough memory");
    }
    view->type = ULDOR_UINT16;
    view->intercept = -32768;
    view->depth = 2 * reach + 1;
    view->key_slice = reach;
    view->stride_x_bytes = sizeof *key;
    view->stride_y_bytes = view->width * (ptrdiff_t)sizeof *key;
    view->data_bytes = (size_t)view->width * (size_t)view->height * sizeof *key;
    view->slices = (const void *const *)image->neighbours;
    image->neighbours[reach] = key;
    for (int32_t step = -reach; step <= reach; step++) {
        int32_t number = image->number + step;
        if (step == 0 || number < 0) continue;
        if (read_neighbour(image, path, number, digits, &image->neighbours[reach + step], why) != 0) return -1;
    }
    return 0;
}
