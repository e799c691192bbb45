/* json_lines.h - which line of a JSON list an entry begins in: jansson does not say */
#ifndef JSON_LINES_H
#define JSON_LINES_H

#include <stddef.h>

/* Where a search is in the text; entries are asked for in rising order. */
typedef struct json_lines {
    const char *at, *end;
    size_t entry, line;
    int depth;
} json_lines;

/* `text` was read as a list without an error, and must outlive the search. */
json_lines json_lines_of(const char *text, size_t size);
/* The line, from 1 on, of an entry that is not before the last one. */
size_t json_lines_find(json_lines *lines, size_t entry);

#endif
