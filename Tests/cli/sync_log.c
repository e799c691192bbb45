/*
 * sync_log.c - preloaded into the tool: writes down what is flushed to the disk, "path size results-are-there" a line, into $SYNC_LOG.
 * $SYNC_RESULTS is the file of results. With $SYNC_HASTE the clock runs that many times as fast.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int note(int descriptor) {
    char link[64], path[4096];
    const char *fails = getenv("SYNC_FAILS");
    struct stat about;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0 || fstat(descriptor, &about) != 0) return -1;
    path[length] = 0;
    FILE *log = fopen(getenv("SYNC_LOG"), "a");
    if (log == NULL) return -1;
    fprintf(log, "%s %lld %d\n", path, (long long)about.st_size, access(getenv("SYNC_RESULTS"), F_OK) == 0);
    fclose(log);
    if (fails == NULL) return 0;
    errno = atoi(fails);
    return -1;
}

int fsync(int descriptor) { return note(descriptor); }
int fdatasync(int descriptor) { return note(descriptor); }

int clock_gettime(clockid_t clock, struct timespec *time) {
    int (*real)(clockid_t, struct timespec *) = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    const char *haste = getenv("SYNC_HASTE");
    int status = real(clock, time);
    if (haste != NULL && clock == CLOCK_MONOTONIC) {
        double now = ((double)time->tv_sec + 1e-9 * (double)time->tv_nsec) * atof(haste);
        time->tv_sec = (time_t)now;
        time->tv_nsec = (long)(1e9 * (now - (double)time->tv_sec));
    }
    return status;
}
