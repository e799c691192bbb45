/*
 * image.h - an input file as the library wants it described
 *
 * Both kinds come out with the layout of a slice as a radiologist sees it: row 0 anterior, column 0 at the patient's right,
 * slices from head to feet.
 */
#ifndef IMAGE_H
#define IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <uldor.h>

#include "deeplesion_info.h"
#include "reason.h"

/* What the command line says about the images. */
typedef struct image_request {
    const uldor_model *model;                             /* knows which neighbours it needs */
    const deeplesion_info *info;                          /* spacings by file name; NULL: none */
    double spacing_x_mm, spacing_y_mm, slice_interval_mm; /* 0: not given */
    const char *orientation; /* "LPS": where a volume's voxel axes run to; NULL: its header says */
    bool needs_spacing;
} image_request;

typedef struct image {
    uldor_image view; /* with key_slice set by image_select() */
    bool is_volume;
    int32_t slices;        /* to choose from; 1 for a PNG */
    bool is_reversed;      /* volumes: slice numbers count from the feet */
    char axes[3][3];       /* volumes: the voxel axis behind x, y and slice, "i" or "-i" */
    int32_t number;        /* PNG: from the file's name; -1: none */
    char warning[200];     /* worth telling, "" where there is nothing */
    void *pixels;          /* volumes: owned */
    uint16_t **neighbours; /* PNG: owned, view.depth entries */
} image;

/* Finds out what the file is by its first bytes, and reads it. */
int image_open(image *image, const char *path, const image_request *request, reason *why);
void image_close(image *image);
/* Looks at slice `index` (0..slices-1; a volume's voxel index along its slice axis) from now on. */
void image_select(image *image, int32_t index);
/* The number people know the slice by: PNG number, or voxel index; -1: none. */
int32_t image_slice_number(const image *image);
/* Hounsfield units of the key slice's pixel. */
double image_hu(const image *image, int32_t x, int32_t y);

/* The two kinds. */
int image_open_png(image *image, const char *path, const image_request *request, reason *why);
int image_open_nifti(image *image, const char *path, const image_request *request, reason *why);

#endif
