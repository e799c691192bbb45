/*
 * support.h - what several of the programs share: the fixture, an image, a counting allocator, checks of a status
 */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <uldor.h>

#include "check.h"

/* True when `message` contains one of the alternatives in "a|b|c". */
int message_names(const char *message, const char *alternatives);

/* The call gave this status, and the thread's message names one of the alternatives. */
#define CHECK_ERROR(call, expected, alternatives)                                                                      \
    do {                                                                                                               \
        uldor_status check_s = (call);                                                                                 \
        if (check_s != (expected))                                                                                     \
            FAIL("%s gives %s, not %s (\"%s\")", #call, uldor_status_name(check_s), #expected,                         \
                 check_s < 0 ? uldor_last_error() : "");                                                               \
        else if (!message_names(uldor_last_error(), alternatives))                                                     \
            FAIL("%s: the message \"%s\" names none of %s", #call, uldor_last_error(), alternatives);                  \
    } while (0)

#define CHECK_OK(call)                                                                                                 \
    do {                                                                                                               \
        uldor_status check_s = (call);                                                                                 \
        if (check_s != ULDOR_OK) FAIL("%s: %s: %s", #call, uldor_status_name(check_s), uldor_last_error());            \
    } while (0)

#define NEED_OK(call)                                                                                                  \
    do {                                                                                                               \
        uldor_status check_s = (call);                                                                                 \
        if (check_s != ULDOR_OK) {                                                                                     \
            FAIL("%s: %s: %s", #call, uldor_status_name(check_s), uldor_last_error());                                 \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)

/* A pointer that no function may leave in an out-parameter when it fails. */
#define UNTOUCHED(type) ((type *)(uintptr_t)0x5a5a5a5a)

/* Small reproducible random numbers (xorshift). */
uint32_t random_next(uint32_t *state);

/* Reads a whole file; ends the program with a message when it cannot. Free with free(). */
uint8_t *read_file(const char *path, size_t *bytes);
/* Path of the small two-class model: $ULDOR_FIXTURE, else beside this folder. */
const char *fixture_path(void);
/* Loads the fixture with defaults, creates a session with `threads`; ends the program when it cannot. */
void open_fixture(uldor_model **model, uldor_session **session, int32_t threads);

enum { SIDE = 64 };
/* A 64x64 slice with a body and a bright disc, which the functions below detect on. Packed int16, HU. */
void draw_slice(int16_t *pixels, int width, int height);
/* An image description of those pixels with everything set; 0.8 mm. */
uldor_image slice_image(const int16_t *pixels, int width, int height);
/* A tensor for uldor_session_forward: channels x height x width. Free with free(). */
float *draw_tensor(int32_t channels, int32_t height, int32_t width);
/* Detections are not guaranteed on an untrained network; these options make sure that there are some. */
uldor_session_options eager_options(void);

/* A number that covers everything that a result holds: equal results have equal digests. */
uint64_t result_digest(const uldor_result *result);
/* The same of what a detection finds; 0 where it fails. */
uint64_t detection_digest(uldor_session *session, const uldor_image *image);

/* An allocator that counts, can fail the n-th allocation, and checks what comes back. Threads may share it. */
struct meter {
    uldor_allocator allocator;
    long allocations, live_blocks, live_bytes, peak_bytes;
    long fail_at; /* the allocation of this number, from 1, returns NULL; 0: none */
    long damaged; /* deallocations with the wrong size, a foreign pointer or an overwritten canary */
    long misused; /* allocations of 0 bytes or with an alignment that the header excludes */
};
void meter_init(struct meter *meter);
/* At a program's end: a failure where the library damaged, misused or kept memory. In a header: a program counts its own. */
static inline void meter_finish(const struct meter *meter) {
    if (!meter->damaged && !meter->misused && !meter->live_bytes) return;
    printf("allocator: %ld damaged, %ld misused, %ld bytes left\n", meter->damaged, meter->misused, meter->live_bytes);
    check_failed++;
}
extern _Thread_local volatile int meter_inside;

#endif
