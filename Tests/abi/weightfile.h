/*
 * weightfile.h - takes a safetensors file apart and puts it together again, whole or damaged on purpose
 */
#ifndef WEIGHTFILE_H
#define WEIGHTFILE_H

#include <stddef.h>
#include <stdint.h>

struct entry {
    char name[128], dtype[16], shape[128]; /* shape as JSON, "[1,2]" */
    uint64_t begin, end;
};
struct weightfile {
    char *metadata; /* the value of __metadata__ as JSON; NULL: none */
    struct entry *entries;
    int count;
    uint8_t *data;
    size_t data_bytes;
};
struct bytes {
    uint8_t *data;
    size_t size;
};

/* Takes the file apart; ends the program when it is not as the fixtures' writer makes them. */
struct weightfile weightfile_open(const char *path);
/* Header from the entries, then the data as they are. Free with free(). */
struct bytes weightfile_build(const struct weightfile *file);
/* A file of this header, which need not be JSON, and these data. */
struct bytes weightfile_raw(const void *header, size_t header_bytes, const void *data, size_t data_bytes);
/* Index of a tensor by the end of its name; ends the program when there is none. */
int weightfile_find(const struct weightfile *file, const char *suffix);
void weightfile_close(struct weightfile *file);

#endif
