/* json_text.c - see json_text.h */
#include "json_text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output_file.h"

json_t *json_text(const char *text) {
    json_t *value = json_string(text);
    if (value != NULL) return value;
    size_t length = strlen(text);
    char *repaired = malloc(3 * length + 1), *write = repaired;
    if (repaired == NULL) return NULL;
    for (const char *c = text; *c != 0; c++) {
        if ((unsigned char)*c < 0x80) {
            *write++ = *c;
        } else {
            memcpy(write, "\xEF\xBF\xBD", 3);
            write += 3;
        }
    }
    *write = 0;
    value = json_string(repaired);
    free(repaired);
    return value;
}

static json_t *rounded(const char *format, double value) {
    char text[400];
    if (!isfinite(value)) return json_null();
    snprintf(text, sizeof text, format, value);
    return json_real(strtod(text, NULL) + 0.0); /* -0 becomes 0 */
}

json_t *json_number(double value) { return rounded("%.15g", value); }

json_t *json_length(double value) { return rounded("%.6f", value); }

json_t *json_float(float value) {
    char text[32];
    if (!isfinite(value)) return json_null();
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) break;
    }
    return json_real(strtod(text, NULL));
}

json_t *json_length_if(int present, double value) { return present ? json_length(value) : json_null(); }

int json_write_file(const json_t *value, const char *path, size_t extra_flags, reason *why) {
    output_file file;
    if (value == NULL) return reason_set(why, "not enough memory");
    if (output_file_open(&file, path, why) != 0) return -1;
    errno = 0;
    if (json_dumpf(value, file.stream, JSON_TEXT_FLAGS | extra_flags) != 0 || fputc('\n', file.stream) == EOF) {
        int error = errno;
        output_file_discard(&file);
        return error != 0 ? reason_set_errno(why, error) : reason_set(why, "writing failed");
    }
    return output_file_commit(&file, why);
}
