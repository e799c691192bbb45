/*
 * check.h - the smallest test framework that these programs need
 *
 * A case is a function; it fails when a CHECK in it fails, and goes on, so that one run shows all failures. Only
 * failures are printed, then one line "NAME: N passed, N failed" that the driver adds up.
 */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A sanitizer keeps freed memory back for a while, so that growth says nothing. */
#if defined(__SANITIZE_ADDRESS__)
#define CHECK_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CHECK_SANITIZED 1
#endif
#endif
#ifndef CHECK_SANITIZED
#define CHECK_SANITIZED 0
#endif

#define CHECK_UNUSED __attribute__((unused))

CHECK_UNUSED static int check_passed, check_failed, check_case_failed;
CHECK_UNUSED static const char *check_case = "";
/* What a loop is at; printed with a failure, since the line alone does not tell which round failed. */
CHECK_UNUSED static char check_context[256];

#define CONTEXT(...) snprintf(check_context, sizeof check_context, __VA_ARGS__)

#define FAIL(...)                                                                                                      \
    do {                                                                                                               \
        check_case_failed = 1;                                                                                         \
        printf("%s:%d: %s: ", __FILE__, __LINE__, check_case);                                                         \
        printf(__VA_ARGS__);                                                                                           \
        printf("%s%s%s\n", *check_context ? " [" : "", check_context, *check_context ? "]" : "");                      \
    } while (0)

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) FAIL("%s", #condition);                                                                      \
    } while (0)

#define CHECK_INT(expression, expected)                                                                                \
    do {                                                                                                               \
        long long check_a = (long long)(expression), check_b = (long long)(expected);                                  \
        if (check_a != check_b) FAIL("%s is %lld, not %lld", #expression, check_a, check_b);                           \
    } while (0)

/* For what the rest of a case cannot do without. */
#define NEED(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            FAIL("%s (needed; the case ends here)", #condition);                                                       \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)

#define RUN(function)                                                                                                  \
    do {                                                                                                               \
        check_case = #function;                                                                                        \
        *check_context = 0;                                                                                            \
        check_case_failed = 0;                                                                                         \
        time_t check_start = time(NULL);                                                                               \
        function();                                                                                                    \
        if (time(NULL) - check_start > 5) printf("%s took %ld s\n", check_case, (long)(time(NULL) - check_start));     \
        if (check_case_failed) check_failed++;                                                                         \
        else check_passed++;                                                                                           \
        fflush(stdout);                                                                                                \
    } while (0)

static inline int check_finish(const char *name) {
    printf("%s: %d passed, %d failed\n", name, check_passed, check_failed);
    return check_failed ? 1 : 0;
}

#endif
