/* parse.h - numbers in arguments and tables; each returns false unless the whole text is one */
#ifndef PARSE_H
#define PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Finite and within [low, high]. */
bool parse_double(const char *text, double low, double high, double *value);
bool parse_int(const char *text, int32_t low, int32_t high, int32_t *value);
/* At least 1; K, M or G behind it stands for 1024, its square and its cube. */
bool parse_bytes(const char *text, int64_t *value);
/* Numbers between `separator`s, blanks allowed around each: at most `capacity`, finite. Returns how many, 0 when not a list. */
size_t parse_list(const char *text, char separator, double *values, size_t capacity);

#endif
