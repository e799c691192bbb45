/*
 * train_curves.c - see train_curves.h
 *
 * Above: the whole loss, every step and the epochs' means, and the validation loss with its least value marked. Below: the five
 * terms, epoch by epoch.
 */
#include "train_curves.h"

#include <cairo.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "plot_file.h"
#include "train_history.h"
#include "train_panel.h"

enum { WIDTH = 900, HEIGHT = 760, LEFT = 70, RIGHT = 170, TOP = 56, GAP = 70, BOTTOM = 56 };

static const colour training = {0.12, 0.47, 0.71}, validating = {0.84, 0.31, 0.16};
static const colour terms[TRAIN_TERMS] = {
    {0.12, 0.47, 0.71}, {0.90, 0.56, 0.10}, {0.17, 0.55, 0.29}, {0.79, 0.20, 0.28}, {0.50, 0.36, 0.71}};

enum { VALIDATION = -2, LOSS = -1 /* terms are 0 ... */ };

static double value_of(const train_record *record, int which) {
    return which == VALIDATION ? record->validation : which == LOSS ? record->loss : record->terms[which];
}

/* `which`: VALIDATION, LOSS or a term; of the epochs, with a mark on each, or of the steps. */
static void draw_curve(panel *p, const train_history *history, int which, bool of_epochs, colour c, double alpha) {
    bool drawing = false;
    panel_set_colour(p->cairo, c, alpha);
    cairo_set_line_width(p->cairo, of_epochs ? 2 : 1);
    cairo_set_line_join(p->cairo, CAIRO_LINE_JOIN_ROUND);
    for (size_t i = 0; i < history->count; i++) {
        const train_record *record = &history->records[i];
        double value = value_of(record, which);
        if (record->is_epoch != of_epochs || !isfinite(value)) continue;
        double x = panel_x(p, record->epoch), y = panel_y(p, value);
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
        cairo_arc(p->cairo, panel_x(p, record->epoch), panel_y(p, value), 3, 0, 6.2832);
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
            for (int which = of_terms ? 0 : VALIDATION; which < (of_terms ? TRAIN_TERMS : 0); which++)
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
    double step = panel_spacing(top);
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
    double x = panel_x(p, best->epoch), y = panel_y(p, best->validation);
    panel_set_colour(p->cairo, validating, 1);
    cairo_set_line_width(p->cairo, 1.5);
    cairo_new_path(p->cairo); /* text leaves a point from which a line would run to the circle */
    cairo_arc(p->cairo, x, y, 7, 0, 6.2832);
    cairo_stroke(p->cairo);
    snprintf(label, sizeof label, "least: %.4g (epoch %g)", best->validation, best->epoch);
    panel_add_to_legend(p, label);
}

typedef struct train_picture {
    train_history history;
    const char *title;
} train_picture;

static void draw(cairo_t *cairo, const void *content) {
    const train_picture *picture = content;
    const train_history *history = &picture->history;
    double height = (HEIGHT - TOP - GAP - BOTTOM) / 2.0, epochs = 1;
    for (size_t i = 0; i < history->count; i++)
        if (history->records[i].epoch > epochs) epochs = ceil(history->records[i].epoch);
    panel above = {.cairo = cairo, .x = LEFT, .y = TOP, .width = WIDTH - LEFT - RIGHT, .height = height, .epochs = epochs};
    panel below = above;
    below.y = TOP + height + GAP;
    above.top = axis_top(history, false);
    below.top = axis_top(history, true);

    panel_set_colour(cairo, panel_ink, 1);
    cairo_set_font_size(cairo, 13);
    plot_text(cairo, picture->title, WIDTH - 16, 24, 1);

    panel_draw_frame(&above, "Loss");
    draw_curve(&above, history, LOSS, false, training, 0.25);
    draw_curve(&above, history, LOSS, true, training, 1);
    draw_curve(&above, history, VALIDATION, true, validating, 1);
    panel_draw_legend(&above, training, "training");
    panel_draw_legend(&above, validating, "validation");
    mark_best(&above, history);

    panel_draw_frame(&below, "Terms of the training loss, means of epochs");
    for (int i = 0; i < TRAIN_TERMS; i++) {
        draw_curve(&below, history, i, true, terms[i], 1);
        panel_draw_legend(&below, terms[i], train_term_titles[i]);
    }
}

int train_curves_write(const char *log, const char *path, const char *title, reason *why) {
    train_picture picture = {.title = title};
    plot plot = {.width = WIDTH, .height = HEIGHT, .png_scale = 1, .draw = draw, .content = &picture};
    if (train_history_read(log, &picture.history, why) != 0) return -1;
    int status = plot_file_write(&plot, path, why);
    train_history_free(&picture.history);
    return status;
}
