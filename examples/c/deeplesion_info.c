/* deeplesion_info.c - see deeplesion_info.h */
#include "deeplesion_info.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

typedef struct row {
    char name[64]; /* 000001_03_01_088.png */
    double spacing_mm[3];
} row;

struct deeplesion_info {
    row *rows;
    size_t count, capacity;
};

enum { MAX_FIELDS = 64 };

/* Splits a line in place at commas outside double quotes; the quotes go. Returns the number of fields. */
static size_t split(char *line, char *fields[MAX_FIELDS]) {
    size_t count = 0;
    char *read = line, *write = line;
    bool quoted = false;
    fields[count++] = write;
    for (; *read != 0 && *read != '\n' && *read != '\r'; read++) {
        if (*read == '"') {
            quoted = !quoted;
        } else if (*read == ',' && !quoted) {
            *write++ = 0;
            if (count == MAX_FIELDS) return count;
            fields[count++] = write;
        } else {
            *write++ = *read;
        }
    }
    *write = 0;
    return count;
}

static int find_columns(char *line, size_t *name_column, size_t *spacing_column) {
    char *fields[MAX_FIELDS];
    size_t count = split(line, fields);
    bool has_name = false, has_spacing = false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i], "File_name") == 0) *name_column = i, has_name = true;
        if (strcmp(fields[i], "Spacing_mm_px_") == 0) *spacing_column = i, has_spacing = true;
    }
    return has_name && has_spacing ? 0 : -1;
}

static int add_row(deeplesion_info *info, const char *name, const char *spacing) {
    row new_row;
    if (strlen(name) >= sizeof new_row.name || parse_list(spacing, ',', new_row.spacing_mm, 3) != 3) return 0;
    strcpy(new_row.name, name);
    for (int i = 0; i < 3; i++) {
        new_row.spacing_mm[i] = fabs(new_row.spacing_mm[i]);
        if (new_row.spacing_mm[i] == 0) return 0;
    }
    if (info->count == info->capacity) {
        size_t capacity = info->capacity != 0 ? 2 * info->capacity : 256;
        row *rows = realloc(info->rows, capacity * sizeof *rows);
        if (rows == NULL) return -1;
        info->rows = rows;
        info->capacity = capacity;
    }
    info->rows[info->count++] = new_row;
    return 0;
}

static int read_rows(FILE *stream, deeplesion_info *info, reason *why) {
    char *line = NULL;
    size_t size = 0, name_column = 0, spacing_column = 0;
    int status = 0;
    if (getline(&line, &size, stream) < 0 || find_columns(line, &name_column, &spacing_column) != 0)
        status = reason_set(why, "no columns File_name and Spacing_mm_px_: not DeepLesion's DL_info.csv");
    while (status == 0 && getline(&line, &size, stream) >= 0) {
        char *fields[MAX_FIELDS];
        size_t count = split(line, fields);
        if (count <= name_column || count <= spacing_column) continue;
        if (add_row(info, fields[name_column], fields[spacing_column]) != 0)
            status = reason_set(why, "not enough memory");
    }
    if (status == 0 && ferror(stream)) status = reason_set_errno(why, errno);
    free(line);
    return status;
}

int deeplesion_info_read(const char *path, deeplesion_info **result, reason *why) {
    FILE *stream = fopen(path, "r");
    if (stream == NULL) return reason_set_errno(why, errno);
    deeplesion_info *info = calloc(1, sizeof *info);
    int status = info != NULL ? read_rows(stream, info, why) : reason_set(why, "not enough memory");
    fclose(stream);
    if (status == 0) *result = info;
    else deeplesion_info_free(info);
    return status;
}

void deeplesion_info_free(deeplesion_info *info) {
    if (info != NULL) free(info->rows);
    free(info);
}

bool deeplesion_info_find(const deeplesion_info *info, const char *path, double spacing_mm[3]) {
    char *copy = realpath(path, NULL); /* so that "088.png" alone has a directory, too */
    if (copy == NULL) return false;
    char *slash = strrchr(copy, '/');
    const row *found = NULL;
    if (slash != NULL && slash != copy) {
        *slash = '_';
        char *directory = strrchr(copy, '/');
        const char *name = directory != NULL ? directory + 1 : copy;
        size_t series_length = (size_t)(slash + 1 - name);
        for (size_t i = 0; i < info->count; i++) {
            const row *candidate = &info->rows[i];
            bool is_series = strncmp(candidate->name, name, series_length) == 0;
            bool is_exact = is_series && strcmp(candidate->name, name) == 0;
            if (is_exact || (is_series && found == NULL)) found = candidate;
            if (is_exact) break;
        }
    }
    free(copy);
    if (found != NULL) memcpy(spacing_mm, found->spacing_mm, sizeof found->spacing_mm);
    return found != NULL;
}
