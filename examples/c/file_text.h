/* file_text.h - a file as one text */
#ifndef FILE_TEXT_H
#define FILE_TEXT_H

#include <stddef.h>

/* All of a file ("-": standard input), to be freed, without an end that a text has. NULL: not read, errno says why. */
char *file_text(const char *path, size_t *size);

#endif
