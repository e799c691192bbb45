/*
 * limits.c - what the process may not have, and values at the ends of their types: each once crashed, hung or aborted
 */
#define _GNU_SOURCE
#include "support.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static long address_space(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%ld", &pages) != 1) pages = 0;
        fclose(file);
    }
    return pages * sysconf(_SC_PAGESIZE);
}

/* Exit status of a child that may have `more` bytes of address space: 0 it worked, 3 a status said why not. */
static int detect_within(long more) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        struct rlimit limit = {0};
        limit.rlim_cur = limit.rlim_max = (rlim_t)(address_space() + more);
        setrlimit(RLIMIT_AS, &limit);
        uldor_model *model;
        uldor_session *session;
        uldor_result *result;
        uldor_session_options options = eager_options();
        options.threads = 64;
        float *tensor = draw_tensor(3, 256, 256);
        if (uldor_model_load_file(fixture_path(), NULL, &model) < 0) _exit(3);
        if (uldor_session_create(model, &options, &session) < 0) _exit(3);
        uldor_status status = uldor_session_forward(session, tensor, 3, 256, 256, &result);
        _exit(status == ULDOR_OK ? 0 : status == ULDOR_ERROR_NOMEM ? 3 : 4);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void little_address_space(void) {
    if (CHECK_SANITIZED) return; /* shadow memory needs more than any limit */
    for (long megabytes = 4; megabytes <= 1024; megabytes *= 2) {
        CONTEXT("%ld MB", megabytes);
        int status = detect_within(megabytes << 20);
        if (status != 0 && status != 3) FAIL("the child ended with %d", status);
    }
}

static void fifo_as_weights(void) {
    char folder[] = "/tmp/uldor-limits-XXXXXX", path[64];
    NEED(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/fifo", folder);
    NEED(mkfifo(path, 0600) == 0);
    uldor_model *model = UNTOUCHED(uldor_model);
    alarm(20);
    CHECK_ERROR(uldor_model_load_file(path, NULL, &model), ULDOR_ERROR_IO, "fifo");
    alarm(0);
    unlink(path);
    rmdir(folder);
}

static uldor_model *model;
static uldor_session *session;

static void strides_at_the_ends(void) {
    static int16_t pixels[SIDE * SIDE];
    ptrdiff_t ends[] = {PTRDIFF_MIN, PTRDIFF_MIN + 1, PTRDIFF_MAX};
    for (int i = 0; i < 3; i++)
        for (int width = 1; width <= SIDE; width += SIDE - 1) {
            CONTEXT("stride %td, width %d", ends[i], width);
            uldor_image image = slice_image(pixels, SIDE, SIDE);
            image.width = width;
            image.stride_x_bytes = ends[i];
            image.stride_y_bytes = image.stride_z_bytes = 2;
            uldor_result *result = NULL;
            uldor_status status = uldor_session_detect(session, &image, &result);
            if (width > 1) CHECK_INT(status, ULDOR_ERROR_IMAGE);
            uldor_result_free(result);
        }
}

static void dims_at_the_ends(void) {
    float value = 0;
    int64_t shapes[][4] = {{1, 8, 0, (int64_t)1 << 62}, {1, 8, (int64_t)1 << 61, 0}, {0, 8, INT64_MAX, 1}, {1, 8, INT64_MIN, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        CONTEXT("shape %zu", i);
        uldor_tensors *inputs, *outputs = NULL;
        NEED_OK(uldor_tensors_create(NULL, &inputs));
        if (uldor_tensors_add(inputs, "c2", &value, 4, shapes[i]) == ULDOR_OK) {
            CHECK(uldor_session_run_stage(session, ULDOR_STAGE_FPN, inputs, &outputs) < 0);
            uldor_tensors_free(outputs);
        }
        uldor_tensors_free(inputs);
    }
}

static void reserved_fields(void) {
    static int16_t pixels[SIDE * SIDE];
    uldor_image image = slice_image(pixels, SIDE, SIDE);
    image.reserved = 77;
    uldor_result *result = UNTOUCHED(uldor_result);
    CHECK_ERROR(uldor_session_detect(session, &image, &result), ULDOR_ERROR_INVALID_ARGUMENT, "reserved");
}

int main(void) {
    /* First: its children start with nothing of the library in use. */
    RUN(little_address_space);
    RUN(fifo_as_weights);
    open_fixture(&model, &session, 2);
    RUN(strides_at_the_ends);
    RUN(dims_at_the_ends);
    RUN(reserved_fields);
    uldor_session_free(session);
    uldor_model_free(model);
    return check_finish("limits");
}
