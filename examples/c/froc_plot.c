/* froc_plot.c - the FROC curve as SVG or PNG; see froc_output.h */
#include <cairo.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "froc_output.h"
#include "plot_file.h"

enum { WIDTH = 640, HEIGHT = 460, LEFT = 74, RIGHT = 22, TOP = 44, BOTTOM = 60 };

static double place_x(double level) {
    double part = log2(fmax(level, FROC_PLOT_FIRST) / FROC_PLOT_FIRST) / log2(FROC_PLOT_LAST / FROC_PLOT_FIRST);
    return LEFT + fmin(part, 1) * (WIDTH - LEFT - RIGHT);
}
static double place_y(double sensitivity) { return TOP + (1 - sensitivity) * (HEIGHT - TOP - BOTTOM); }

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
        plot_text(cr, text, LEFT - 8, y + 4.5, 1);
    }
    for (double level = FROC_PLOT_FIRST; level <= FROC_PLOT_LAST; level *= 2) {
        double x = place_x(level);
        cairo_set_source_rgb(cr, 0.88, 0.88, 0.88);
        cairo_move_to(cr, x, TOP), cairo_line_to(cr, x, HEIGHT - BOTTOM), cairo_stroke(cr);
        cairo_set_source_rgb(cr, 0.15, 0.15, 0.15);
        snprintf(text, sizeof text, "%g", level);
        plot_text(cr, text, x, HEIGHT - BOTTOM + 19, 0.5);
    }
    cairo_rectangle(cr, LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    cairo_set_line_width(cr, 1.2);
    cairo_stroke(cr);
    cairo_set_font_size(cr, 14);
    plot_text(cr, "False positives per image", (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 16, 0.5);
    cairo_save(cr);
    cairo_translate(cr, 24, (TOP + HEIGHT - BOTTOM) / 2.0);
    cairo_rotate(cr, -acos(0));
    plot_text(cr, "Sensitivity (%)", 0, 0, 0.5);
    cairo_restore(cr);
    uldor_froc_info info = {.struct_size = sizeof info};
    uldor_froc_get_info(report->froc, &info);
    snprintf(text, sizeof text, "FROC, convention %s, IoU %s %g: %lld lesions in %lld images", report->convention,
             report->is_continued ? "\u2265" : ">", report->iou_threshold, (long long)info.lesions, (long long)info.images);
    plot_text(cr, text, LEFT, TOP - 15, 0);
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
        plot_text(cr, text, WIDTH - RIGHT - 10, HEIGHT - BOTTOM - 12, 1);
    }
}

/* The box without an image: a mark where it stands, and level from there. */
static void image_free(cairo_t *cr, const froc_report *report) {
    static const double dashes[] = {6, 4};
    uldor_froc_subset all = {.struct_size = sizeof all};
    if (report->box_froc == NULL || uldor_froc_get_subset(report->box_froc, 0, &all) < 0 || isnan(all.sensitivity)) return;
    double x = place_x(froc_box_level(report)), y = place_y(all.sensitivity);
    cairo_set_source_rgb(cr, 0.75, 0.30, 0.10);
    cairo_set_line_width(cr, 1.6);
    cairo_new_path(cr);
    cairo_move_to(cr, x, y), cairo_line_to(cr, WIDTH - RIGHT, y);
    cairo_set_dash(cr, dashes, 2, 0);
    cairo_stroke(cr);
    cairo_set_dash(cr, NULL, 0, 0);
    cairo_rectangle(cr, x - 3.5, y - 3.5, 7, 7);
    cairo_fill(cr);
    cairo_set_font_size(cr, 12);
    plot_text(cr, "box without an image", WIDTH - RIGHT - 10, y > TOP + 20 ? y - 6 : y + 16, 1);
    cairo_new_path(cr);
}

typedef struct froc_picture {
    const froc_report *report;
    double *points;
    size_t count;
} froc_picture;

static void draw(cairo_t *cr, const void *content) {
    const froc_picture *picture = content;
    axes(cr, picture->report);
    band(cr, picture->report);
    image_free(cr, picture->report);
    curve(cr, picture->report, picture->points, picture->count);
}

int froc_write_plot(const froc_report *report, const char *path, reason *why) {
    froc_picture picture = {.report = report};
    plot plot = {.width = WIDTH, .height = HEIGHT, .png_scale = 2, .draw = draw, .content = &picture};
    if (froc_copy_curve(report->froc, &picture.points, &picture.count, why) != 0) return -1;
    int status = plot_file_write(&plot, path, why);
    free(picture.points);
    return status;
}
