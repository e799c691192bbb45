/*
 * messages.c - the message of a failure: per thread, per session, kept by a success
 */
#include <pthread.h>

#include "support.h"

static uldor_session *shared;

static void *fails_elsewhere(void *user) {
    char *seen = user;
    snprintf(seen, 256, "%s", uldor_last_error()); /* "" although the main thread has failed before */
    uldor_result *result;
    uldor_session_forward(shared, NULL, 3, 32, 32, &result);
    snprintf(seen + 256, 256, "%s", uldor_last_error());
    return NULL;
}

static void per_thread(void) {
    char seen[512] = "unset", before[256];
    pthread_t thread;
    CHECK(uldor_model_get_info(NULL, NULL) < 0);
    snprintf(before, sizeof before, "%s", uldor_last_error());
    NEED(*before);
    NEED(!pthread_create(&thread, NULL, fails_elsewhere, seen));
    pthread_join(thread, NULL);
    CHECK(!*seen);
    CHECK(message_names(seen + 256, "tensor"));
    CHECK(!strcmp(uldor_last_error(), before));
    /* The session's message is there for every thread, whichever thread's call failed. */
    CHECK(!strcmp(uldor_session_last_error(shared), seen + 256));
}

static void success_keeps_it(void) {
    char before[256];
    uldor_session_options options;
    CHECK(uldor_session_create(NULL, NULL, &(uldor_session *){NULL}) < 0);
    snprintf(before, sizeof before, "%s", uldor_last_error());
    CHECK(*before);
    CHECK_OK(uldor_session_options_init(&options, sizeof options));
    CHECK(!strcmp(uldor_last_error(), before));
}

static void names_the_culprit(void) {
    uldor_model *model;
    CHECK_ERROR(uldor_model_load_file("/nowhere/a.safetensors", NULL, &model), ULDOR_ERROR_IO, "/nowhere/a.safetensors");
    CHECK(message_names(uldor_last_error(), "No such file"));
    CHECK(uldor_model_load_file("/", NULL, &model) < 0);
    CHECK(message_names(uldor_last_error(), "directory|regular|/"));
    CHECK(uldor_model_load_file("", NULL, &model) < 0);
    CHECK(message_names(uldor_last_error(), "path|No such file"));
    CHECK(uldor_model_load_file("/dev/null", NULL, &model) < 0);
    CHECK(message_names(uldor_last_error(), "/dev/null"));
    /* A path that is no UTF-8, and one with a line break: the message stays one line of UTF-8. */
    CHECK(uldor_model_load_file("/nowhere/\xff\xfe", NULL, &model) < 0);
    CHECK(message_names(uldor_last_error(), "nowhere"));
    CHECK(!strstr(uldor_last_error(), "\xff"));
    CHECK(uldor_model_load_file("/nowhere/a\nb", NULL, &model) < 0);
    CHECK(message_names(uldor_last_error(), "nowhere"));
    /* A path too long for the system, and for any fixed buffer. */
    char *longest = malloc(100001);
    NEED(longest);
    memset(longest, 'x', 100000);
    longest[100000] = 0;
    CHECK(uldor_model_load_file(longest, NULL, &model) == ULDOR_ERROR_IO);
    CHECK(*uldor_last_error());
    free(longest);
}

static void files_that_are_no_files(void) {
    uldor_model *model;
    uldor_model_options options;
    CHECK_OK(uldor_model_options_init(&options, sizeof options));
    for (options.memory_map = 0; options.memory_map < 2; options.memory_map++) {
        CONTEXT("memory_map %d", options.memory_map);
        /* Endless, without a size, without permission to read at address 0: an error each, in no time. */
        CHECK(uldor_model_load_file("/dev/zero", &options, &model) < 0);
        CHECK(uldor_model_load_file("/proc/self/maps", &options, &model) < 0);
        CHECK(uldor_model_load_file("/proc/self/mem", &options, &model) < 0);
        CHECK(uldor_model_load_file("/proc/self/exe", &options, &model) < 0);
    }
}

static void names_of_statuses(void) {
    CHECK(!strcmp(uldor_status_name(ULDOR_OK), "ULDOR_OK"));
    CHECK(!strcmp(uldor_status_name(ULDOR_ERROR_NOMEM), "ULDOR_ERROR_NOMEM"));
    CHECK(!strcmp(uldor_status_name(ULDOR_ERROR_INTERNAL), "ULDOR_ERROR_INTERNAL"));
    for (int32_t status = -12; status <= 0; status++)
        for (int32_t other = -12; other < status; other++)
            CHECK(strcmp(uldor_status_name(status), uldor_status_name(other)));
    const int32_t unknown[] = {1, -13, INT32_MIN, INT32_MAX};
    for (int i = 0; i < 4; i++) CHECK(uldor_status_name(unknown[i]) && *uldor_status_name(unknown[i]));
}

static void versions(void) {
    CHECK_INT(uldor_version(), ULDOR_VERSION_MAJOR << 16 | ULDOR_VERSION_MINOR << 8 | ULDOR_VERSION_PATCH);
    CHECK_INT(uldor_abi_version(), ULDOR_ABI_VERSION);
}

static void empty_at_first(void) {
    CHECK(uldor_last_error() && !*uldor_last_error());
}

int main(void) {
    RUN(empty_at_first);
    uldor_model *model;
    open_fixture(&model, &shared, 1);
    RUN(per_thread);
    RUN(success_keeps_it);
    RUN(names_the_culprit);
    RUN(files_that_are_no_files);
    RUN(names_of_statuses);
    RUN(versions);
    uldor_session_free(shared);
    uldor_model_free(model);
    return check_finish("messages");
}
