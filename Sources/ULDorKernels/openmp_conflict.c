#define _GNU_SOURCE
#include "ULDorKernels.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern int omp_get_thread_limit(void);

void uk_start_openmp(void) { (void)omp_get_thread_limit(); }

/* The registration that LLVM's and Intel's runtimes leave for each other: "<address>-<value>-<library file>". */
static bool registration(char *text, size_t capacity)
{
    char path[96];
    snprintf(path, sizeof path, "/dev/shm/__KMP_REGISTERED_LIB_%d_%d", (int)getpid(), (int)getuid());
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file >= 0) {
        ssize_t n = read(file, text, capacity - 1);
        close(file);
        if (n <= 0) return false;
        text[n] = 0;
        return true;
    }
    snprintf(path, sizeof path, "__KMP_REGISTERED_LIB_%d", (int)getpid());
    const char *value = getenv(path);
    if (!value) return false;
    snprintf(text, capacity, "%s", value);
    return true;
}

const char *uk_openmp_conflict(void)
{
    char text[512];
    if (!registration(text, sizeof text)) return NULL;
    const char *allowed = getenv("KMP_DUPLICATE_LIB_OK");
    if (allowed && (allowed[0] == '1' || allowed[0] == 'T' || allowed[0] == 't')) return NULL;
    void *flag = NULL;
    unsigned int value = 0;
    Dl_info theirs, ours;
    if (sscanf(text, "%p-%x-", &flag, &value) != 2) return NULL;
    /*
     * A killed process leaves its registration behind for the next one of its number. One that is alive points at a
     * variable of a library loaded here, which still holds what was registered.
     */
    if (!dladdr(flag, &theirs) || *(volatile unsigned int *)flag != value) return NULL;
    /* The same library that this one calls: it is simply initialised already. */
    if (dladdr((void *)omp_get_thread_limit, &ours) && theirs.dli_fbase == ours.dli_fbase) return NULL;
    return "another OpenMP runtime (LLVM or Intel) is active in this process";
}
