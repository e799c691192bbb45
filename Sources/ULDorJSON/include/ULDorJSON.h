/* JSON tokens, by jsmn (Debian's libjsmn-dev): no allocation, no recursion, so hostile nesting costs nothing. */
#ifndef ULDOR_JSON_H
#define ULDOR_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Deeper nesting than any weights file has is refused: jsmn's time grows with the square of it. */
enum { UJ_MAX_DEPTH = 64 };

/* Whether the text is one JSON value by RFC 8259, which jsmn leaves open (escapes and UTF-8 are left to those who decode). */
bool uj_is_valid(const char *text, size_t length);

enum { UJ_OBJECT = 1, UJ_ARRAY = 2, UJ_STRING = 3, UJ_PRIMITIVE = 4 };

/* Bytes [start, end) of the text, without a string's quotes; `size` is the number of children. */
typedef struct uj_token {
    int32_t type, start, end, size, parent;
} uj_token;

/*
 * Tokenises `length` bytes (at most INT32_MAX) that uj_is_valid accepts. Returns the number of tokens, or -1 where the text is not JSON. With
 * tokens NULL it only counts; `capacity` must be at least the count.
 */
int64_t uj_tokenize(const char *text, size_t length, uj_token *tokens, uint32_t capacity);

#endif
