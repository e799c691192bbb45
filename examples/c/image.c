/* image.c - see image.h */
#include "image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool starts_like_nifti(const unsigned char *bytes, size_t count) {
    static const unsigned char gzip[] = {0x1F, 0x8B};
    if (count >= 2 && memcmp(bytes, gzip, sizeof gzip) == 0) return true;
    if (count < 4) return false;
    /* sizeof_hdr of NIfTI-1 (348) and NIfTI-2 (540) in either byte order */
    static const unsigned char starts[4][4] = {{0x5C, 1, 0, 0}, {0, 0, 1, 0x5C}, {0x1C, 2, 0, 0}, {0, 0, 2, 0x1C}};
    for (int i = 0; i < 4; i++)
        if (memcmp(bytes, starts[i], 4) == 0) return true;
    return false;
}

int image_open(image *image, const char *path, const image_request *request, reason *why) {
    static const unsigned char png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    unsigned char bytes[8];
    memset(image, 0, sizeof *image);
    image->number = -1;
    struct stat status;
    if (stat(path, &status) != 0) return reason_set_errno(why, errno);
    if (S_ISDIR(status.st_mode)) return reason_set_errno(why, EISDIR);
    /* The file is opened more than once, and its length is what its header is checked against. */
    if (!S_ISREG(status.st_mode)) return reason_set(why, "not a regular file");
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) return reason_set_errno(why, errno);
    errno = 0;
    size_t count = fread(bytes, 1, sizeof bytes, stream);
    int error = ferror(stream) ? errno : 0;
    fclose(stream);
    if (error != 0) return reason_set_errno(why, error);
    if (count == 0) return reason_set(why, "the file is empty");

    uldor_image_init(&image->view, sizeof image->view);
    int result;
    if (count == sizeof png && memcmp(bytes, png, sizeof png) == 0) result = image_open_png(image, path, request, why);
    else if (starts_like_nifti(bytes, count)) result = image_open_nifti(image, path, request, why);
    else result = reason_set(why, "neither a PNG nor a NIfTI file (.nii, .nii.gz)");
    if (result == 0 && request->needs_spacing && (image->view.spacing_x_mm == 0 || image->view.spacing_y_mm == 0))
        result = reason_set(
            why, "the pixel spacing is not known: give --spacing MM (or --info DL_info.csv), or --no-resampling");
    if (result != 0) image_close(image);
    return result;
}

void image_close(image *image) {
    if (image->neighbours != NULL)
        for (int32_t i = 0; i < image->view.depth; i++) free(image->neighbours[i]);
    free(image->neighbours);
    free(image->pixels);
    image->neighbours = NULL;
    image->pixels = NULL;
}

void image_select(image *image, int32_t index) {
    if (!image->is_volume) return;
    image->view.key_slice = image->is_reversed ? image->slices - 1 - index : index;
}

int32_t image_slice_number(const image *image) {
    if (!image->is_volume) return image->number;
    return image->is_reversed ? image->slices - 1 - image->view.key_slice : image->view.key_slice;
}

double image_hu(const image *image, int32_t x, int32_t y) {
    const uldor_image *view = &image->view;
    const char *slice;
    ptrdiff_t stride_x = view->stride_x_bytes, stride_y = view->stride_y_bytes;
    if (view->slices != NULL) {
        slice = view->slices[view->key_slice];
    } else {
        slice = (const char *)view->data + view->offset_bytes + view->key_slice * view->stride_z_bytes;
    }
    const char *pixel = slice + y * stride_y + x * stride_x;
    double stored;
    if (view->type == ULDOR_FLOAT32) {
        float value;
        memcpy(&value, pixel, sizeof value);
        stored = (double)value;
    } else {
        uint16_t value;
        memcpy(&value, pixel, sizeof value);
        stored = view->type == ULDOR_INT16 ? (double)(int16_t)value : (double)value;
    }
    return stored * view->slope + view->intercept;
}
