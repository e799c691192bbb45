#include "ULDorJSON.h"

/* A position in the text; every step checks the end. */
typedef struct cursor {
    const unsigned char *at, *end;
} cursor;

static void skip_space(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r')) c->at++;
}

static bool take(cursor *c, unsigned char byte)
{
    if (c->at >= c->end || *c->at != byte) return false;
    c->at++;
    return true;
}

static bool literal(cursor *c, const char *word)
{
    while (*word)
        if (!take(c, (unsigned char)*word++)) return false;
    return true;
}

static bool digits(cursor *c)
{
    const unsigned char *first = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') c->at++;
    return c->at > first;
}

static bool number(cursor *c)
{
    take(c, '-');
    if (!take(c, '0') && !digits(c)) return false;
    if (take(c, '.') && !digits(c)) return false;
    if (take(c, 'e') || take(c, 'E')) {
        if (!take(c, '+')) take(c, '-');
        return digits(c);
    }
    return true;
}

static bool string(cursor *c)
{
    if (!take(c, '"')) return false;
    while (c->at < c->end && *c->at >= 32) {
        unsigned char byte = *c->at++;
        if (byte == '"') return true;
        /* Whatever follows is no end of the string; decodeJSONString and jsmn look at the escape itself. */
        if (byte == '\\' && c->at < c->end) c->at++;
    }
    return false;
}

static bool scalar(cursor *c)
{
    if (c->at >= c->end) return false;
    switch (*c->at) {
    case '"': return string(c);
    case 't': return literal(c, "true");
    case 'f': return literal(c, "false");
    case 'n': return literal(c, "null");
    default: return number(c);
    }
}

/* A key and its colon. */
static bool key(cursor *c)
{
    skip_space(c);
    if (!string(c)) return false;
    skip_space(c);
    return take(c, ':');
}

bool uj_is_valid(const char *text, size_t length)
{
    /* What is open: one bit a level, set for an object. */
    uint64_t objects = 0;
    int depth = 0;
    cursor c = {(const unsigned char *)text, (const unsigned char *)text + length};
    for (;;) {
        /* A value is due. */
        skip_space(&c);
        bool object = c.at < c.end && *c.at == '{';
        if (object || (c.at < c.end && *c.at == '[')) {
            if (depth == UJ_MAX_DEPTH) return false;
            c.at++;
            depth++;
            objects = objects << 1 | object;
            skip_space(&c);
            if (!take(&c, object ? '}' : ']')) {
                if (object && !key(&c)) return false;
                continue;
            }
            depth--;
            objects >>= 1;
        } else if (!scalar(&c)) {
            return false;
        }
        /* A value has ended: so may what it was in. */
        for (;;) {
            skip_space(&c);
            if (depth == 0) return c.at == c.end;
            if (take(&c, ',')) {
                if (objects & 1 && !key(&c)) return false;
                break;
            }
            if (!take(&c, objects & 1 ? '}' : ']')) return false;
            depth--;
            objects >>= 1;
        }
    }
}
