/* froc_plot.c - the FROC curve as SVG or PNG; see froc_output.h */
#include <cairo-svg.h>
#include <cairo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "froc_output.h"
#include "output_file.h"

enum { WIDTH = 640, HEIGHT = 460, LEFT = 74, RIGHT = 22, TOP = 44, BOTTOM = 60 };

static bool ends_with(const char *path, const char *ending) {
    size_t length = strlen(path), tail = strlen(ending);
    return length > tail && strcmp(path + length - tail, ending) == 0;
}

bool froc_plot_is_known(const char *path) { return ends_with(path, ".svg") || ends_with(path, ".png"); }

static double place_x(double level) {
    double part = log2(fmax(level, FROC_PLOT_FIRST) / FROC_PLOT_FIRST) / log2(FROC_PLOT_LAST / FROC_PLOT_FIRST);
    return LEFT + fmin(part, 1) * (WIDTH - LEFT - RIGHT);
}
static double place_y(double sensitivity) { return TOP + (1 - sensitivity) * (HEIGHT - TOP - BOTTOM); }

static void text_at(cairo_t *cr, double x, double y, double align, const char *text) {
    cairo_text_extents_t extents;
    cairo_text_extents(cr, text, &extents);
    cairo_move_to(cr, x - align * extents.x_advance, y);
    cairo_show_text(cr, text);
}

static void axes(cairo_t *cr, const froc_report *report) {
    char text[160];
    cairo_set_font_size(cr, 13);
    for (int i = 0; i <= 5; i++) {
        double y = place_y(i / 5.0);
        cairo_set_source_rgb(cr, 0.88, 0.88, 0.88);
        cairo_set_line_width(cr, 1);
        cairo_move_to(cr, LEFT, y), cairo_line_to(cr, WIDTH - RIGHT, y), cairo_stroke(cr);
        cairo_set_source_rgb(cr, 0.15, 0.15, 0.15);
        snprintf(text, sizeof text, "%d", 20 * i);
        text_at(cr, LEFT - 8, y + 4.5, 1, text);
    }
    for (double level = FROC_PLOT_FIRST; level <= FROC_PLOT_LAST; level *= 2) {
        double x = place_x(level);
        cairo_set_source_rgb(cr, 0.88, 0.88, 0.88);
        cairo_move_to(cr, x, TOP), cairo_line_to(cr, x, HEIGHT - BOTTOM), cairo_stroke(cr);
        cairo_set_source_rgb(cr, 0.15, 0.15, 0.15);
        snprintf(text, sizeof text, "%g", level);
        text_at(cr, x, HEIGHT - BOTTOM + 19, 0.5, text);
    }
    cairo_rectangle(cr, LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    cairo_set_line_width(cr, 1.2);
    cairo_stroke(cr);
    cairo_set_font_size(cr, 14);
    text_at(cr, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 16, 0.5, "False positives per image");
    cairo_save(cr);
    cairo_translate(cr, 24, (TOP + HEIGHT - BOTTOM) / 2.0);
    cairo_rotate(cr, -acos(0));
    text_at(cr, 0, 0, 0.5, "Sensitivity (%)");
    cairo_restore(cr);
    uldor_froc_info info = {.struct_size = sizeof info};
    uldor_froc_get_info(report->froc, &info);
    snprintf(text, sizeof text, "FROC, convention %s, IoU %s %g: %lld lesions in %lld images", report->convention,
             report->is_continued ? "\u2265" : ">", report->iou_threshold, (long long)info.lesions, (long long)info.images);
    text_at(cr, LEFT, TOP - 15, 0, text);
}

static void band(cairo_t *cr, const froc_report *report) {
    uldor_froc_sensitivity at[FROC_PLOT_LEVELS];
    int count = 0;
    for (int i = 0; i < FROC_PLOT_LEVELS; i++) {
        at[count].struct_size = sizeof *at;
        if (uldor_froc_get_sensitivity(report->froc, 0, report->levels + i, &at[count]) < 0 || isnan(at[count].low)) break;
        count++;
    }
    if (count < 2) return;
    cairo_new_path(cr); /* text leaves a current point behind */
    for (int i = 0; i < count; i++) cairo_line_to(cr, place_x(at[i].level), place_y(at[i].low));
    for (int i = count; i-- > 0;) cairo_line_to(cr, place_x(at[i].level), place_y(at[i].high));
    cairo_close_path(cr);
    cairo_set_source_rgba(cr, 0.12, 0.40, 0.70, 0.2);
    cairo_fill(cr);
}

static void curve(cairo_t *cr, const froc_report *report, const double *points, size_t count) {
    double height = 0, end = 0;
    size_t i = 0;
    for (; i < count && points[3 * i + 1] <= FROC_PLOT_FIRST; i++) {
        end = points[3 * i + 1];
        height = isnan(points[3 * i + 2]) ? 0 : points[3 * i + 2];
    }
    cairo_new_path(cr);
    cairo_move_to(cr, LEFT, place_y(height));
    for (; i < count; i++) {
        end = points[3 * i + 1];
        if (end > FROC_PLOT_LAST) break;
        cairo_line_to(cr, place_x(end), place_y(height));
        height = isnan(points[3 * i + 2]) ? 0 : points[3 * i + 2];
        cairo_line_to(cr, place_x(end), place_y(height));
    }
    if (report->is_continued || end > FROC_PLOT_LAST) cairo_line_to(cr, WIDTH - RIGHT, place_y(height));
    cairo_set_source_rgb(cr, 0.12, 0.40, 0.70);
    cairo_set_line_width(cr, 2.2);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    cairo_stroke(cr);
    for (int32_t l = 0; l < report->levels; l++) {
        uldor_froc_sensitivity at = {.struct_size = sizeof at};
        if (uldor_froc_get_sensitivity(report->froc, 0, l, &at) < 0 || isnan(at.sensitivity)) continue;
        if (at.level < FROC_PLOT_FIRST || at.level > FROC_PLOT_LAST) continue;
        cairo_arc(cr, place_x(at.level), place_y(at.sensitivity), 3.6, 0, 4 * acos(0));
        cairo_fill(cr);
    }
    if (report->bootstrap > 0) {
        char text[64];
        snprintf(text, sizeof text, "band: %g %% interval, bootstrap by patient", 100 * report->confidence);
        cairo_set_font_size(cr, 12);
        cairo_set_source_rgb(cr, 0.15, 0.15, 0.15);
        text_at(cr, WIDTH - RIGHT - 10, HEIGHT - BOTTOM - 12, 1, text);
    }
}

static void draw(cairo_t *cr, const froc_report *report, const double *points, size_t count) {
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_paint(cr);
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    axes(cr, report);
    band(cr, report);
    curve(cr, report, points, count);
}

static cairo_status_t write_part(void *stream, const unsigned char *data, unsigned int length) {
    return fwrite(data, 1, length, stream) == length ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

int froc_write_plot(const froc_report *report, const char *path, reason *why) {
    size_t count = 0;
    uldor_froc_get_curve(report->froc, NULL, 0, &count);
    double *points = calloc(count + 1, 3 * sizeof *points);
    output_file file;
    if (points == NULL || (count > 0 && uldor_froc_get_curve(report->froc, points, count, &count) < 0)) {
        free(points);
        return reason_set(why, "not enough memory");
    }
    if (output_file_open(&file, path, why) != 0) {
        free(points);
        return -1;
    }
    bool is_svg = ends_with(path, ".svg");
    const double scale = is_svg ? 1 : 2;
    cairo_surface_t *surface = is_svg ? cairo_svg_surface_create_for_stream(write_part, file.stream, WIDTH, HEIGHT)
                                      : cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)(scale * WIDTH), (int)(scale * HEIGHT));
    cairo_t *cr = cairo_create(surface);
    cairo_scale(cr, scale, scale);
    draw(cr, report, points, count);
    cairo_status_t status = cairo_status(cr);
    cairo_destroy(cr);
    if (status == CAIRO_STATUS_SUCCESS && !is_svg) status = cairo_surface_write_to_png_stream(surface, write_part, file.stream);
    cairo_surface_finish(surface);
    if (status == CAIRO_STATUS_SUCCESS) status = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    free(points);
    if (status == CAIRO_STATUS_SUCCESS) return output_file_commit(&file, why);
    output_file_discard(&file);
    return reason_set(why, "%s", cairo_status_to_string(status));
}
