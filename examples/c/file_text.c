/* file_text.c - see file_text.h */
#include "file_text.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 1 << 16 };

static char *read_all(FILE *stream, size_t *size) {
    size_t room = FIRST_ROOM, count = 0;
    char *text = malloc(room);
    while (text != NULL) {
        count += fread(text + count, 1, room - count, stream);
        if (ferror(stream)) break;
        if (feof(stream)) {
            *size = count;
            return text;
        }
        if (count < room) continue;
        char *more = room <= SIZE_MAX / 2 ? realloc(text, room * 2) : NULL;
        if (more == NULL) {
            errno = ENOMEM;
            break;
        }
        text = more;
        room *= 2;
    }
    int error = errno;
    free(text);
    errno = error;
    return NULL;
}

char *file_text(const char *path, size_t *size) {
    if (strcmp(path, "-") == 0) return read_all(stdin, size);
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) return NULL;
    char *text = read_all(stream, size);
    int error = errno;
    fclose(stream);
    errno = error;
    return text;
}
