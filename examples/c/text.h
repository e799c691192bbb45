/* text.h - texts made of texts */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>

/* What printf() would print, to be freed; NULL: not enough memory. */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Whether `text` is more than this ending and has it. */
bool text_ends_with(const char *text, const char *ending);

#endif
