/*
 * trainer.c - training runs over the C interface: arguments, structs of other ages, wrong handles, a failing allocator, cancelling
 * from another thread
 */
#define _GNU_SOURCE
#include "failing.h"
#include "source.h"
#include "support.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static uldor_dataset *data;
static char folder[64];

static uldor_trainer_options small_options(void) {
    uldor_trainer_options options;
    CHECK_OK(uldor_trainer_options_init(&options, sizeof options));
    options.architecture = "narrow:stem=4,fpn=8,fc=8,mask=4";
    options.epochs = 1;
    options.patience = 0;
    options.proposals = 30;
    options.calibration_images = 1;
    options.threads = 1;
    return options;
}

/* ------------------------------------------------------------------------------------------------- Arguments */

static void test_defaults(void) {
    uldor_trainer_options o;
    memset(&o, 0x5a, sizeof o);
    NEED_OK(uldor_trainer_options_init(&o, sizeof o));
    CHECK(o.epochs == 12 && o.checkpoint_steps == 200 && o.batch == 2 && o.accumulation == 1 && o.seed == 0);
    CHECK(o.lr == 1e-3 && o.momentum == 0.9 && o.weight_decay == 1e-4 && o.lr_factor == 0.1 && o.lr_epochs == 4);
    CHECK(o.optimiser == ULDOR_OPTIMISER_SGD && o.second_momentum == 0.999 && o.lr_schedule == ULDOR_RATE_STEPS);
    CHECK(o.warmup_steps == 0 && o.clip_norm == 0 && o.epoch_images == 0 && o.validation_images == 0 && o.patience == 4);
    CHECK(o.trainable_layers == -1 && o.train_split == 1 && o.validation_split == 2 && o.rpn_samples == 256);
    CHECK(o.roi_samples == 512 && o.rpn_positive == 0.5 && o.roi_positive == 0.25 && o.proposals == 2000);
    CHECK(o.no_mask_loss == 0 && o.calibration_images == -1 && o.on_bad_image == 0 && o.threads == 0 && o.loader_threads == 1);
    CHECK(o.allocator == NULL && o.reduction == NULL && o.augmentation == NULL && o.output_path == NULL && o.resume == 0);
    CHECK(o.mining == NULL && o.mined_path == NULL && o.mined_output_path == NULL && o.mined_by_any_model == 0);
    CHECK_ERROR(uldor_trainer_options_init(NULL, sizeof o), ULDOR_ERROR_INVALID_ARGUMENT, "options");
    CHECK_ERROR(uldor_trainer_options_init(&o, 4), ULDOR_ERROR_INVALID_ARGUMENT, "struct_size");
}

static void test_arguments(void) {
    uldor_trainer_options options = small_options();
    uldor_trainer *trainer = UNTOUCHED(uldor_trainer);
    uldor_trainer_state state = {.struct_size = sizeof state};
    int dummy = 0;
    CHECK_ERROR(uldor_trainer_create(NULL, NULL, &options, &trainer), ULDOR_ERROR_INVALID_ARGUMENT, "train is NULL");
    CHECK_ERROR(uldor_trainer_create(data, NULL, NULL, &trainer), ULDOR_ERROR_INVALID_ARGUMENT, "options is NULL");
    CHECK_ERROR(uldor_trainer_create(data, NULL, &options, NULL), ULDOR_ERROR_INVALID_ARGUMENT, "trainer is NULL");
    CHECK(trainer == UNTOUCHED(uldor_trainer));
    uldor_trainer *none = NULL;
    CHECK_ERROR(uldor_trainer_run(none, 0), ULDOR_ERROR_INVALID_ARGUMENT, "trainer is NULL");
    CHECK_ERROR(uldor_trainer_cancel(none), ULDOR_ERROR_INVALID_ARGUMENT, "trainer is NULL");
    CHECK_ERROR(uldor_trainer_get_state(none, &state), ULDOR_ERROR_INVALID_ARGUMENT, "trainer is NULL");
    CHECK_ERROR(uldor_trainer_save(none, "x", 0), ULDOR_ERROR_INVALID_ARGUMENT, "trainer is NULL");
    CHECK_ERROR(uldor_trainer_write_checkpoint(none, "x"), ULDOR_ERROR_INVALID_ARGUMENT, "trainer is NULL");
    CHECK_ERROR(uldor_trainer_report(none, NULL, &dummy), ULDOR_ERROR_INVALID_ARGUMENT, "trainer is NULL");
    CHECK_OK(uldor_trainer_free(NULL));
    CHECK(strcmp(uldor_trainer_last_error(NULL), "") == 0);
    /* A data set is no trainer, a trainer no data set. */
    CHECK_ERROR(uldor_trainer_run((uldor_trainer *)(void *)data, 0), ULDOR_ERROR_INVALID_ARGUMENT, "not such a handle");
    NEED_OK(uldor_trainer_create(data, NULL, &options, &trainer));
    CHECK_ERROR(uldor_dataset_free((uldor_dataset *)(void *)trainer), ULDOR_ERROR_INVALID_ARGUMENT, "not such a handle");
    CHECK_ERROR(uldor_trainer_run(trainer, -1), ULDOR_ERROR_INVALID_ARGUMENT, "steps is -1");
    CHECK(strstr(uldor_trainer_last_error(trainer), "steps is -1") != NULL);
    CHECK_ERROR(uldor_trainer_get_state(trainer, NULL), ULDOR_ERROR_INVALID_ARGUMENT, "state is NULL");
    CHECK_ERROR(uldor_trainer_save(trainer, NULL, 0), ULDOR_ERROR_INVALID_ARGUMENT, "path is NULL");
    CHECK_ERROR(uldor_trainer_write_checkpoint(trainer, NULL), ULDOR_ERROR_INVALID_ARGUMENT, "checkpoint_path");
    CHECK_ERROR(uldor_trainer_report(trainer, NULL, NULL), ULDOR_ERROR_INVALID_ARGUMENT, "report is NULL");
    CHECK_OK(uldor_trainer_cancel(trainer)); /* nothing runs: nothing happens */
    CHECK_OK(uldor_trainer_get_state(trainer, &state));
    CHECK(state.status == ULDOR_TRAINER_RUNNING && state.train_images == 3 && state.validation_images == 1);
    CHECK(isnan(state.best_loss) && state.best_epoch == -1 && state.steps == 2 && state.total_steps == 0);
    CHECK_OK(uldor_trainer_free(trainer));
}

static int32_t sum_doubles(void *user, double *values, int64_t count) { return (void)user, (void)values, (void)count, 0; }
static int32_t sum_floats(void *user, float *values, int64_t count) { return (void)user, (void)values, (void)count, 0; }

static void test_fields(void) {
    uldor_trainer *trainer = UNTOUCHED(uldor_trainer);
#define REFUSED(field, value)                                                                                          \
    do {                                                                                                               \
        uldor_trainer_options o = small_options();                                                                     \
        o.field = value;                                                                                               \
        CHECK_ERROR(uldor_trainer_create(data, NULL, &o, &trainer), ULDOR_ERROR_INVALID_ARGUMENT, #field);             \
    } while (0)
    REFUSED(resume, 3);
    REFUSED(resume, -1);
    REFUSED(train_split, 0);
    REFUSED(train_split, 4);
    REFUSED(validation_split, -1);
    REFUSED(validation_split, 4);
    REFUSED(on_bad_image, 2);
    REFUSED(on_bad_image, -1);
    REFUSED(instructions, 4);
    REFUSED(classes, 1);
    REFUSED(epochs, 0);
    REFUSED(lr, NAN);
    REFUSED(clip_norm, INFINITY);
    REFUSED(momentum, 1);
    REFUSED(loader_threads, 0);
    REFUSED(optimiser, 2);
    REFUSED(optimiser, -1);
    REFUSED(second_momentum, 1);
    REFUSED(lr_schedule, 2);
    REFUSED(lr_schedule, -1);
    REFUSED(output_path, "");
    REFUSED(mined_path, "");
    uldor_trainer_options o = small_options();
    uldor_mining_options mining;
    CHECK_OK(uldor_mining_options_init(&mining, sizeof mining));
    o.mining = &mining;
    mining.most = -1;
    CHECK_ERROR(uldor_trainer_create(data, NULL, &o, &trainer), ULDOR_ERROR_INVALID_ARGUMENT, "mining.most");
    mining.struct_size = 4;
    CHECK_ERROR(uldor_trainer_create(data, NULL, &o, &trainer), ULDOR_ERROR_INVALID_ARGUMENT, "struct_size");
    o.mining = NULL;
    uldor_reduction reduction = {.struct_size = sizeof reduction, .size = 1};
    o.reduction = &reduction;
    CHECK_ERROR(uldor_trainer_create(data, NULL, &o, &trainer), ULDOR_ERROR_INVALID_ARGUMENT, "sum_doubles");
    reduction.sum_doubles = sum_doubles;
    CHECK_ERROR(uldor_trainer_create(data, NULL, &o, &trainer), ULDOR_ERROR_INVALID_ARGUMENT, "sum_floats");
    reduction.sum_floats = sum_floats;
    reduction.size = 0;
    CHECK_ERROR(uldor_trainer_create(data, NULL, &o, &trainer), ULDOR_ERROR_INVALID_ARGUMENT, "reduction.size");
    reduction.size = 2;
    reduction.rank = 2;
    CHECK_ERROR(uldor_trainer_create(data, NULL, &o, &trainer), ULDOR_ERROR_INVALID_ARGUMENT, "reduction.rank");
    CHECK(trainer == UNTOUCHED(uldor_trainer));
}

/* An older caller's shorter struct has defaults for the rest; a newer one's longer struct must be zero there. */
static void test_ages(void) {
    struct newer {
        uldor_trainer_options known;
        int64_t more;
    } newer = {.known = small_options()};
    uldor_trainer *trainer = NULL;
    newer.known.struct_size = sizeof newer;
    NEED_OK(uldor_trainer_create(data, NULL, &newer.known, &trainer));
    CHECK_OK(uldor_trainer_free(trainer));
    newer.more = 1;
    CHECK_ERROR(uldor_trainer_create(data, NULL, &newer.known, &trainer), ULDOR_ERROR_INVALID_ARGUMENT, "does not know");
    uldor_trainer_options older = small_options();
    older.struct_size = offsetof(uldor_trainer_options, batch);
    older.batch = -5; /* not passed */
    NEED_OK(uldor_trainer_create(data, NULL, &older, &trainer));
    struct {
        uldor_trainer_state known;
        int64_t more;
    } state = {.known.struct_size = sizeof state, .more = 7};
    CHECK_OK(uldor_trainer_get_state(trainer, &state.known));
    CHECK(state.more == 0 && state.known.steps == 2);
    state.known.struct_size = offsetof(uldor_trainer_state, step);
    state.known.step = 99;
    CHECK_OK(uldor_trainer_get_state(trainer, &state.known));
    CHECK(state.known.step == 99 && state.known.struct_size == offsetof(uldor_trainer_state, step));
    CHECK_OK(uldor_trainer_free(trainer));
}

/* --------------------------------------------------------------------------------------------- A failing allocator */

static uldor_status train_once(struct meter *meter, void *context) {
    char out[128], checkpoint[128];
    snprintf(out, sizeof out, "%s/out", folder);
    snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", folder);
    uldor_trainer_options options = small_options();
    (void)context;
    options.allocator = &meter->allocator;
    options.output_path = out;
    options.checkpoint_path = checkpoint;
    uldor_status status = trainer_life(data, &options);
    unlink(out);
    unlink(checkpoint);
    return status;
}

/* Every one of the first hundreds, then some: the loading of tensors repeats itself. */
static void test_failing_allocations(void) { fail_allocations("a trainer", 300, 37, 100, train_once, NULL); }

/* ------------------------------------------------------------------------------------------------------- Threads */

static atomic_int over;

static void *cancel_again_and_again(void *trainer) {
    /* Ever more rarely: also where a step takes long, the run comes to its end. */
    for (useconds_t pause = 3000; !atomic_load(&over); pause += pause < 500000 ? pause / 8 : 0) {
        usleep(pause);
        CHECK_OK(uldor_trainer_cancel(trainer));
        uldor_status status = uldor_trainer_run(trainer, 1);
        CHECK(status == ULDOR_ERROR_BUSY || status == ULDOR_OK || status == ULDOR_ERROR_CANCELLED);
    }
    return NULL;
}

static int32_t busy_inside(void *user, const uldor_training_event *event) {
    uldor_trainer *trainer = *(uldor_trainer **)user;
    CHECK(event->struct_size == sizeof *event && event->step <= event->steps);
    CHECK(uldor_trainer_run(trainer, 1) == ULDOR_ERROR_BUSY);
    CHECK(uldor_trainer_free(trainer) == ULDOR_ERROR_BUSY);
    CHECK(uldor_trainer_save(trainer, "/tmp/nowhere", 0) == ULDOR_ERROR_BUSY);
    return 0;
}

static void test_threads(void) {
    uldor_trainer *trainer = NULL;
    uldor_trainer_options options = small_options();
    options.epochs = 30;
    options.progress = busy_inside;
    options.progress_user = &trainer;
    NEED_OK(uldor_trainer_create(data, data, &options, &trainer));
    pthread_t thread;
    if (pthread_create(&thread, NULL, cancel_again_and_again, trainer)) exit(2);
    int cancelled = 0, busy = 0;
    for (;;) {
        uldor_status status = uldor_trainer_run(trainer, 0);
        if (status == ULDOR_OK) break;
        cancelled += status == ULDOR_ERROR_CANCELLED;
        busy += status == ULDOR_ERROR_BUSY;
        CHECK(status == ULDOR_ERROR_CANCELLED || status == ULDOR_ERROR_BUSY);
    }
    atomic_store(&over, 1);
    pthread_join(thread, NULL);
    uldor_trainer_state state = {.struct_size = sizeof state};
    CHECK_OK(uldor_trainer_get_state(trainer, &state));
    CHECK(state.status == ULDOR_TRAINER_FINISHED && state.total_steps == 60);
    printf("  cancelled %d times, busy %d times\n", cancelled, busy);
    CHECK_OK(uldor_trainer_free(trainer));
}

/* The trainer keeps the data set that the host lets go of. */
static void test_keeps_its_data(void) {
    uldor_dataset *own = NULL;
    uldor_trainer *trainer = NULL;
    uldor_trainer_options options = small_options();
    open_source(NULL, &own);
    NEED_OK(uldor_trainer_create(own, NULL, &options, &trainer));
    CHECK_OK(uldor_dataset_free(own));
    CHECK_OK(uldor_trainer_run(trainer, 0));
    CHECK_OK(uldor_trainer_free(trainer));
}

int main(void) {
    snprintf(folder, sizeof folder, "/tmp/uldor-abi-trainer-XXXXXX");
    if (!mkdtemp(folder)) return 2;
    open_source(NULL, &data);
    RUN(test_defaults);
    RUN(test_arguments);
    RUN(test_fields);
    RUN(test_ages);
    RUN(test_failing_allocations);
    RUN(test_threads);
    RUN(test_keeps_its_data);
    CHECK_OK(uldor_dataset_free(data));
    rmdir(folder);
    return check_finish("trainer");
}
