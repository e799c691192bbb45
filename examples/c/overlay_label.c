/*
 * overlay_label.c - see overlay_label.h
 *
 * A few hundred places around the lesion are tried, nearest first, and the one that covers least is taken. Good enough for
 * dozens of findings, and it always ends.
 */
#include "overlay_label.h"

#include <math.h>

static double shared_length(double a, double a_length, double b, double b_length) {
    return fmax(0, fmin(a + a_length, b + b_length) - fmax(a, b));
}

static double shared_area(const rectangle *a, const rectangle *b) {
    return shared_length(a->x, a->width, b->x, b->width) * shared_length(a->y, a->height, b->y, b->height);
}

static double clamped(double value, double low, double high) { return fmax(low, fmin(value, high)); }

rectangle overlay_label_place(double label_width, double label_height, const rectangle *lesion,
                              const obstacle *obstacles, size_t count, double canvas_width, double canvas_height) {
    static const double gaps[] = {8, 20, 36, 56, 80, 110, 150, 200, 260};
    /* Upper right first: where a reader looks for it. */
    static const double directions[][2] = {{1, -1},  {-1, -1},  {1, 1},    {-1, 1},   {0, -1},   {0, 1},
                                           {1, 0},   {-1, 0},   {0.5, -1}, {0.5, 1},  {-0.5, 1}, {-0.5, -1},
                                           {1, 0.5}, {1, -0.5}, {-1, 0.5}, {-1, -0.5}};
    const double margin = 6;
    rectangle best = {margin, margin, label_width, label_height};
    double least = INFINITY;
    for (size_t g = 0; g < sizeof gaps / sizeof *gaps; g++) {
        for (size_t d = 0; d < sizeof directions / sizeof *directions; d++) {
            double reach_x = lesion->width / 2 + label_width / 2 + gaps[g],
                   reach_y = lesion->height / 2 + label_height / 2 + gaps[g];
            rectangle place = {lesion->x + lesion->width / 2 + directions[d][0] * reach_x - label_width / 2,
                               lesion->y + lesion->height / 2 + directions[d][1] * reach_y - label_height / 2,
                               label_width, label_height};
            place.x = clamped(place.x, margin, fmax(margin, canvas_width - label_width - margin));
            place.y = clamped(place.y, margin, fmax(margin, canvas_height - label_height - margin));
            double cost = 4 * gaps[g] + (double)d;
            for (size_t i = 0; i < count; i++) cost += obstacles[i].weight * shared_area(&place, &obstacles[i].area);
            if (cost < least) {
                least = cost;
                best = place;
            }
        }
    }
    return best;
}

/* The ends of the shortest way between two intervals; the middle of what they share when they overlap. */
static void nearest(double a, double a_length, double b, double b_length, double *on_a, double *on_b) {
    if (a + a_length < b) {
        *on_a = a + a_length;
        *on_b = b;
    } else if (b + b_length < a) {
        *on_a = a;
        *on_b = b + b_length;
    } else {
        *on_a = *on_b = (fmax(a, b) + fmin(a + a_length, b + b_length)) / 2;
    }
}

bool overlay_label_leader(const rectangle *label, const rectangle *lesion, double from[2], double to[2]) {
    nearest(label->x, label->width, lesion->x, lesion->width, &from[0], &to[0]);
    nearest(label->y, label->height, lesion->y, lesion->height, &from[1], &to[1]);
    return hypot(to[0] - from[0], to[1] - from[1]) > 0;
}
