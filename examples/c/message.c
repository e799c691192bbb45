/* message.c - see message.h and reason.h */
#include "message.h"

#include <stdarg.h>
#include <string.h>

#include <uldor.h>

#include "progress.h"
#include "reason.h"

static bool quiet;

void message_set_quiet(bool value) { quiet = value; }

static void print(const char *subject, const char *kind, const char *format, va_list arguments) {
    char text[1024];
    vsnprintf(text, sizeof text, format, arguments);
    progress_erase();
    fputs("uldor: ", stderr);
    if (subject != NULL) {
        message_print_foreign(stderr, strcmp(subject, "-") == 0 ? "standard output" : subject);
        fputs(": ", stderr);
    }
    fputs(kind, stderr);
    message_print_foreign(stderr, text);
    fputc('\n', stderr);
}

void message_error(const char *subject, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print(subject, "", format, arguments);
    va_end(arguments);
}

void message_warning(const char *subject, const char *format, ...) {
    if (quiet) return;
    va_list arguments;
    va_start(arguments, format);
    print(subject, "warning: ", format, arguments);
    va_end(arguments);
}

void message_from_library(void *user, int32_t level, const char *text) {
    if (level == ULDOR_LOG_WARNING) message_warning(user, "%s", text);
}

void message_print_foreign(FILE *stream, const char *text) {
    for (const unsigned char *c = (const unsigned char *)text; *c != 0; c++) {
        bool c1_control = c[0] == 0xC2 && c[1] >= 0x80 && c[1] < 0xA0;
        if (c1_control) c++;
        fputc(c1_control || *c < 0x20 || *c == 0x7F ? '?' : *c, stream);
    }
}

int reason_set(reason *why, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why->text, sizeof why->text, format, arguments);
    va_end(arguments);
    return -1;
}

int reason_set_errno(reason *why, int error) { return reason_set(why, "%s", strerror(error)); }
