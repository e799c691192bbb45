/*
 * output_overlay.c - see output_overlay.h
 *
 * What a reader of CT expects: a soft-tissue window, the patient's right side marked, a ruler, the measurement with its two
 * diameters, and a label that does not hide the lesion.
 */
#include "output_overlay.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output_file.h"
#include "overlay_draw.h"

enum { CANVAS_SIDE = 1024, MAX_SCALE = 32, FURNITURE = 6 };

typedef struct overlay {
    const slice_result *slice;
    cairo_t *cairo;
    int scale;
    double width, height; /* of the canvas */
    obstacle *obstacles;  /* FURNITURE + a box and a label for each detection */
    size_t obstacle_count;
} overlay;

static void avoid(overlay *o, rectangle area, double weight) {
    o->obstacles[o->obstacle_count++] = (obstacle){area, weight};
}

/* The longest of the usual lengths that fits into a quarter of the width. */
static void draw_ruler(overlay *o) {
    static const double lengths_cm[] = {10, 5, 2, 1, 0.5};
    double pixel_mm = o->slice->image->view.spacing_x_mm / o->scale;
    for (size_t i = 0; pixel_mm > 0 && i < sizeof lengths_cm / sizeof *lengths_cm; i++) {
        double length = lengths_cm[i] * 10 / pixel_mm, x = 14.5, y = o->height - 14.5;
        char text[32];
        if (length > o->width / 4) continue;
        for (int pass = 0; pass < 2; pass++) {
            cairo_move_to(o->cairo, x, y - 7);
            cairo_line_to(o->cairo, x, y);
            cairo_line_to(o->cairo, x + length, y);
            cairo_line_to(o->cairo, x + length, y - 7);
            cairo_set_source_rgba(o->cairo, pass ? 0.85 : 0, pass ? 0.88 : 0, pass ? 0.9 : 0, pass ? 1 : 0.8);
            cairo_set_line_width(o->cairo, pass ? 1.5 : 3.5);
            cairo_stroke(o->cairo);
        }
        snprintf(text, sizeof text, "%g cm", lengths_cm[i]);
        rectangle area = overlay_draw_text(o->cairo, text, x + length / 2, y - 6, 0.5);
        avoid(o, (rectangle){x, area.y, length, o->height - area.y}, 2);
        return;
    }
}

/* The file's name, for a numbered slice with the series' directory before it: 000001_03_01/088.png. */
static const char *short_name(const slice_result *slice) {
    const char *start = slice->path, *end = start + strlen(start);
    for (int parts = slice->image->number >= 0 ? 2 : 1; end > start; end--)
        if (end[-1] == '/' && --parts == 0) return end;
    return start;
}

static void draw_furniture(overlay *o, double centre, double width) {
    char text[128];
    const char *name = short_name(o->slice);
    cairo_set_font_size(o->cairo, 15);
    if (o->slice->image->is_volume)
        snprintf(text, sizeof text, "%.80s  slice %d", name, (int)image_slice_number(o->slice->image));
    else snprintf(text, sizeof text, "%.80s", name);
    avoid(o, overlay_draw_text(o->cairo, text, 14, 24, 0), 2);
    snprintf(text, sizeof text, "C %g  W %g", centre, width);
    avoid(o, overlay_draw_text(o->cairo, text, o->width - 14, 24, 1), 2);
    avoid(o, overlay_draw_text(o->cairo, "research use only", o->width - 14, o->height - 14, 1), 2);
    cairo_set_font_size(o->cairo, 20);
    avoid(o, overlay_draw_text(o->cairo, "R", 14, o->height / 2, 0), 2);
    avoid(o, overlay_draw_text(o->cairo, "L", o->width - 14, o->height / 2, 1), 2);
    cairo_set_font_size(o->cairo, 15);
    draw_ruler(o);
}

static void label_text(const slice_result *slice, int32_t index, const uldor_detection *d, char *text,
                       size_t capacity) {
    char size[64] = "", rank[16] = "";
    bool mm = (d->flags & ULDOR_DETECTION_HAS_MM) != 0;
    if (d->flags & ULDOR_DETECTION_HAS_RECIST)
        snprintf(size, sizeof size, "   %.1f \xC3\x97 %.1f %s", mm ? d->long_mm : d->long_px,
                 mm ? d->short_mm : d->short_px, mm ? "mm" : "px");
    if (slice->info.count > 1) snprintf(rank, sizeof rank, "#%d  ", (int)index + 1);
    snprintf(text, capacity, "%s%s%.2f%s", rank, d->class_index == ULDOR_CLASS_FALSE_POSITIVE ? "FP " : "",
             (double)d->score, size);
}

static void draw_label(overlay *o, int32_t index, const uldor_detection *d) {
    char text[128];
    cairo_text_extents_t extents;
    double from[2], to[2];
    rectangle lesion = {d->x1 * o->scale, d->y1 * o->scale, (d->x2 - d->x1) * o->scale, (d->y2 - d->y1) * o->scale};
    label_text(o->slice, index, d, text, sizeof text);
    cairo_text_extents(o->cairo, text, &extents);
    rectangle place =
        overlay_label_place(extents.x_advance + 18, 24, &lesion, o->obstacles, o->obstacle_count, o->width, o->height);
    avoid(o, place, 40);

    if (overlay_label_leader(&place, &lesion, from, to)) {
        cairo_move_to(o->cairo, from[0], from[1]);
        cairo_line_to(o->cairo, to[0], to[1]);
        overlay_set_colour(o->cairo, d, 0.8);
        cairo_set_line_width(o->cairo, 1);
        cairo_stroke(o->cairo);
    }
    cairo_rectangle(o->cairo, place.x, place.y, place.width, place.height);
    cairo_set_source_rgba(o->cairo, 0.04, 0.05, 0.07, 0.78);
    cairo_fill(o->cairo);
    cairo_rectangle(o->cairo, place.x, place.y, 3, place.height);
    overlay_set_colour(o->cairo, d, 1);
    cairo_fill(o->cairo);
    cairo_move_to(o->cairo, place.x + 10, place.y + 17);
    cairo_set_source_rgb(o->cairo, 1, 1, 1);
    cairo_show_text(o->cairo, text);
}

static int draw_detections(overlay *o, reason *why) {
    uldor_detection detection;
    /* The best last, so that it lies on top; its label first, so that it gets the best place. */
    for (int32_t i = o->slice->info.count - 1; i >= 0; i--) {
        if (!slice_result_get(o->slice, i, &detection) ||
            !overlay_draw_detection(o->cairo, o->slice, i, &detection, o->scale))
            return reason_set(why, "%s", uldor_last_error());
        double s = o->scale;
        rectangle box = {detection.x1 * s, detection.y1 * s, (detection.x2 - detection.x1) * s,
                         (detection.y2 - detection.y1) * s};
        avoid(o, box, detection.class_index == ULDOR_CLASS_FALSE_POSITIVE ? 4 : 20);
    }
    for (int32_t i = 0; i < o->slice->info.count; i++)
        if (slice_result_get(o->slice, i, &detection)) draw_label(o, i, &detection);
    return 0;
}

static cairo_status_t write_bytes(void *stream, const unsigned char *bytes, unsigned int count) {
    return fwrite(bytes, 1, count, stream) == count ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static int write_surface(cairo_surface_t *surface, const char *path, reason *why) {
    output_file file;
    if (output_file_open(&file, path, why) != 0) return -1;
    errno = 0;
    cairo_status_t status = cairo_surface_write_to_png_stream(surface, write_bytes, file.stream);
    if (status == CAIRO_STATUS_SUCCESS) return output_file_commit(&file, why);
    if (errno != 0) reason_set_errno(why, errno);
    else reason_set(why, "%s", cairo_status_to_string(status));
    output_file_discard(&file);
    return -1;
}

int output_overlay_write(const slice_result *slice, const char *path, double window_centre, double window_width,
                         reason *why) {
    int32_t side = slice->info.width > slice->info.height ? slice->info.width : slice->info.height;
    int scale = (int)((CANVAS_SIDE + side - 1) / side);
    if (scale > MAX_SCALE) scale = MAX_SCALE;
    overlay o = {
        .slice = slice, .scale = scale, .width = slice->info.width * scale, .height = slice->info.height * scale};
    o.obstacles = malloc((FURNITURE + 2 * (size_t)slice->info.count) * sizeof *o.obstacles);
    if (o.obstacles == NULL) return reason_set(why, "not enough memory");
    cairo_surface_t *surface = overlay_draw_slice(slice->image, scale, window_centre, window_width);
    o.cairo = cairo_create(surface);
    cairo_select_font_face(o.cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    draw_furniture(&o, window_centre, window_width);
    int status = draw_detections(&o, why);
    if (status == 0 && cairo_status(o.cairo) != CAIRO_STATUS_SUCCESS)
        status = reason_set(why, "%s", cairo_status_to_string(cairo_status(o.cairo)));
    cairo_destroy(o.cairo);
    if (status == 0) status = write_surface(surface, path, why);
    cairo_surface_destroy(surface);
    free(o.obstacles);
    return status;
}
