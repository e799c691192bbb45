/* overlay_draw.c - see overlay_draw.h */
#include "overlay_draw.h"

#include <math.h>
#include <stdlib.h>

static void fill_grey(cairo_surface_t *surface, const image *image, double centre, double width) {
    unsigned char *pixels = cairo_image_surface_get_data(surface);
    int stride = cairo_image_surface_get_stride(surface);
    double low = centre - width / 2;
    cairo_surface_flush(surface);
    for (int32_t y = 0; y < image->view.height; y++) {
        uint32_t *row = (uint32_t *)(void *)(pixels + (ptrdiff_t)y * stride);
        for (int32_t x = 0; x < image->view.width; x++) {
            double level = (image_hu(image, x, y) - low) / width;
            uint32_t grey = level >= 1 ? 255 : level > 0 ? (uint32_t)(level * 255 + 0.5) : 0;
            row[x] = grey << 16 | grey << 8 | grey;
        }
    }
    cairo_surface_mark_dirty(surface);
}

cairo_surface_t *overlay_draw_slice(const image *image, int scale, double centre, double width) {
    cairo_surface_t *grey = cairo_image_surface_create(CAIRO_FORMAT_RGB24, image->view.width, image->view.height);
    if (cairo_surface_status(grey) != CAIRO_STATUS_SUCCESS) return grey;
    fill_grey(grey, image, centre, width);
    if (scale == 1) return grey;
    cairo_surface_t *canvas =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, image->view.width * scale, image->view.height * scale);
    cairo_t *cairo = cairo_create(canvas);
    cairo_scale(cairo, scale, scale);
    cairo_set_source_surface(cairo, grey, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cairo), CAIRO_FILTER_BILINEAR);
    cairo_pattern_set_extend(cairo_get_source(cairo), CAIRO_EXTEND_PAD);
    cairo_paint(cairo);
    cairo_destroy(cairo);
    cairo_surface_destroy(grey);
    return canvas;
}

void overlay_set_colour(cairo_t *cairo, const uldor_detection *detection, double alpha) {
    if (detection->class_index == ULDOR_CLASS_FALSE_POSITIVE) cairo_set_source_rgba(cairo, 0.85, 0.55, 0.95, alpha);
    else cairo_set_source_rgba(cairo, 1.0, 0.72, 0.15, alpha);
}

static bool add_contours(cairo_t *cairo, const slice_result *slice, int32_t index, int scale) {
    int32_t contours = 0;
    if (uldor_result_get_contour_count(slice->result, index, &contours) < 0) return false;
    for (int32_t c = 0; c < contours; c++) {
        size_t count = 0;
        if (uldor_result_get_contour(slice->result, index, c, NULL, 0, &count) < 0) return false;
        double *xy = malloc((2 * count + 1) * sizeof *xy);
        bool fine = xy != NULL && uldor_result_get_contour(slice->result, index, c, xy, count, &count) >= 0;
        for (size_t i = 0; fine && i < count; i++) cairo_line_to(cairo, xy[2 * i] * scale, xy[2 * i + 1] * scale);
        if (count > 0) cairo_close_path(cairo);
        free(xy);
        if (!fine) return false;
    }
    return true;
}

/* A line with a short bar across each end; a dark one below it keeps it visible on bone. */
static void draw_axis(cairo_t *cairo, double x1, double y1, double x2, double y2, double line_width) {
    double length = hypot(x2 - x1, y2 - y1), tick = fmin(5, 1 + length / 8);
    double across_x = length > 0 ? -(y2 - y1) / length * tick : 0;
    double across_y = length > 0 ? (x2 - x1) / length * tick : tick;
    cairo_move_to(cairo, x1, y1);
    cairo_line_to(cairo, x2, y2);
    for (int end = 0; end < 2; end++) {
        double x = end ? x2 : x1, y = end ? y2 : y1;
        cairo_move_to(cairo, x - across_x, y - across_y);
        cairo_line_to(cairo, x + across_x, y + across_y);
    }
    cairo_set_source_rgba(cairo, 0, 0, 0, 0.55);
    cairo_set_line_width(cairo, line_width + 1.6);
    cairo_stroke_preserve(cairo);
    cairo_set_source_rgb(cairo, 0.35, 0.95, 1.0);
    cairo_set_line_width(cairo, line_width);
    cairo_stroke(cairo);
}

bool overlay_draw_detection(cairo_t *cairo, const slice_result *slice, int32_t index, const uldor_detection *d,
                            int scale) {
    static const double dashes[] = {5, 4};
    bool is_lesion = d->class_index != ULDOR_CLASS_FALSE_POSITIVE;
    cairo_new_path(cairo);
    if (!add_contours(cairo, slice, index, scale)) return false;
    cairo_set_fill_rule(cairo, CAIRO_FILL_RULE_EVEN_ODD);
    if (is_lesion) {
        overlay_set_colour(cairo, d, 0.16);
        cairo_fill_preserve(cairo);
    }
    cairo_set_dash(cairo, dashes, is_lesion ? 0 : 2, 0);
    overlay_set_colour(cairo, d, 0.95);
    cairo_set_line_width(cairo, 1.4);
    cairo_stroke(cairo);

    /* The box on whole pixels: a thin line stays thin. */
    double left = floor(d->x1 * scale) + 0.5, top = floor(d->y1 * scale) + 0.5;
    cairo_rectangle(cairo, left, top, ceil(d->x2 * scale) - 0.5 - left, ceil(d->y2 * scale) - 0.5 - top);
    cairo_set_source_rgba(cairo, 1, 1, 1, 0.55);
    cairo_set_line_width(cairo, 1);
    cairo_stroke(cairo);
    cairo_set_dash(cairo, NULL, 0, 0);

    if (is_lesion && (d->flags & ULDOR_DETECTION_HAS_RECIST)) {
        draw_axis(cairo, d->short_x1 * scale, d->short_y1 * scale, d->short_x2 * scale, d->short_y2 * scale, 1.2);
        draw_axis(cairo, d->long_x1 * scale, d->long_y1 * scale, d->long_x2 * scale, d->long_y2 * scale, 1.6);
    }
    return true;
}

rectangle overlay_draw_text(cairo_t *cairo, const char *text, double x, double y, double align) {
    cairo_text_extents_t extents;
    cairo_font_extents_t font;
    cairo_text_extents(cairo, text, &extents);
    cairo_font_extents(cairo, &font);
    double left = x - align * extents.x_advance;
    cairo_move_to(cairo, left, y);
    cairo_text_path(cairo, text);
    cairo_set_source_rgba(cairo, 0, 0, 0, 0.8);
    cairo_set_line_width(cairo, 2.5);
    cairo_set_line_join(cairo, CAIRO_LINE_JOIN_ROUND);
    cairo_stroke(cairo);
    cairo_move_to(cairo, left, y);
    cairo_set_source_rgb(cairo, 0.85, 0.88, 0.9);
    cairo_show_text(cairo, text);
    return (rectangle){left, y - font.ascent, extents.x_advance, font.ascent + font.descent};
}
