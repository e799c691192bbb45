#define _GNU_SOURCE
#include "ULDorKernels.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *uk_system_allocate(size_t bytes, size_t alignment)
{
    enum { HUGE_PAGE = 2 << 20 };
    void *pointer = NULL;
    bool is_large = bytes >= 4 * HUGE_PAGE;
    if (posix_memalign(&pointer, is_large && alignment < HUGE_PAGE ? HUGE_PAGE : alignment, bytes)) return NULL;
    /* Whole huge pages only, so that not a byte more is touched; a kernel without them says no, which changes nothing. */
    if (is_large) madvise(pointer, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    return pointer;
}

void uk_system_free(void *pointer) { free(pointer); }

void uk_system_reason(int number, char *text, size_t capacity)
{
    char buffer[128];
    snprintf(text, capacity, "%s", strerror_r(number, buffer, sizeof buffer));
}

static _Thread_local char last_error[1024];

void uk_set_last_error(const char *utf8)
{
    size_t length = strnlen(utf8, sizeof last_error - 1);
    /* Not in the middle of a character: continuation bytes are 10xxxxxx. */
    if (utf8[length]) while (length > 0 && ((unsigned char)utf8[length] & 0xC0) == 0x80) length--;
    /* One line, whatever a file's name has in it. */
    for (size_t i = 0; i < length; i++) last_error[i] = (unsigned char)utf8[i] < 32 || utf8[i] == 127 ? '?' : utf8[i];
    last_error[length] = 0;
}

const char *uk_last_error(void) { return last_error; }

int32_t uk_available_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 && online <= 1024 ? (int32_t)online : 1;
}
