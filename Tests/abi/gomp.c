/*
 * gomp.c - a host with another OpenMP runtime: built with gcc -fopenmp, so that libgomp is in the process first
 *
 * libgomp's omp_* functions then come before libomp's of the same name. The library must neither crash nor hang nor
 * give other results, and the host's own parallel regions go on as before.
 */
#include <omp.h>

#include "support.h"

static uldor_model *model;
static int16_t pixels[SIDE * SIDE];
static uldor_image image;

static uint64_t detect(int32_t threads) {
    uldor_session *session;
    uldor_result *result;
    uldor_session_options options = eager_options();
    options.threads = threads;
    if (uldor_session_create(model, &options, &session) < 0) return 0;
    uint64_t digest = 0;
    if (uldor_session_detect(session, &image, &result) == ULDOR_OK) {
        digest = result_digest(result);
        uldor_result_free(result);
    }
    uldor_session_free(session);
    return digest;
}

static int host_team(void) {
    int team = 0;
#pragma omp parallel num_threads(3)
    {
#pragma omp atomic
        team++;
    }
    return team;
}

static void same_results(void) {
    CHECK_INT(host_team(), 3);
    uint64_t one = detect(1);
    CHECK(one != 0);
    for (int32_t threads = 2; threads <= 4; threads++) {
        CHECK(detect(threads) == one);
        CHECK_INT(host_team(), 3);
    }
}

static void host_settings_are_kept(void) {
    omp_set_num_threads(5);
    omp_set_dynamic(0);
    CHECK(detect(2) != 0);
    CHECK_INT(omp_get_max_threads(), 5);
    CHECK_INT(omp_get_dynamic(), 0);
}

static void inside_the_hosts_parallel_region(void) {
    uint64_t one = detect(1), digests[3] = {0};
#pragma omp parallel num_threads(3)
    digests[omp_get_thread_num()] = detect(2);
    for (int i = 0; i < 3; i++) CHECK(digests[i] == one);
}

int main(void) {
    draw_slice(pixels, SIDE, SIDE);
    image = slice_image(pixels, SIDE, SIDE);
    open_fixture(&model, NULL, 2);
    RUN(same_results);
    RUN(host_settings_are_kept);
    RUN(inside_the_hosts_parallel_region);
    uldor_model_free(model);
    return check_finish("gomp");
}
