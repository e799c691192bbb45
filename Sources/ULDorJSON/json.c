#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#include <jsmn.h>

#include "ULDorJSON.h"

_Static_assert(sizeof(uj_token) == sizeof(jsmntok_t), "tokens are passed through");
_Static_assert(offsetof(uj_token, type) == offsetof(jsmntok_t, type), "tokens are passed through");
_Static_assert(offsetof(uj_token, parent) == offsetof(jsmntok_t, parent), "tokens are passed through");
_Static_assert(UJ_OBJECT == JSMN_OBJECT && UJ_ARRAY == JSMN_ARRAY && UJ_STRING == JSMN_STRING &&
                   UJ_PRIMITIVE == JSMN_PRIMITIVE,
               "types are passed through");

int64_t uj_tokenize(const char *text, size_t length, uj_token *tokens, uint32_t capacity)
{
    jsmn_parser parser;
    jsmn_init(&parser);
    int count = jsmn_parse(&parser, text, length, (jsmntok_t *)tokens, capacity);
    return count < 0 ? -1 : count;
}
