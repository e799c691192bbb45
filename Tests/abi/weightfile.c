/* weightfile.c - see weightfile.h. The reader takes what a sound writer writes and no more: it is no model for one. */
#define _GNU_SOURCE
#include "weightfile.h"

#include "support.h"

static void give_up(const char *what) {
    printf("the fixture's header: %s\n", what);
    exit(2);
}

static char *skip(char *p, const char *text) {
    while (*p == ' ' || *p == '\n') p++;
    size_t length = strlen(text);
    if (strncmp(p, text, length)) give_up(text);
    p += length;
    while (*p == ' ' || *p == '\n') p++;
    return p;
}

static char *string_end(char *p) { /* p is behind the opening quote */
    while (*p && *p != '"') p += *p == '\\' ? 2 : 1;
    return p;
}

static char *object_end(char *p) { /* p is at the opening brace; returns behind the closing one */
    int depth = 0;
    do {
        if (*p == '"') p = string_end(p + 1);
        if (*p == '{') depth++;
        if (*p == '}') depth--;
        if (!*p++) give_up("unbalanced");
    } while (depth);
    return p;
}

static void copy_between(char *out, size_t capacity, char *begin, char *end) {
    if ((size_t)(end - begin) >= capacity) give_up("too long");
    memcpy(out, begin, (size_t)(end - begin));
    out[end - begin] = 0;
}

static void read_entry(char *object, struct entry *entry) {
    char *end = object_end(object), *at;
    char *copy = strndup(object, (size_t)(end - object));
    if (!(at = strstr(copy, "\"dtype\""))) give_up("no dtype");
    at = skip(skip(at + 7, ":"), "\"");
    copy_between(entry->dtype, sizeof entry->dtype, at, string_end(at));
    if (!(at = strstr(copy, "\"shape\""))) give_up("no shape");
    at = skip(at + 7, ":");
    copy_between(entry->shape, sizeof entry->shape, at, strchr(at, ']') + 1);
    if (!(at = strstr(copy, "\"data_offsets\""))) give_up("no data_offsets");
    at = skip(skip(at + 14, ":"), "[");
    entry->begin = strtoull(at, &at, 10);
    entry->end = strtoull(skip(at, ","), &at, 10);
    free(copy);
}

struct weightfile weightfile_open(const char *path) {
    size_t bytes;
    uint8_t *raw = read_file(path, &bytes);
    uint64_t header_bytes;
    struct weightfile file = {0};
    memcpy(&header_bytes, raw, 8);
    if (bytes < 8 || header_bytes > bytes - 8) give_up("length");
    file.data_bytes = bytes - 8 - header_bytes;
    file.data = malloc(file.data_bytes + 1);
    memcpy(file.data, raw + 8 + header_bytes, file.data_bytes);
    raw[8 + header_bytes] = 0;
    char *p = skip((char *)raw + 8, "{");
    while (*p == '"') {
        char *name = p + 1, *name_end = string_end(name);
        p = skip(name_end + 1, ":");
        char *end = object_end(p);
        if (!strncmp(name, "__metadata__\"", 13)) {
            file.metadata = strndup(p, (size_t)(end - p));
        } else {
            file.entries = realloc(file.entries, (size_t)(file.count + 1) * sizeof *file.entries);
            struct entry *entry = &file.entries[file.count++];
            copy_between(entry->name, sizeof entry->name, name, name_end);
            read_entry(p, entry);
        }
        p = end;
        while (*p == ' ' || *p == ',' || *p == '\n') p++;
    }
    if (!file.count) give_up("no tensors");
    free(raw);
    return file;
}

struct bytes weightfile_raw(const void *header, size_t header_bytes, const void *data, size_t data_bytes) {
    struct bytes out = {malloc(8 + header_bytes + data_bytes + 1), 8 + header_bytes + data_bytes};
    uint64_t length = header_bytes;
    if (!out.data) exit(2);
    memcpy(out.data, &length, 8);
    memcpy(out.data + 8, header, header_bytes);
    memcpy(out.data + 8 + header_bytes, data, data_bytes);
    return out;
}

struct bytes weightfile_build(const struct weightfile *file) {
    char *header = NULL;
    size_t bytes = 0;
    FILE *text = open_memstream(&header, &bytes);
    fprintf(text, "{");
    if (file->metadata) fprintf(text, "\"__metadata__\":%s", file->metadata);
    for (int i = 0; i < file->count; i++) {
        const struct entry *entry = &file->entries[i];
        fprintf(text, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}",
                i || file->metadata ? "," : "", entry->name, entry->dtype, entry->shape, entry->begin, entry->end);
    }
    fprintf(text, "}");
    while (ftell(text) % 8) fputc(' ', text); /* as the format's own writer does */
    fclose(text);
    struct bytes out = weightfile_raw(header, bytes, file->data, file->data_bytes);
    free(header);
    return out;
}

int weightfile_find(const struct weightfile *file, const char *suffix) {
    size_t length = strlen(suffix);
    for (int i = 0; i < file->count; i++) {
        size_t size = strlen(file->entries[i].name);
        if (size >= length && !strcmp(file->entries[i].name + size - length, suffix)) return i;
    }
    give_up(suffix);
    return -1;
}

void weightfile_close(struct weightfile *file) {
    free(file->metadata);
    free(file->entries);
    free(file->data);
}
