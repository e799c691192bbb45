/*
 * nifti_header.h - the part of a NIfTI header that a CT volume needs, checked
 *
 * The NIfTI library works out the orientation. Its reader is not used: it repairs what it dislikes (a pixel size of NaN
 * becomes 1, a voxel of NaN becomes 0), which is not what anyone wants of a scan.
 */
#ifndef NIFTI_HEADER_H
#define NIFTI_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include <zlib.h>

#include "reason.h"

typedef struct nifti_header {
    int64_t size[3]; /* voxels along i, j, k */
    int64_t data_offset;
    int32_t type; /* ULDOR_INT16, ULDOR_UINT16, ULDOR_FLOAT32 */
    int32_t bytes_per_voxel;
    bool is_swapped; /* voxels are in the other byte order */
    double slope, intercept;
    double spacing_mm[3]; /* along i, j, k; 0: not given */
    bool has_orientation;
    double direction[3][3]; /* direction[a]: unit vector of voxel axis a in world coordinates (R, A, S positive) */
    int32_t code[3];        /* NIFTI_L2R ... of i, j, k, by nearest body axis */
} nifti_header;

/* Reads the header from the start of `stream`. */
int nifti_header_read(gzFile stream, nifti_header *header, reason *why);

#endif
