/*
 * pseudo_mask.c - masks from RECIST diameters: buffers, diameters that cannot be used, coordinates at the limit
 */
#include "support.h"

#define TOO_SMALL(call) CHECK_ERROR(call, ULDOR_ERROR_BUFFER_TOO_SMALL, "capacity|room")

static void buffers_and_values(void) {
    const double recist[8] = {10, 20, 30, 20, 20, 14, 20, 26};
    uint8_t bitmap[40 * 40];
    size_t points = 0, again = 77;
    uldor_pseudo_mask_info about = {.struct_size = sizeof about};
    NEED_OK(uldor_pseudo_mask_get_info(recist, &about));
    CHECK(about.diameters_cross == 1 && about.centre_x == 20 && about.centre_y == 20);
    CHECK(about.area_px > 188.4 && about.area_px < 188.6); /* pi / 4 * 20 * 12 */
    NEED_OK(uldor_pseudo_mask_get_polygon(recist, NULL, 0, &points));
    CHECK_INT(points, about.polygon_points);
    double *xy = malloc(2 * points * sizeof *xy);
    NEED(xy);
    TOO_SMALL(uldor_pseudo_mask_get_polygon(recist, xy, points - 1, &again));
    CHECK_INT(again, 77);
    CHECK_OK(uldor_pseudo_mask_get_polygon(recist, xy, points, &again));
    free(xy);
    TOO_SMALL(uldor_pseudo_mask_get_bitmap(recist, 40, 40, bitmap, sizeof bitmap - 1, 0));
    NEED_OK(uldor_pseudo_mask_get_bitmap(recist, 40, 40, bitmap, sizeof bitmap, 0));
    CHECK(bitmap[20 * 40 + 20] == 1 && bitmap[0] == 0 && bitmap[20 * 40 + 9] == 0 && bitmap[20 * 40 + 10] == 1);
}

static void refusals(void) {
    uint8_t bitmap[16];
    size_t points = 77;
    uldor_pseudo_mask_info about = {.struct_size = sizeof about};
    const double good[8] = {1, 2, 3, 2, 2, 1, 2, 3};
#define REFUSED(call, names) CHECK_ERROR(call, ULDOR_ERROR_INVALID_ARGUMENT, names)
    REFUSED(uldor_pseudo_mask_get_info(NULL, &about), "recist");
    REFUSED(uldor_pseudo_mask_get_info(good, NULL), "info");
    REFUSED(uldor_pseudo_mask_get_bitmap(NULL, 4, 4, bitmap, 16, 0), "recist");
    REFUSED(uldor_pseudo_mask_get_bitmap(good, 4, 4, NULL, 16, 0), "out");
    REFUSED(uldor_pseudo_mask_get_bitmap(good, 0, 4, bitmap, 16, 0), "width");
    REFUSED(uldor_pseudo_mask_get_bitmap(good, 4, -1, bitmap, 16, 0), "height");
    REFUSED(uldor_pseudo_mask_get_bitmap(good, 4, 4, bitmap, 16, 3), "row_stride_bytes");
    REFUSED(uldor_pseudo_mask_get_polygon(NULL, NULL, 0, &points), "recist");
    REFUSED(uldor_pseudo_mask_get_polygon(good, NULL, 0, NULL), "points");
    CHECK(uldor_pseudo_mask_get_bitmap(good, INT32_MAX, INT32_MAX, bitmap, 16, 0) < 0);
    CHECK(uldor_pseudo_mask_get_bitmap(good, INT32_MAX, INT32_MAX, bitmap, 16, SIZE_MAX) < 0);
    const double bad[] = {0.0 / 0.0, 1.0 / 0.0, -1.0 / 0.0, 1.0000001e6, -1e7, 1e300};
    for (int i = 0; i < 8; i++)
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
            double recist[8];
            memcpy(recist, good, sizeof recist);
            recist[i] = bad[k];
            CONTEXT("recist[%d] = %g", i, bad[k]);
            REFUSED(uldor_pseudo_mask_get_info(recist, &about), "recist");
            REFUSED(uldor_pseudo_mask_get_polygon(recist, NULL, 0, &points), "recist");
            REFUSED(uldor_pseudo_mask_get_bitmap(recist, 4, 4, bitmap, 16, 0), "recist");
        }
#undef REFUSED
    *check_context = 0;
    const double flat[3][8] = {{1, 1, 1, 1, 0, 0, 2, 2}, {0, 0, 2, 2, 1, 1, 1, 1}, {0, 0, 4, 4, 1, 1, 3, 3}};
    for (int i = 0; i < 3; i++)
        CHECK_ERROR(uldor_pseudo_mask_get_info(flat[i], &about), ULDOR_ERROR_DEGENERATE, "diameter|recist");
    CHECK_INT(points, 77);
    /* Far outside the image and at the limit: an empty bitmap, no overflow. */
    const double far[8] = {-1e6, -1e6, 1e6, 1e6, -1e6, 1e6, 1e6, -1e6};
    CHECK_OK(uldor_pseudo_mask_get_info(far, &about));
    CHECK_OK(uldor_pseudo_mask_get_bitmap(far, 4, 4, bitmap, 16, 0));
}

int main(void) {
    RUN(buffers_and_values);
    RUN(refusals);
    return check_finish("pseudo_mask");
}
