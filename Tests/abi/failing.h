/* failing.h - a whole life of something, again and again, while each of its allocations fails once */
#ifndef FAILING_H
#define FAILING_H

#include "support.h"

/*
 * One life with the meter's allocator, from making to freeing. Returns the status of what failed first, if anything did; the attempt
 * has tried that again by then, and it went through.
 */
typedef uldor_status failing_attempt(struct meter *meter, void *context);

/*
 * First no allocation fails, then one of each of the first `each`, then of every `step`-th, until a life has not so many. A failure must
 * be NOMEM, and every life must give back what it took. There must be more than `least` failures. In a header: a program counts its own.
 */
static inline void fail_allocations(const char *what, long each, long step, long least, failing_attempt *attempt, void *context) {
    long fail_at = 0, failures = 0;
    struct meter meter;
    for (;;) {
        CONTEXT("allocation %ld of %s fails", fail_at, what);
        meter_init(&meter);
        meter.fail_at = fail_at;
        uldor_status status = attempt(&meter, context);
        CHECK(status == ULDOR_OK || status == ULDOR_ERROR_NOMEM);
        CHECK(meter.live_blocks == 0 && meter.damaged == 0 && meter.misused == 0);
        failures += status != ULDOR_OK;
        if (check_case_failed || (fail_at > 0 && meter.allocations < fail_at)) break;
        fail_at += fail_at < each ? 1 : step;
    }
    printf("  %ld failing allocations of %s, of %ld\n", failures, what, meter.allocations);
    CHECK(failures > least);
}

/* A trainer's life, and its run once more where something failed: what failed is not done, a further call does it. */
static inline uldor_status trainer_life(const uldor_dataset *data, const uldor_trainer_options *options) {
    uldor_trainer *trainer = NULL;
    uldor_status status = uldor_trainer_create(data, NULL, options, &trainer);
    if (status == ULDOR_OK) status = uldor_trainer_run(trainer, 0);
    if (status != ULDOR_OK && trainer != NULL) CHECK_OK(uldor_trainer_run(trainer, 0));
    CHECK_OK(uldor_trainer_free(trainer));
    return status;
}

#endif
