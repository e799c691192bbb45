/* fingerprint.h - tells files apart by their bytes: for saying what a result was computed from, not against forgery */
#ifndef FINGERPRINT_H
#define FINGERPRINT_H

#include "reason.h"

typedef struct fingerprint {
    char text[64]; /* "8812 bytes, 0f3c..." */
} fingerprint;

int fingerprint_of_file(const char *path, fingerprint *print, reason *why);

#endif
