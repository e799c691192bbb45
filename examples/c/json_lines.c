/* json_lines.c - see json_lines.h */
#include "json_lines.h"

#include <stdbool.h>

json_lines json_lines_of(const char *text, size_t size) { return (json_lines){.at = text, .end = text + size, .line = 1}; }

size_t json_lines_find(json_lines *lines, size_t entry) {
    bool is_text = false;
    for (; lines->at < lines->end; lines->at++) {
        char c = *lines->at;
        bool is_blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
        if (!is_text && lines->depth == 1 && lines->entry == entry && !is_blank && c != ',') return lines->line;
        if (c == '\n') lines->line++;
        if (is_text && c == '\\') lines->at++;
        else if (c == '"') is_text = !is_text;
        else if (is_text) continue;
        else if (c == '[' || c == '{') lines->depth++;
        else if (c == ']' || c == '}') lines->depth--;
        else if (c == ',' && lines->depth == 1) lines->entry++;
    }
    return lines->line;
}
