/*
 * mining.c - mining over the C interface: defaults, fields, structs of other ages, a failing allocator, several calls at once
 */
#define _GNU_SOURCE
#include "failing.h"
#include "source.h"
#include "support.h"

#include <math.h>
#include <pthread.h>
#include <unistd.h>

static uldor_model *model;
static uldor_dataset *data;
static char folder[64], path[128], part[160];

/* Few detections: what is mined is written quickly. */
static uldor_mining_options small_options(void) {
    uldor_mining_options options;
    CHECK_OK(uldor_mining_options_init(&options, sizeof options));
    options.threads = 1;
    options.streams = 1;
    options.score_threshold = 0.5;
    options.min_score = 0.55;
    return options;
}

static void test_defaults(void) {
    uldor_mining_options o;
    memset(&o, 0x5a, sizeof o);
    NEED_OK(uldor_mining_options_init(&o, sizeof o));
    CHECK(o.struct_size == sizeof o && o.good_iou == 0.3 && o.min_score == 0.7 && o.most == 3 && o.boxes_only == 0);
    CHECK(o.spare_quantile == 1 && o.score_threshold == 0.05 && o.seed == 0 && o.epoch == 0 && o.split == ULDOR_SPLIT_TRAIN);
    CHECK(o.first_epoch == 1 && o.every == 1 && o.resume == 0 && o.on_bad_image == 0 && o.threads == 0 && o.streams == 0);
    CHECK(o.instructions == 0 && o.exact == 0 && o.reserved == 0 && o.allocator == NULL && o.log == NULL && o.progress == NULL);
    CHECK_ERROR(uldor_mining_options_init(&o, 4), ULDOR_ERROR_INVALID_ARGUMENT, "struct_size");
}

static void test_fields(void) {
#define REFUSED(field, value)                                                                                          \
    do {                                                                                                               \
        uldor_mining_options o = small_options();                                                                      \
        o.field = value;                                                                                               \
        CHECK_ERROR(uldor_mine(model, data, path, &o, NULL), ULDOR_ERROR_INVALID_ARGUMENT, #field);                    \
        CHECK(access(path, F_OK) != 0 && access(part, F_OK) != 0);                                                     \
    } while (0)
    REFUSED(good_iou, -0.1);
    REFUSED(good_iou, 1.1);
    REFUSED(good_iou, NAN);
    REFUSED(min_score, INFINITY);
    REFUSED(most, -1);
    REFUSED(most, 1001);
    REFUSED(spare_quantile, NAN);
    REFUSED(score_threshold, -1);
    REFUSED(split, 0);
    REFUSED(split, 4);
    REFUSED(resume, 3);
    REFUSED(on_bad_image, 2);
    REFUSED(threads, 1025);
    REFUSED(streams, -1);
    REFUSED(instructions, 4);
#undef REFUSED
    CHECK_ERROR(uldor_mine(model, data, "", NULL, NULL), ULDOR_ERROR_INVALID_ARGUMENT, "path");
}

/* An older caller's shorter structs have defaults for the rest; a newer one's longer ones must be zero there. */
static void test_ages(void) {
    struct {
        uldor_mining_options known;
        int64_t more;
    } newer = {.known = small_options()};
    struct {
        uldor_mining_info known;
        int64_t more;
    } info = {.known.struct_size = sizeof info, .more = 7};
    newer.known.struct_size = sizeof newer;
    NEED_OK(uldor_mine(model, data, path, &newer.known, &info.known));
    CHECK(info.more == 0 && info.known.images == SOURCE_IMAGES - 1 && info.known.mined > 0);
    int64_t mined = info.known.mined;
    newer.more = 1;
    CHECK_ERROR(uldor_mine(model, data, path, &newer.known, &info.known), ULDOR_ERROR_INVALID_ARGUMENT, "does not know");
    uldor_mining_options older = small_options();
    older.struct_size = offsetof(uldor_mining_options, seed);
    older.split = 99; /* not passed */
    info.known = (uldor_mining_info){.struct_size = offsetof(uldor_mining_info, mined), .mined = 99};
    NEED_OK(uldor_mine(model, data, path, &older, &info.known));
    CHECK(info.known.mined == 99 && info.known.images == SOURCE_IMAGES - 1 && info.known.candidates >= mined);
    info.known.struct_size = 4;
    CHECK_ERROR(uldor_mine(model, data, path, &older, &info.known), ULDOR_ERROR_INVALID_ARGUMENT, "struct_size");
    NEED_OK(uldor_mine(model, data, path, NULL, NULL));
    unlink(path);
}

static uint64_t digest(void) {
    size_t bytes = 0;
    uint8_t *content = read_file(path, &bytes);
    uint64_t hash = 0xCBF29CE484222325;
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ content[i]) * 0x100000001B3;
    free(content);
    return hash;
}

/* A file that was mined whole, whatever failed. */
struct mining_life {
    int32_t streams;
    uint64_t expected;
};

static uldor_status mine_once(struct meter *meter, void *context) {
    const struct mining_life *life = context;
    uldor_mining_options options = small_options();
    options.allocator = &meter->allocator;
    options.streams = life->streams;
    uldor_status status = uldor_mine(model, data, path, &options, NULL);
    if (status != ULDOR_OK) {
        CHECK(access(path, F_OK) != 0 && meter->live_blocks == 0);
        meter->fail_at = 0;
        CHECK_OK(uldor_mine(model, data, path, &options, NULL)); /* goes on where that was */
    }
    CHECK(access(part, F_OK) != 0 && digest() == life->expected);
    unlink(path);
    return status;
}

static void fail_mining(int32_t streams, const char *what) {
    uldor_mining_options options = small_options();
    NEED_OK(uldor_mine(model, data, path, &options, NULL));
    struct mining_life life = {.streams = streams, .expected = digest()};
    unlink(path);
    /* Every one of the first hundred, then some: images repeat themselves. */
    fail_allocations(what, 100, 7, 20, mine_once, &life);
}

static void test_failing_allocations(void) { fail_mining(1, "mining"); }
static void test_failing_allocations_of_streams(void) { fail_mining(2, "mining by two streams"); }

/* A trainer mines with its own allocator; after a failure it stands where its last step left it. */
static uldor_status train_and_mine(struct meter *meter, void *context) {
    uldor_mining_options mining = small_options();
    uldor_trainer_options options;
    (void)context;
    mining.first_epoch = 0;
    CHECK_OK(uldor_trainer_options_init(&options, sizeof options));
    options.allocator = &meter->allocator;
    options.init_path = fixture_path();
    options.epochs = 1;
    options.proposals = 30;
    options.threads = 1;
    options.mining = &mining;
    options.mined_output_path = path;
    uldor_status status = trainer_life(data, &options);
    unlink(path);
    return status;
}

static void test_failing_allocations_of_a_trainer(void) {
    fail_allocations("a trainer that mines", 0, 11, 20, train_and_mine, NULL);
}

/* ------------------------------------------------------------------------------------------------------- Threads */

static pthread_t caller;

static int32_t on_this_thread(void *user, double fraction, const char *image) {
    CHECK(pthread_equal(pthread_self(), caller));
    CHECK(fraction >= 0 && fraction <= 1 && image != NULL && *image != 0);
    ++*(int *)user;
    return fraction > 0.5; /* two of three images are done; it is called while it waits for the next one, too */
}

static void test_progress(void) {
    uldor_mining_options options = small_options();
    int calls = 0;
    caller = pthread_self();
    options.threads = options.streams = 2;
    options.progress = on_this_thread;
    options.progress_user = &calls;
    CHECK_ERROR(uldor_mine(model, data, path, &options, NULL), ULDOR_ERROR_CANCELLED, "cancel");
    CHECK(calls > 1 && access(path, F_OK) != 0 && access(part, F_OK) == 0);
    options.progress = NULL;
    uldor_mining_info info = {.struct_size = sizeof info};
    CHECK_OK(uldor_mine(model, data, path, &options, &info));
    CHECK(info.resumed == 2 && info.images == SOURCE_IMAGES - 1 && access(part, F_OK) != 0);
    unlink(path);
}

static void *mine_a_few_times(void *name) {
    uldor_mining_options options = small_options();
    options.threads = options.streams = 2;
    for (int i = 0; i < 5; i++) CHECK_OK(uldor_mine(model, data, name, &options, NULL));
    return NULL;
}

/* One model and one data set, several calls at once. */
static void test_calls_at_once(void) {
    pthread_t threads[3];
    char names[3][160];
    for (int i = 0; i < 3; i++) {
        snprintf(names[i], sizeof names[i], "%s-%d", path, i);
        if (pthread_create(&threads[i], NULL, mine_a_few_times, names[i])) exit(2);
    }
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 3; i++) CHECK(unlink(names[i]) == 0);
}

int main(void) {
    snprintf(folder, sizeof folder, "/tmp/uldor-abi-mining-XXXXXX");
    if (!mkdtemp(folder)) return 2;
    snprintf(path, sizeof path, "%s/mined", folder);
    snprintf(part, sizeof part, "%s.part", path);
    open_fixture(&model, NULL, 1);
    open_source(NULL, &data);
    RUN(test_defaults);
    RUN(test_fields);
    RUN(test_ages);
    RUN(test_failing_allocations);
    RUN(test_failing_allocations_of_streams);
    RUN(test_failing_allocations_of_a_trainer);
    RUN(test_progress);
    RUN(test_calls_at_once);
    CHECK_OK(uldor_dataset_free(data));
    CHECK_OK(uldor_model_free(model));
    rmdir(folder);
    return check_finish("mining");
}
