/* parse.c - see parse.h */
#include "parse.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_blanks(const char *text) {
    while (*text == ' ' || *text == '\t') text++;
    return text;
}

bool parse_double(const char *text, double low, double high, double *value) {
    char *end;
    double number = strtod(text, &end);
    if (end == text || *skip_blanks(end) != 0 || !isfinite(number) || number < low || number > high) return false;
    *value = number;
    return true;
}

bool parse_int(const char *text, int32_t low, int32_t high, int32_t *value) {
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (end == text || *end != 0 || errno != 0 || number < low || number > high) return false;
    *value = (int32_t)number;
    return true;
}

bool parse_bytes(const char *text, int64_t *value) {
    static const char units[] = "KMG";
    char *end;
    if (*text < '0' || *text > '9') return false;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || number < 1) return false;
    if (*end != 0) {
        const char *unit = strchr(units, *end);
        if (unit == NULL || end[1] != 0) return false;
        int shift = 10 * (int)(unit - units + 1);
        if (number > INT64_MAX >> shift) return false;
        number <<= shift;
    }
    *value = number;
    return true;
}

size_t parse_list(const char *text, char separator, double *values, size_t capacity) {
    size_t count = 0;
    for (;;) {
        char *end;
        if (count == capacity) return 0;
        values[count] = strtod(text, &end);
        if (end == text || !isfinite(values[count])) return 0;
        count++;
        text = skip_blanks(end);
        if (*text == 0) return count;
        if (*text != separator) return 0;
        text++;
    }
}
