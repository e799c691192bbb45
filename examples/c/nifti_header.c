/* nifti_header.c - see nifti_header.h */
#include "nifti_header.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <nifti2_io.h>
#include <uldor.h>

/* Raw fields of both versions under one name, in native byte order. */
typedef struct raw_fields {
    int64_t dim[8];
    double pixdim[8];
    double slope, intercept, vox_offset;
    double quatern[3], srow[3][4];
    int32_t qform_code, sform_code;
    int32_t datatype, units;
    char magic[4];
} raw_fields;

typedef union raw_header {
    int32_t sizeof_hdr;
    nifti_1_header v1;
    nifti_2_header v2;
} raw_header;

static raw_fields fields_of_v1(nifti_1_header header, bool swapped) {
    raw_fields raw = {0};
    if (swapped) swap_nifti_header(&header, 1);
    for (int i = 0; i < 8; i++) raw.dim[i] = header.dim[i], raw.pixdim[i] = (double)header.pixdim[i];
    raw.slope = (double)header.scl_slope;
    raw.intercept = (double)header.scl_inter;
    raw.vox_offset = (double)header.vox_offset;
    raw.datatype = header.datatype;
    raw.units = header.xyzt_units;
    raw.qform_code = header.qform_code;
    raw.sform_code = header.sform_code;
    raw.quatern[0] = (double)header.quatern_b;
    raw.quatern[1] = (double)header.quatern_c;
    raw.quatern[2] = (double)header.quatern_d;
    for (int i = 0; i < 4; i++) {
        raw.srow[0][i] = (double)header.srow_x[i];
        raw.srow[1][i] = (double)header.srow_y[i];
        raw.srow[2][i] = (double)header.srow_z[i];
    }
    memcpy(raw.magic, header.magic, sizeof raw.magic);
    return raw;
}

static raw_fields fields_of_v2(nifti_2_header header, bool swapped) {
    raw_fields raw = {0};
    if (swapped) swap_nifti_header(&header, 2);
    for (int i = 0; i < 8; i++) raw.dim[i] = header.dim[i], raw.pixdim[i] = header.pixdim[i];
    raw.slope = header.scl_slope;
    raw.intercept = header.scl_inter;
    raw.vox_offset = (double)header.vox_offset;
    raw.datatype = header.datatype;
    raw.units = header.xyzt_units;
    raw.qform_code = header.qform_code;
    raw.sform_code = header.sform_code;
    raw.quatern[0] = header.quatern_b;
    raw.quatern[1] = header.quatern_c;
    raw.quatern[2] = header.quatern_d;
    for (int i = 0; i < 4; i++) {
        raw.srow[0][i] = header.srow_x[i];
        raw.srow[1][i] = header.srow_y[i];
        raw.srow[2][i] = header.srow_z[i];
    }
    memcpy(raw.magic, header.magic, sizeof raw.magic);
    return raw;
}

static int take_size(const raw_fields *raw, int64_t header_bytes, nifti_header *header, reason *why) {
    if (memcmp(raw->magic, "ni", 2) == 0)
        return reason_set(why, "a NIfTI header without its voxels; only .nii and .nii.gz are read");
    if (memcmp(raw->magic, "n+", 2) != 0) return reason_set(why, "not a NIfTI file (Analyze, or a damaged header)");
    if (raw->dim[0] < 2 || raw->dim[0] > 7)
        return reason_set(why, "damaged header: %lld dimensions", (long long)raw->dim[0]);
    for (int64_t i = 1; i <= raw->dim[0]; i++) {
        int64_t most = i <= 3 ? 65536 : 1;
        if (raw->dim[i] < 1) return reason_set(why, "damaged header: size %lld", (long long)raw->dim[i]);
        if (raw->dim[i] > most && i > 3) return reason_set(why, "more than three dimensions; a CT is one volume");
        if (raw->dim[i] > most)
            return reason_set(why, "%lld voxels along one axis are too many", (long long)raw->dim[i]);
    }
    for (int i = 0; i < 3; i++) header->size[i] = i < raw->dim[0] ? raw->dim[i + 1] : 1;
    if (!(raw->vox_offset >= (double)header_bytes && raw->vox_offset < 1e9))
        return reason_set(why, "damaged header: voxels at offset %g", raw->vox_offset);
    header->data_offset = (int64_t)raw->vox_offset;
    return 0;
}

static int take_values(const raw_fields *raw, nifti_header *header, reason *why) {
    switch (raw->datatype) {
    case DT_INT16: header->type = ULDOR_INT16, header->bytes_per_voxel = 2; break;
    case DT_UINT16: header->type = ULDOR_UINT16, header->bytes_per_voxel = 2; break;
    case DT_FLOAT32: header->type = ULDOR_FLOAT32, header->bytes_per_voxel = 4; break;
    default:
        return reason_set(why, "voxels of type %s (%d); only INT16, UINT16 and FLOAT32 are read",
                          nifti_datatype_string(raw->datatype), (int)raw->datatype);
    }
    if (!isfinite(raw->slope) || !isfinite(raw->intercept))
        return reason_set(why, "scl_slope or scl_inter is not a finite number");
    /* The standard: a slope of 0 means that values are not scaled. */
    header->slope = raw->slope != 0 ? raw->slope : 1;
    header->intercept = raw->slope != 0 ? raw->intercept : 0;
    return 0;
}

static int take_spacing(const raw_fields *raw, nifti_header *header, reason *why) {
    int units = raw->units & 7;
    double to_mm = units == NIFTI_UNITS_METER ? 1000 : units == NIFTI_UNITS_MICRON ? 0.001 : 1;
    for (int i = 0; i < 3; i++) {
        double spacing = i < raw->dim[0] ? fabs(raw->pixdim[i + 1]) * to_mm : 0;
        if (!(spacing <= 1e4)) return reason_set(why, "damaged header: voxel size %g", raw->pixdim[i + 1]);
        header->spacing_mm[i] = spacing;
    }
    return 0;
}

/* From voxels to the world; the sform wins over the qform, as in nibabel. */
static nifti_dmat44 matrix_of(const raw_fields *raw) {
    nifti_dmat44 matrix = {{{0}}};
    if (raw->sform_code > 0) {
        memcpy(matrix.m, raw->srow, sizeof raw->srow);
        return matrix;
    }
    double handedness = raw->pixdim[0] < 0 ? -1 : 1;
    return nifti_quatern_to_dmat44(raw->quatern[0], raw->quatern[1], raw->quatern[2], 0, 0, 0, 1, 1, 1, handedness);
}

static int take_orientation(const raw_fields *raw, nifti_header *header, reason *why) {
    if (raw->sform_code <= 0 && raw->qform_code <= 0) return 0;
    nifti_dmat44 matrix = matrix_of(raw);
    const char *name = raw->sform_code > 0 ? "sform" : "qform";
    double (*d)[3] = header->direction;
    for (int axis = 0; axis < 3; axis++) {
        double length = 0;
        for (int i = 0; i < 3; i++) length += matrix.m[i][axis] * matrix.m[i][axis];
        length = sqrt(length);
        if (!isfinite(length) || length <= 0) return reason_set(why, "the header's %s is not a usable matrix", name);
        for (int i = 0; i < 3; i++) d[axis][i] = matrix.m[i][axis] / length;
    }
    double determinant = d[0][0] * (d[1][1] * d[2][2] - d[1][2] * d[2][1]) -
                         d[0][1] * (d[1][0] * d[2][2] - d[1][2] * d[2][0]) +
                         d[0][2] * (d[1][0] * d[2][1] - d[1][1] * d[2][0]);
    if (!(fabs(determinant) > 0.1)) return reason_set(why, "the header's %s is not a usable matrix", name);
    int code[3];
    nifti_dmat44_to_orientation(matrix, &code[0], &code[1], &code[2]);
    for (int i = 0; i < 3; i++) header->code[i] = code[i];
    header->has_orientation = true;
    return 0;
}

int nifti_header_read(gzFile stream, nifti_header *header, reason *why) {
    raw_header raw;
    memset(&raw, 0, sizeof raw);
    memset(header, 0, sizeof *header);
    int count = gzread(stream, &raw, sizeof raw.v1);
    if (count != (int)sizeof raw.v1) return reason_set(why, "damaged or cut-off file: no NIfTI header");
    int32_t swapped_size = raw.sizeof_hdr;
    nifti_swap_4bytes(1, &swapped_size);
    header->is_swapped = swapped_size == (int32_t)sizeof raw.v1 || swapped_size == (int32_t)sizeof raw.v2;
    int32_t size = header->is_swapped ? swapped_size : raw.sizeof_hdr;
    bool is_v2 = size == (int32_t)sizeof raw.v2;
    if (!is_v2 && size != (int32_t)sizeof raw.v1) return reason_set(why, "not a NIfTI file");
    int rest = (int)(sizeof raw.v2 - sizeof raw.v1);
    if (is_v2 && gzread(stream, (char *)&raw + sizeof raw.v1, (unsigned)rest) != rest)
        return reason_set(why, "damaged or cut-off file: no NIfTI header");

    raw_fields fields = is_v2 ? fields_of_v2(raw.v2, header->is_swapped) : fields_of_v1(raw.v1, header->is_swapped);
    if (take_size(&fields, size, header, why) != 0 || take_values(&fields, header, why) != 0) return -1;
    if (take_spacing(&fields, header, why) != 0) return -1;
    return take_orientation(&fields, header, why);
}
