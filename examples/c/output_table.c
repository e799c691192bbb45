/* output_table.c - see output_table.h */
#include "output_table.h"

#include <stdio.h>
#include <string.h>

#include "message.h"

static void print_heading(const slice_result *slice) {
    const uldor_image *view = &slice->image->view;
    message_print_foreign(stdout, slice->path);
    if (slice->image->is_volume) printf(", slice %d", (int)image_slice_number(slice->image));
    printf(": %d x %d px", (int)view->width, (int)view->height);
    if (view->spacing_x_mm > 0) printf(" of %.4g x %.4g mm", view->spacing_x_mm, view->spacing_y_mm);
    if (slice->info.missing_neighbours > 0)
        printf(", %d neighbouring slice%s missing", (int)slice->info.missing_neighbours,
               slice->info.missing_neighbours == 1 ? "" : "s");
    putchar('\n');
}

static void print_row(const slice_result *slice, int32_t index, const uldor_detection *d) {
    char diameters[48] = "-", area[32] = "-";
    if (d->flags & ULDOR_DETECTION_HAS_RECIST) {
        bool mm = (d->flags & ULDOR_DETECTION_HAS_MM) != 0;
        snprintf(diameters, sizeof diameters, "%.1f x %.1f %s", mm ? d->long_mm : d->long_px,
                 mm ? d->short_mm : d->short_px, mm ? "mm" : "px");
        snprintf(area, sizeof area, "%.0f %s", mm ? d->area_mm2 : d->area_px, mm ? "mm2" : "px");
    }
    const char *class = slice_result_class(slice, d);
    int padding = 14 - (int)strlen(class);
    printf("  %4d  ", (int)index + 1);
    message_print_foreign(stdout, class);
    printf("%*s  %5.3f  %7.1f %7.1f %7.1f %7.1f  %18s  %12s\n", padding > 0 ? padding : 0, "", (double)d->score, d->x1,
           d->y1, d->x2, d->y2, diameters, area);
}

int output_table_print(const slice_result *slice, reason *why) {
    print_heading(slice);
    if (slice->info.count == 0) {
        puts("  no findings");
        return 0;
    }
    printf("  %4s  %-14s  %5s  %7s %7s %7s %7s  %18s  %12s\n", "rank", "class", "score", "x1", "y1", "x2", "y2",
           "long x short", "area");
    for (int32_t i = 0; i < slice->info.count; i++) {
        uldor_detection detection;
        if (!slice_result_get(slice, i, &detection)) return reason_set(why, "%s", uldor_last_error());
        print_row(slice, i, &detection);
    }
    return 0;
}
