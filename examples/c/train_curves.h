/* train_curves.h - the losses of a training run as a picture (cairo): SVG or PNG */
#ifndef TRAIN_CURVES_H
#define TRAIN_CURVES_H

#include "reason.h"

/* Draws the log at `log` to `path`, whose ending says what it is: ".svg" or ".png". `title` stands above. */
int train_curves_write(const char *log, const char *path, const char *title, reason *why);

#endif
