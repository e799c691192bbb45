/*
 * train_curves.c - see train_curves.h
 *
 * Above: the whole loss, every step and the epochs' means, and the validation loss with its least value marked. Below: the five
 * terms, epoch by epoch.
 */
#include "train_curves.h"

#include <cairo-svg.h>
#include <cairo.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output_file.h"
#include "train_history.h"

enum { WIDTH = 900, HEIGHT = 760, LEFT = 70, RIGHT = 170, TOP = 56, GAP = 70, BOTTOM = 56 };

typedef struct colour {
    double red, green, blue;
} colour;

static const colour ink = {0.20, 0.22, 0.26}, grid = {0.88, 0.89, 0.91}, training = {0.12, 0.47, 0.71}, validating = {0.84, 0.31, 0.16};
static const colour terms[TRAIN_TERMS] = {
    {0.12, 0.47, 0.71}, {0.90, 0.56, 0.10}, {0.17, 0.55, 0.29}, {0.79, 0.20, 0.28}, {0.50, 0.36, 0.71}};

typedef struct panel {
    cairo_t *cairo;
    double x, y, width, height;
    double epochs, top; /* ends of the axes; both begin at 0 */
    int legend;
} panel;

static void set(cairo_t *cairo, colour c, double alpha) { cairo_set_source_rgba(cairo, c.red, c.green, c.blue, alpha); }

/* `align` 0 left, 0.5 centred, 1 right. */
static void text_at(cairo_t *cairo, const char *text, double x, double y, double align) {
    cairo_text_extents_t extents;
    cairo_text_extents(cairo, text, &extents);
    cairo_move_to(cairo, x - align * extents.x_advance, y);
    cairo_show_text(cairo, text);
}

/* 1, 2 or 5 times a power of ten, so that about five lines fit. */
static double spacing(double range) {
    double unit = pow(10, floor(log10(range / 5)));
    double steps = range / 5 / unit;
    return unit * (steps < 1.5 ? 1 : steps < 3.5 ? 2 : steps < 7.5 ? 5 : 10);
}

static double place_x(const panel *p, double epoch) { return p->x + epoch / p->epochs * p->width; }

static double place_y(const panel *p, double value) {
    double part = value / p->top;
    return p->y + p->height * (1 - (part < 1 ? part : 1));
}

static void draw_frame(panel *p, const char *title) {
    cairo_t *cairo = p->cairo;
    char label[32];
    cairo_set_line_width(cairo, 1);
    cairo_set_font_size(cairo, 12);
    double step = spacing(p->top);
    for (int i = 0; i * step <= p->top * 1.0001; i++) {
        double y = floor(place_y(p, i * step)) + 0.5;
        set(cairo, grid, 1);
        cairo_move_to(cairo, p->x, y);
        cairo_line_to(cairo, p->x + p->width, y);
        cairo_stroke(cairo);
        set(cairo, ink, 1);
        snprintf(label, sizeof label, "%g", i * step);
        text_at(cairo, label, p->x - 8, y + 4, 1);
    }
    double tick = spacing(p->epochs) < 1 ? 1 : spacing(p->epochs);
    for (double epoch = 0; epoch <= p->epochs; epoch += tick) {
        set(cairo, ink, 1);
        snprintf(label, sizeof label, "%g", epoch);
        text_at(cairo, label, place_x(p, epoch), p->y + p->height + 18, 0.5);
    }
    set(cairo, ink, 1);
    text_at(cairo, "epoch", p->x + p->width, p->y + p->height + 34, 1);
    cairo_set_font_size(cairo, 14);
    text_at(cairo, title, p->x, p->y - 10, 0);
}

static void draw_legend(panel *p, colour c, const char *label) {
    double x = p->x + p->width + 16, y = p->y + 12 + 20 * p->legend++;
    set(p->cairo, c, 1);
    cairo_set_line_width(p->cairo, 2);
    cairo_move_to(p->cairo, x, y - 4);
    cairo_line_to(p->cairo, x + 20, y - 4);
    cairo_stroke(p->cairo);
    set(p->cairo, ink, 1);
    cairo_set_font_size(p->cairo, 12);
    text_at(p->cairo, label, x + 26, y, 0);
}

static double value_of(const train_record *record, int which) {
    return which == -2 ? record->validation : which == -1 ? record->loss : record->terms[which];
}

/* `which`: a term, -1 the loss, -2 the validation loss; of the epochs, with a mark on each, or of the steps. */
static void draw_curve(panel *p, const train_history *history, int which, bool of_epochs, colour c, double alpha) {
    bool drawing = false;
    set(p->cairo, c, alpha);
    cairo_set_line_width(p->cairo, of_epochs ? 2 : 1);
    cairo_set_line_join(p->cairo, CAIRO_LINE_JOIN_ROUND);
    for (size_t i = 0; i < history->count; i++) {
        const train_record *record = &history->records[i];
        double value = value_of(record, which);
        if (record->is_epoch != of_epochs || !isfinite(value)) continue;
        double x = place_x(p, record->epoch), y = place_y(p, value);
        if (drawing) cairo_line_to(p->cairo, x, y);
        else cairo_move_to(p->cairo, x, y);
        drawing = true;
    }
    cairo_stroke(p->cairo);
    for (size_t i = 0; of_epochs && i < history->count; i++) {
        const train_record *record = &history->records[i];
        double value = value_of(record, which);
        if (!record->is_epoch || !isfinite(value)) continue;
        cairo_new_path(p->cairo);
        cairo_arc(p->cairo, place_x(p, record->epoch), place_y(p, value), 3, 0, 6.2832);
        cairo_fill(p->cairo);
    }
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The axis holds all epochs' values and 98 of 100 steps: one outlier at the start would press the rest flat. */
static double axis_top(const train_history *history, bool of_terms) {
    double top = 0;
    size_t count = 0;
    double *steps = malloc((history->count + 1) * sizeof *steps);
    for (size_t i = 0; i < history->count; i++) {
        const train_record *record = &history->records[i];
        if (record->is_epoch) {
            for (int which = of_terms ? 0 : -2; which < (of_terms ? TRAIN_TERMS : 0); which++)
                if (value_of(record, which) > top && isfinite(value_of(record, which))) top = value_of(record, which);
        } else if (steps != NULL && isfinite(record->loss) && !of_terms) {
            steps[count++] = record->loss;
        }
    }
    if (count > 0) {
        qsort(steps, count, sizeof *steps, compare);
        double most = steps[(size_t)((double)(count - 1) * 0.98)];
        if (most > top) top = most;
    }
    free(steps);
    if (!(top > 0)) return 1;
    double step = spacing(top);
    return ceil(top / step) * step;
}

static void mark_best(panel *p, const train_history *history) {
    const train_record *best = NULL;
    for (size_t i = 0; i < history->count; i++) {
        const train_record *record = &history->records[i];
        if (record->is_epoch && isfinite(record->validation) && (best == NULL || record->validation < best->validation))
            best = record;
    }
    if (best == NULL) return;
    char label[64];
    double x = place_x(p, best->epoch), y = place_y(p, best->validation);
    set(p->cairo, validating, 1);
    cairo_set_line_width(p->cairo, 1.5);
    cairo_new_path(p->cairo); /* text leaves a point from which a line would run to the circle */
    cairo_arc(p->cairo, x, y, 7, 0, 6.2832);
    cairo_stroke(p->cairo);
    snprintf(label, sizeof label, "least: %.4g (epoch %g)", best->validation, best->epoch);
    cairo_set_font_size(p->cairo, 12);
    text_at(p->cairo, label, p->x + p->width + 16, p->y + 12 + 20 * p->legend++, 0);
}

static void draw(cairo_t *cairo, const train_history *history, const char *title) {
    double height = (HEIGHT - TOP - GAP - BOTTOM) / 2.0, epochs = 1;
    for (size_t i = 0; i < history->count; i++)
        if (history->records[i].epoch > epochs) epochs = ceil(history->records[i].epoch);
    panel above = {.cairo = cairo, .x = LEFT, .y = TOP, .width = WIDTH - LEFT - RIGHT, .height = height, .epochs = epochs};
    panel below = above;
    below.y = TOP + height + GAP;
    above.top = axis_top(history, false);
    below.top = axis_top(history, true);

    cairo_set_source_rgb(cairo, 1, 1, 1);
    cairo_paint(cairo);
    cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    set(cairo, ink, 1);
    cairo_set_font_size(cairo, 13);
    text_at(cairo, title, WIDTH - 16, 24, 1);

    draw_frame(&above, "Loss");
    draw_curve(&above, history, -1, false, training, 0.25);
    draw_curve(&above, history, -1, true, training, 1);
    draw_curve(&above, history, -2, true, validating, 1);
    draw_legend(&above, training, "training");
    draw_legend(&above, validating, "validation");
    mark_best(&above, history);

    draw_frame(&below, "Terms of the training loss, means of epochs");
    for (int i = 0; i < TRAIN_TERMS; i++) {
        draw_curve(&below, history, i, true, terms[i], 1);
        draw_legend(&below, terms[i], train_term_titles[i]);
    }
}

static cairo_status_t write_bytes(void *stream, const unsigned char *bytes, unsigned int count) {
    return fwrite(bytes, 1, count, stream) == count ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static int write_picture(const train_history *history, const char *path, const char *title, reason *why) {
    output_file file;
    if (output_file_open(&file, path, why) != 0) return -1;
    errno = 0;
    bool is_svg = strcmp(path + strlen(path) - 4, ".svg") == 0;
    cairo_surface_t *surface = is_svg ? cairo_svg_surface_create_for_stream(write_bytes, file.stream, WIDTH, HEIGHT)
                                      : cairo_image_surface_create(CAIRO_FORMAT_RGB24, WIDTH, HEIGHT);
    cairo_t *cairo = cairo_create(surface);
    draw(cairo, history, title);
    cairo_status_t status = cairo_status(cairo);
    cairo_destroy(cairo);
    if (status == CAIRO_STATUS_SUCCESS && !is_svg) status = cairo_surface_write_to_png_stream(surface, write_bytes, file.stream);
    cairo_surface_finish(surface);
    if (status == CAIRO_STATUS_SUCCESS) status = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    if (status == CAIRO_STATUS_SUCCESS) return output_file_commit(&file, why);
    if (errno != 0) reason_set_errno(why, errno);
    else reason_set(why, "%s", cairo_status_to_string(status));
    output_file_discard(&file);
    return -1;
}

int train_curves_write(const char *log, const char *path, const char *title, reason *why) {
    train_history history;
    if (train_history_read(log, &history, why) != 0) return -1;
    int status = write_picture(&history, path, title, why);
    train_history_free(&history);
    return status;
}
