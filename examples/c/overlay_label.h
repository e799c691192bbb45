/* overlay_label.h - where labels go: near their lesion, over none */
#ifndef OVERLAY_LABEL_H
#define OVERLAY_LABEL_H

#include <stdbool.h>
#include <stddef.h>

typedef struct rectangle {
    double x, y, width, height;
} rectangle;

/* Something that a label had better not cover; `weight` says how badly. */
typedef struct obstacle {
    rectangle area;
    double weight;
} obstacle;

/* The best place for a label of this size beside `lesion`, within a canvas. */
rectangle overlay_label_place(double label_width, double label_height, const rectangle *lesion,
                              const obstacle *obstacles, size_t count, double canvas_width, double canvas_height);
/* The shortest line between two rectangles: from[2], to[2]. False when they touch. */
bool overlay_label_leader(const rectangle *label, const rectangle *lesion, double from[2], double to[2]);

#endif
