#define _GNU_SOURCE
#include "ULDorKernels.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * From here on a block has pages of its own, which go back to the system when it is freed. malloc() would keep them: once it has
 * seen one freed, it takes the next ones of that size from its heap, where smaller ones come to lie between them. Smaller blocks
 * are malloc()'s: a page that is touched for the first time takes microseconds in a virtual machine.
 */
enum { HUGE_PAGE = 2 << 20, OWN_PAGES = HUGE_PAGE };

#ifndef __has_feature
#define __has_feature(name) 0
#endif
/* Under a sanitizer none has, or nobody would watch over its ends. */
static const bool has_own_pages = !__has_feature(address_sanitizer);

static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }
static size_t whole_pages(size_t bytes) { return (bytes + page_size() - 1) / page_size() * page_size(); }

/* More than a page's alignment: of memory mapped so much larger, what lies before and behind is given back. */
static void *map_pages(size_t bytes, size_t alignment)
{
    if (bytes > SIZE_MAX / 2) return NULL;
    size_t whole = whole_pages(bytes), mapped = whole + (alignment > page_size() ? alignment : 0);
    char *start = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) return NULL;
    size_t before = (alignment - (uintptr_t)start % alignment) % alignment, behind = mapped - before - whole;
    if (before > 0) munmap(start, before);
    if (behind > 0) munmap(start + before + whole, behind);
    return start + before;
}

void *uk_system_allocate(size_t bytes, size_t alignment)
{
    bool is_large = bytes >= OWN_PAGES;
    if (is_large && alignment < HUGE_PAGE) alignment = HUGE_PAGE;
    void *pointer = NULL;
    if (has_own_pages && is_large) pointer = map_pages(bytes, alignment);
    else if (posix_memalign(&pointer, alignment, bytes)) return NULL;
    /* Whole huge pages only, so that not a byte more is touched; a kernel without them says no, which changes nothing. */
    if (pointer && is_large) madvise(pointer, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    return pointer;
}

void uk_system_free(void *pointer, size_t bytes)
{
    if (has_own_pages && bytes >= OWN_PAGES) munmap(pointer, whole_pages(bytes));
    else free(pointer);
}

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
