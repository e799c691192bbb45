#define _GNU_SOURCE
#include "ULDorKernels.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/*
 * From here on a block has pages of its own, which go back to the system when it is freed. malloc() would keep them: once it has
 * seen one freed, it takes the next ones of that size from its heap, where smaller ones come to lie between them. Smaller blocks
 * are malloc()'s: a page that is touched for the first time takes microseconds in a virtual machine.
 */
enum { HUGE_PAGE = 2 << 20 };

#ifndef __has_feature
#define __has_feature(name) 0
#endif

/* Not under a sanitizer, or nobody would watch over a block's ends. */
static bool has_own_pages(size_t bytes) { return bytes >= HUGE_PAGE && !__has_feature(address_sanitizer); }

static size_t whole_pages(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

/* So much more is mapped that an aligned block is in it; what lies before and behind is given back. */
static void *map_pages(size_t bytes, size_t alignment)
{
    if (bytes > SIZE_MAX / 2) return NULL;
    size_t whole = whole_pages(bytes), mapped = whole + alignment;
    char *start = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) return NULL;
    size_t before = (alignment - (uintptr_t)start % alignment) % alignment;
    if (before > 0) munmap(start, before);
    start += before;
    munmap(start + whole, mapped - before - whole);
    /* Whole huge pages only, so that not a byte more is touched; a kernel without them says no, which changes nothing. */
    madvise(start, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    return start;
}

void *uk_system_allocate(size_t bytes, size_t alignment)
{
    if (has_own_pages(bytes)) return map_pages(bytes, alignment > HUGE_PAGE ? alignment : HUGE_PAGE);
    void *pointer = NULL;
    return posix_memalign(&pointer, alignment, bytes) == 0 ? pointer : NULL;
}

void uk_system_free(void *pointer, size_t bytes)
{
    if (has_own_pages(bytes)) munmap(pointer, whole_pages(bytes));
    else free(pointer);
}

void uk_system_reason(int number, char *text, size_t capacity)
{
    char buffer[128];
    snprintf(text, capacity, "%s", strerror_r(number, buffer, sizeof buffer));
}

int uk_system_reserve(int file, int64_t bytes, int32_t copies)
{
    struct rlimit most;
    if (bytes <= 0 || copies <= 0 || bytes > INT64_MAX / copies) return 0;
    if (getrlimit(RLIMIT_FSIZE, &most) == 0 && most.rlim_cur != RLIM_INFINITY && most.rlim_cur < (uint64_t)bytes) {
        errno = EFBIG;
        return -1;
    }
    int result;
    do result = fallocate(file, FALLOC_FL_KEEP_SIZE, 0, (off_t)(bytes * copies));
    while (result != 0 && errno == EINTR);
    bool is_full = result != 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG);
    return is_full ? -1 : 0;
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
