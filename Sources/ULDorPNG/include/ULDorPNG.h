/* Grey PNG files through libpng. Nothing jumps out of these functions, nothing is printed, memory is the caller's allocator's. */
#ifndef ULDOR_PNG_H
#define ULDOR_PNG_H

#include <stddef.h>
#include <stdint.h>

/* A host's allocator; all that libpng and zlib take goes through it. `deallocate` gets the bytes that were asked for. */
typedef struct up_memory {
    void *user;
    void *(*allocate)(void *user, size_t bytes, size_t alignment);
    void (*deallocate)(void *user, void *pointer, size_t bytes);
} up_memory;

enum {
    UP_OK = 0,
    UP_MISSING = 1, /* there is no such file */
    UP_SYSTEM = 2,  /* it cannot be opened or read: `number` is the system's error */
    UP_DAMAGED = 3, /* not a PNG, cut off, damaged: `text` is libpng's message */
    UP_KIND = 4,    /* a PNG of another kind: `text` says which */
    UP_SIZE = 5,    /* of another size, or beyond UP_SIDE */
    UP_NOMEM = 6
};

enum { UP_SIDE = 16384 };

/* What a file's header says, and what went wrong. */
typedef struct up_report {
    int32_t width, height; /* set where the header could be read */
    int32_t number;
    char text[96];
} up_report;

/* Reads the header: a grey PNG of `bits` (8 or 16) a pixel and this size. */
int up_check(const char *path, int32_t bits, int32_t width, int32_t height, up_report *report);

/*
 * Reads a grey PNG of `bits` a pixel and this size: `pixels` gets height x width uint8_t or uint16_t (native byte order), dense.
 * They are undefined where it fails. Samples are taken as they are stored, whatever gamma or transparency the file tells of.
 */
int up_read(const char *path, int32_t bits, int32_t width, int32_t height, const up_memory *memory, void *pixels,
            up_report *report);

#endif
