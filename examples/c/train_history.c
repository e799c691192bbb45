/* train_history.c - see train_history.h */
#include "train_history.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

const char *const train_term_names[TRAIN_TERMS] = {"objectness", "rpn_box", "classifier", "box", "mask"};
const char *const train_term_titles[TRAIN_TERMS] = {"objectness", "RPN box", "class", "box", "mask"};

enum { MAX_COLUMNS = 32, MAX_LINE = 4096 };

/* One line's fields by name. */
typedef struct fields {
    const char *names[MAX_COLUMNS];
    const char *values[MAX_COLUMNS];
    size_t count;
} fields;

static double number(const fields *line, const char *name) {
    for (size_t i = 0; i < line->count; i++) {
        if (strcmp(line->names[i], name) != 0) continue;
        char *end;
        double value = strtod(line->values[i], &end);
        return end != line->values[i] ? value : NAN;
    }
    return NAN;
}

static int add(train_history *history, const train_record *record) {
    if (history->count == history->capacity) {
        size_t capacity = history->capacity > 0 ? 2 * history->capacity : 1024;
        train_record *grown = realloc(history->records, capacity * sizeof *grown);
        if (grown == NULL) return -1;
        history->records = grown;
        history->capacity = capacity;
    }
    history->records[history->count++] = *record;
    return 0;
}

/* Steps are numbered within their epoch; how many it has is known from the epoch's own line, the longest so far until then. */
static void place_steps(train_history *history) {
    double longest = 1;
    for (size_t i = 0; i < history->count; i++) longest = fmax(longest, history->records[i].step);
    for (size_t i = 0; i < history->count; i++) {
        train_record *record = &history->records[i];
        record->epoch += record->is_epoch ? 1 : record->step / longest;
    }
}

static int take(train_history *history, const char *event, const fields *line) {
    train_record record = {.is_epoch = strcmp(event, "epoch") == 0, .epoch = number(line, "epoch"), .step = number(line, "step")};
    if (!record.is_epoch && strcmp(event, "step") != 0) return 0;
    if (!(record.epoch >= 0 && record.epoch < 1e6 && record.step >= 0 && record.step < 1e9)) return 0;
    for (int i = 0; i < TRAIN_TERMS; i++) record.terms[i] = number(line, train_term_names[i]);
    record.loss = number(line, "loss");
    record.validation = number(line, "validation_loss");
    return add(history, &record);
}

static size_t split(char *line, const char **columns) {
    size_t count = 0;
    for (char *cell = line; cell != NULL && count < MAX_COLUMNS; count++) {
        char *comma = strchr(cell, ',');
        if (comma != NULL) *comma++ = 0;
        columns[count] = cell;
        cell = comma;
    }
    return count;
}

static int read_csv(FILE *stream, train_history *history) {
    char header[MAX_LINE], text[MAX_LINE];
    fields line = {0};
    if (fgets(header, sizeof header, stream) == NULL) return 0;
    header[strcspn(header, "\r\n")] = 0;
    size_t columns = split(header, line.names);
    while (fgets(text, sizeof text, stream) != NULL) {
        if (strchr(text, '\n') == NULL) break;
        text[strcspn(text, "\r\n")] = 0;
        line.count = split(text, line.values);
        if (line.count != columns) continue;
        if (take(history, line.values[0], &line) != 0) return -1;
    }
    return 0;
}

static int read_json_lines(FILE *stream, train_history *history) {
    char text[MAX_LINE];
    while (fgets(text, sizeof text, stream) != NULL) {
        char digits[MAX_COLUMNS][32];
        const char *key, *event = "";
        json_t *value, *object = json_loads(text, 0, NULL);
        fields line = {0};
        json_object_foreach(object, key, value) {
            if (json_is_string(value) && strcmp(key, "event") == 0) event = json_string_value(value);
            if (!json_is_number(value) || line.count == MAX_COLUMNS) continue;
            snprintf(digits[line.count], sizeof digits[0], "%.17g", json_number_value(value));
            line.names[line.count] = key;
            line.values[line.count] = digits[line.count];
            line.count++;
        }
        int status = take(history, event, &line);
        json_decref(object);
        if (status != 0) return -1;
    }
    return 0;
}

int train_history_read(const char *path, train_history *history, reason *why) {
    *history = (train_history){0};
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) return reason_set_errno(why, errno);
    int status = text_ends_with(path, ".jsonl") ? read_json_lines(stream, history) : read_csv(stream, history);
    if (status != 0) status = reason_set(why, "not enough memory");
    else if (ferror(stream)) status = reason_set_errno(why, errno);
    fclose(stream);
    if (status != 0) train_history_free(history);
    else place_steps(history);
    return status;
}

void train_history_free(train_history *history) {
    free(history->records);
    *history = (train_history){0};
}
