/* png_file.h - 16-bit grey PNG in, 8-bit grey PNG out (libpng) */
#ifndef PNG_FILE_H
#define PNG_FILE_H

#include <stdint.h>
#include <stdio.h>

#include "reason.h"

/* The header's limit on an image's sides. */
enum { PNG_MAX_SIDE = 16384 };

/*
 * Reads a file that must be 16-bit grey; samples in native byte order, `*pixels` to be freed with free(). `why` gets the reason
 * without the file's name.
 */
int png_file_read(const char *path, uint16_t **pixels, int32_t *width, int32_t *height, reason *why);

/* Writes rows of `width` bytes. */
int png_file_write_grey(FILE *stream, const uint8_t *pixels, int32_t width, int32_t height, reason *why);

#endif
