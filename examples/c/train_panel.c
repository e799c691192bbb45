/* train_panel.c - see train_panel.h */
#include "train_panel.h"

#include <math.h>
#include <stdio.h>

#include "plot_file.h"

const colour panel_ink = {0.20, 0.22, 0.26};
static const colour grid = {0.88, 0.89, 0.91};

void panel_set_colour(cairo_t *cairo, colour c, double alpha) { cairo_set_source_rgba(cairo, c.red, c.green, c.blue, alpha); }

double panel_spacing(double range) {
    double unit = pow(10, floor(log10(range / 5)));
    double steps = range / 5 / unit;
    return unit * (steps < 1.5 ? 1 : steps < 3.5 ? 2 : steps < 7.5 ? 5 : 10);
}

double panel_x(const panel *p, double epoch) { return p->x + epoch / p->epochs * p->width; }

double panel_y(const panel *p, double value) {
    double part = value / p->top;
    return p->y + p->height * (1 - (part < 1 ? part : 1));
}

void panel_draw_frame(panel *p, const char *title) {
    cairo_t *cairo = p->cairo;
    char label[32];
    cairo_set_line_width(cairo, 1);
    cairo_set_font_size(cairo, 12);
    double step = panel_spacing(p->top);
    for (int i = 0; i * step <= p->top * 1.0001; i++) {
        double y = floor(panel_y(p, i * step)) + 0.5;
        panel_set_colour(cairo, grid, 1);
        cairo_move_to(cairo, p->x, y);
        cairo_line_to(cairo, p->x + p->width, y);
        cairo_stroke(cairo);
        panel_set_colour(cairo, panel_ink, 1);
        snprintf(label, sizeof label, "%g", i * step);
        plot_text(cairo, label, p->x - 8, y + 4, 1);
    }
    double tick = panel_spacing(p->epochs) < 1 ? 1 : panel_spacing(p->epochs);
    for (double epoch = 0; epoch <= p->epochs; epoch += tick) {
        panel_set_colour(cairo, panel_ink, 1);
        snprintf(label, sizeof label, "%g", epoch);
        plot_text(cairo, label, panel_x(p, epoch), p->y + p->height + 18, 0.5);
    }
    panel_set_colour(cairo, panel_ink, 1);
    plot_text(cairo, "epoch", p->x + p->width, p->y + p->height + 34, 1);
    cairo_set_font_size(cairo, 14);
    plot_text(cairo, title, p->x, p->y - 10, 0);
}

static double next_legend_y(panel *p) { return p->y + 12 + 20 * p->legend++; }

void panel_draw_legend(panel *p, colour c, const char *label) {
    double x = p->x + p->width + 16, y = next_legend_y(p);
    panel_set_colour(p->cairo, c, 1);
    cairo_set_line_width(p->cairo, 2);
    cairo_move_to(p->cairo, x, y - 4);
    cairo_line_to(p->cairo, x + 20, y - 4);
    cairo_stroke(p->cairo);
    panel_set_colour(p->cairo, panel_ink, 1);
    cairo_set_font_size(p->cairo, 12);
    plot_text(p->cairo, label, x + 26, y, 0);
}

void panel_add_to_legend(panel *p, const char *text) {
    cairo_set_font_size(p->cairo, 12);
    plot_text(p->cairo, text, p->x + p->width + 16, next_legend_y(p), 0);
}
