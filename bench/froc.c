/*
 * froc.c - how long evaluation takes and what it keeps: IMAGES images with one lesion and five detections each, a thousandth of them
 * patients. Prints seconds to add, seconds to compute, processor seconds of the latter, bytes kept, peak resident bytes. Run by
 * froc.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <uldor.h>

static double now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static uint64_t state = 1;
static double uniform(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (double)(state >> 11) * 0x1p-53;
}

int main(int argc, char **argv) {
    long images = argc > 1 ? atol(argv[1]) : 1000000, samples = argc > 2 ? atol(argv[2]) : 0;
    static const double levels[] = {0.5, 1, 2, 4, 5, 8, 16};
    uldor_froc_options options;
    uldor_froc *froc;
    uldor_froc_options_init(&options, sizeof options);
    options.bootstrap_samples = (int32_t)samples;
    if (uldor_froc_create(&options, &froc) < 0) return 1;
    double start = now(CLOCK_MONOTONIC);
    for (long i = 0; i < images; i++) {
        double lesion[4] = {100 + 200 * uniform(), 100 + 200 * uniform()}, boxes[20], scores[5], size = 5 + 40 * uniform();
        int32_t type = (int32_t)(8 * uniform()) + 1;
        lesion[2] = lesion[0] + size, lesion[3] = lesion[1] + size;
        for (int d = 0; d < 5; d++) {
            double shift = d == 0 ? 0.4 * size * uniform() : 150 * (uniform() - 0.5);
            for (int k = 0; k < 4; k++) boxes[4 * d + k] = lesion[k] + shift;
            scores[d] = uniform();
        }
        uldor_froc_image image;
        uldor_froc_image_init(&image, sizeof image);
        image.patient = (uint64_t)(i / 1000);
        image.lesion_boxes = lesion, image.lesion_sizes_mm = &size, image.lesion_types = &type, image.lesion_count = 1;
        image.boxes = boxes, image.scores = scores, image.detection_count = 5;
        if (uldor_froc_add_image(froc, &image, NULL) < 0) return 1;
    }
    double added = now(CLOCK_MONOTONIC), busy = now(CLOCK_PROCESS_CPUTIME_ID);
    if (uldor_froc_compute(froc, levels, sizeof levels / sizeof *levels) < 0) return 1;
    double computed = now(CLOCK_MONOTONIC);
    busy = now(CLOCK_PROCESS_CPUTIME_ID) - busy;
    uldor_froc_info info = {.struct_size = sizeof info};
    uldor_froc_get_info(froc, &info);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%.3f %.3f %.3f %lld %ld\n", added - start, computed - added, busy, (long long)info.memory_bytes, usage.ru_maxrss * 1024L);
    uldor_froc_free(froc);
    return 0;
}
