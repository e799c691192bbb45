/* json_text.h - values for jansson that always work: any bytes as text, readable numbers, never NaN */
#ifndef JSON_TEXT_H
#define JSON_TEXT_H

#include <jansson.h>

#include "reason.h"

/* Flags for writing: with 15 digits a number that was rounded is printed as it was rounded. */
#define JSON_TEXT_FLAGS (JSON_REAL_PRECISION(15) | JSON_ENSURE_ASCII)

/* `text` as a string; bytes that are not UTF-8 become U+FFFD. */
json_t *json_text(const char *text);
/* 15 significant digits; null when not finite. */
json_t *json_number(double value);
/* Rounded to 6 decimals; null when not finite. */
json_t *json_length(double value);
/* A float32 with as few digits (6 to 9) as give back the same float32: 0.05, not 0.0500000007. */
json_t *json_float(float value);
/* `value` if `present`, else null. */
json_t *json_length_if(int present, double value);

/* Writes `value` and a newline to `path` (output_file.h). */
int json_write_file(const json_t *value, const char *path, size_t extra_flags, reason *why);

#endif
