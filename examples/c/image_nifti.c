/*
 * image_nifti.c - a CT volume
 *
 * Voxels stay in the order of the file; which of its axes is x, y and slice, and which way each runs, goes into the strides.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <nifti2_io.h>

#include "image.h"
#include "nifti_header.h"

/* "LPS": the voxel axes run to the left, to the back and to the head. */
static int orientation_from_text(const char *text, nifti_header *header) {
    static const char letters[] = "RLAPSI";
    static const int32_t codes[] = {NIFTI_L2R, NIFTI_R2L, NIFTI_P2A, NIFTI_A2P, NIFTI_I2S, NIFTI_S2I};
    if (strlen(text) != 3) return -1;
    for (int i = 0; i < 3; i++) {
        const char *letter = strchr(letters, text[i]);
        if (letter == NULL) return -1;
        header->code[i] = codes[letter - letters];
    }
    header->has_orientation = true;
    return 0;
}

/* The voxel axis that runs along a body axis in either direction; -1: none. */
static int axis_along(const nifti_header *header, int32_t one, int32_t other) {
    for (int i = 0; i < 3; i++)
        if (header->code[i] == one || header->code[i] == other) return i;
    return -1;
}

static void warn_when_tilted(image *image, const nifti_header *header) {
    double least = 1;
    for (int axis = 0; axis < 3; axis++) {
        double most = 0;
        for (int i = 0; i < 3; i++) most = fmax(most, fabs(header->direction[axis][i]));
        least = fmin(least, most);
    }
    double degrees = acos(fmin(least, 1)) * 180 / 3.14159265358979323846;
    if (degrees > 10)
        snprintf(image->warning, sizeof image->warning,
                 "the slices are tilted by %.0f degrees; they are taken as axial", degrees);
}

/* Fills in the layout so that row 0 is anterior, column 0 the patient's right and slice 0 the head. */
static int describe(image *image, const nifti_header *header, reason *why) {
    static const char *const names[3] = {"i", "j", "k"};
    const int32_t forward[3] = {NIFTI_R2L, NIFTI_A2P, NIFTI_S2I}; /* x, y, slice */
    const int32_t backward[3] = {NIFTI_L2R, NIFTI_P2A, NIFTI_I2S};
    uldor_image *view = &image->view;
    ptrdiff_t voxel_strides[3] = {header->bytes_per_voxel, 0, 0}, strides[3];
    int64_t sizes[3];
    double spacings[3];
    ptrdiff_t offset = 0;
    for (int i = 1; i < 3; i++) voxel_strides[i] = voxel_strides[i - 1] * (ptrdiff_t)header->size[i - 1];
    for (int i = 0; i < 3; i++) {
        int axis = axis_along(header, forward[i], backward[i]);
        if (axis < 0) return reason_set(why, "the header's orientation does not tell left, front and head apart");
        bool flipped = header->code[axis] == backward[i];
        strides[i] = flipped ? -voxel_strides[axis] : voxel_strides[axis];
        offset += flipped ? voxel_strides[axis] * (ptrdiff_t)(header->size[axis] - 1) : 0;
        sizes[i] = header->size[axis];
        spacings[i] = header->spacing_mm[axis];
        snprintf(image->axes[i], sizeof image->axes[i], "%s%s", flipped ? "-" : "", names[axis]);
        if (i == 2) image->is_reversed = flipped;
    }
    if (sizes[0] > 16384 || sizes[1] > 16384)
        return reason_set(why, "%lld x %lld pixels are too many (at most 16384 a side)", (long long)sizes[0],
                          (long long)sizes[1]);
    view->type = header->type;
    view->width = (int32_t)sizes[0];
    view->height = (int32_t)sizes[1];
    view->depth = image->slices = (int32_t)sizes[2];
    view->stride_x_bytes = strides[0];
    view->stride_y_bytes = strides[1];
    view->stride_z_bytes = strides[2];
    view->offset_bytes = (size_t)offset;
    view->slope = header->slope;
    view->intercept = header->intercept;
    view->spacing_x_mm = spacings[0];
    view->spacing_y_mm = spacings[1];
    view->slice_interval_mm = spacings[2];
    image->is_volume = true;
    return 0;
}

/* A header can promise any size: the file must be long enough to hold it (deflate shrinks 1032-fold at most). */
static int check_length(const char *path, gzFile stream, uint64_t bytes, reason *why) {
    struct stat status;
    if (stat(path, &status) != 0) return reason_set_errno(why, errno);
    uint64_t ratio = gzdirect(stream) ? 1 : 1032;
    if (bytes / ratio > (uint64_t)status.st_size)
        return reason_set(why, "damaged or cut-off file: shorter than its header says");
    return 0;
}

static int read_voxels(image *image, gzFile stream, const nifti_header *header, reason *why) {
    size_t bytes = image->view.data_bytes;
    image->pixels = malloc(bytes);
    if (image->pixels == NULL) return reason_set(why, "not enough memory for %zu MB of voxels", bytes >> 20);
    if (gzseek(stream, (z_off_t)header->data_offset, SEEK_SET) != (z_off_t)header->data_offset)
        return reason_set(why, "damaged or cut-off file");
    for (size_t done = 0; done < bytes;) {
        size_t rest = bytes - done, part = rest < (1u << 30) ? rest : 1u << 30;
        int count = gzread(stream, (char *)image->pixels + done, (unsigned)part);
        if (count <= 0) {
            int error = 0;
            const char *text = gzerror(stream, &error);
            if (error == Z_ERRNO) return reason_set_errno(why, errno);
            if (error == Z_OK) text = "it ends before its last voxel";
            return reason_set(why, "damaged or cut-off file (%s)", text);
        }
        done += (size_t)count;
    }
    if (header->is_swapped && header->bytes_per_voxel == 2) nifti_swap_2bytes((int64_t)(bytes / 2), image->pixels);
    if (header->is_swapped && header->bytes_per_voxel == 4) nifti_swap_4bytes((int64_t)(bytes / 4), image->pixels);
    image->view.data = image->pixels;
    return 0;
}

static int read_volume(image *image, const char *path, gzFile stream, const image_request *request, reason *why) {
    nifti_header header;
    if (nifti_header_read(stream, &header, why) != 0) return -1;
    if (request->orientation != NULL) {
        if (orientation_from_text(request->orientation, &header) != 0) return reason_set(why, "not an orientation");
    } else if (!header.has_orientation) {
        return reason_set(
            why, "the header has no orientation (qform and sform are unset): give it, such as --orientation LPS");
    } else {
        warn_when_tilted(image, &header);
    }
    if (describe(image, &header, why) != 0) return -1;
    uldor_image *view = &image->view;
    if (request->spacing_x_mm != 0) {
        view->spacing_x_mm = request->spacing_x_mm;
        view->spacing_y_mm = request->spacing_y_mm;
    }
    if (request->slice_interval_mm != 0) view->slice_interval_mm = request->slice_interval_mm;
    if (view->depth > 1 && view->slice_interval_mm == 0)
        return reason_set(why, "the header has no slice interval: give --slice-interval MM");

    /* At most 65536 voxels along each axis and 4 bytes each: no overflow in 64 bits. */
    uint64_t bytes = (uint64_t)header.size[0] * (uint64_t)header.size[1] * (uint64_t)header.size[2] *
                     (uint64_t)header.bytes_per_voxel;
    if (bytes > PTRDIFF_MAX) return reason_set(why, "the volume is too large");
    view->data_bytes = (size_t)bytes;
    if (check_length(path, stream, bytes, why) != 0) return -1;
    return read_voxels(image, stream, &header, why);
}

int image_open_nifti(image *image, const char *path, const image_request *request, reason *why) {
    errno = 0;
    gzFile stream = gzopen(path, "rb");
    if (stream == NULL) return errno != 0 ? reason_set_errno(why, errno) : reason_set(why, "not enough memory");
    gzbuffer(stream, 1 << 18);
    int status = read_volume(image, path, stream, request, why);
    gzclose(stream);
    return status;
}
