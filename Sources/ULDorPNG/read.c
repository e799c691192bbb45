/*
 * libpng reports errors by longjmp. Everything that outlives a jump lies in a struct that belongs to a function which calls
 * setjmp in none of its own frames: small functions do, and have no state.
 */
#define _GNU_SOURCE
#include "ULDorPNG.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <png.h>

enum {
    SIGNATURE_AND_HEADER = 29, /* signature, IHDR's length and name, its 13 bytes of data */
    CHUNK_BYTES = 8 << 20      /* of a chunk that is no pixels: a damaged length must not become an allocation */
};

typedef struct job {
    int file;
    const up_memory *memory;
    up_report *report;
    png_structp png;
    png_infop info;
    bool is_nomem, is_system;
    size_t first, end; /* unread bytes of the buffer */
    unsigned char buffer[1 << 14];
} job;

/* ------------------------------------------------------------------------------------------------ The file */

/* As ByteSource opens: nothing to wait for, no terminal, regular files only. */
static int open_file(const char *path, int *file, int64_t *bytes, up_report *report)
{
    *file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*file < 0) {
        report->number = errno;
        return errno == ENOENT || errno == ENOTDIR ? UP_MISSING : UP_SYSTEM;
    }
    struct stat status;
    if (fstat(*file, &status) != 0) {
        report->number = errno;
        close(*file);
        return UP_SYSTEM;
    }
    if (!S_ISREG(status.st_mode)) {
        snprintf(report->text, sizeof report->text, "not a regular file");
        close(*file);
        return UP_KIND;
    }
    *bytes = status.st_size;
    return UP_OK;
}

/* Up to `count` bytes; fewer at the file's end, -1 on an error. */
static ssize_t read_bytes(int file, void *to, size_t count)
{
    size_t done = 0;
    while (done < count) {
        ssize_t n = read(file, (char *)to + done, count - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        if (n == 0) break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static uint32_t big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static const char *colour_name(int colour)
{
    switch (colour) {
    case PNG_COLOR_TYPE_GRAY: return "grey";
    case PNG_COLOR_TYPE_PALETTE: return "palette";
    case PNG_COLOR_TYPE_GRAY_ALPHA: return "grey with transparency";
    default: return "colour";
    }
}

/* By hand: no memory, and the header is known before anything is allocated for what it promises. */
static int check_header(const unsigned char *bytes, ssize_t count, int64_t file_bytes, int32_t bits, int32_t width,
                        int32_t height, up_report *report)
{
    static const unsigned char start[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R'};
    if (count < 8 || memcmp(bytes, start, 8) != 0) {
        snprintf(report->text, sizeof report->text, "not a PNG file");
        return UP_DAMAGED;
    }
    if (count < SIGNATURE_AND_HEADER || memcmp(bytes, start, sizeof start) != 0) {
        snprintf(report->text, sizeof report->text, "its header is damaged or cut off");
        return UP_DAMAGED;
    }
    uint32_t file_width = big_endian(bytes + 16), file_height = big_endian(bytes + 20);
    report->width = file_width > INT32_MAX ? INT32_MAX : (int32_t)file_width;
    report->height = file_height > INT32_MAX ? INT32_MAX : (int32_t)file_height;
    if (bytes[24] != bits || bytes[25] != PNG_COLOR_TYPE_GRAY) {
        snprintf(report->text, sizeof report->text, "a %d-bit %s PNG, not %d-bit grey", bytes[24], colour_name(bytes[25]), bits);
        return UP_KIND;
    }
    if (report->width != width || report->height != height || width > UP_SIDE || height > UP_SIDE) return UP_SIZE;
    /* Deflate shrinks 1032-fold at most. */
    if ((int64_t)width * height * (bits / 8) / 1032 > file_bytes) {
        snprintf(report->text, sizeof report->text, "too short for %d x %d pixels", width, height);
        return UP_DAMAGED;
    }
    return UP_OK;
}

static int read_header(int file, int64_t file_bytes, int32_t bits, int32_t width, int32_t height, up_report *report)
{
    unsigned char bytes[SIGNATURE_AND_HEADER];
    ssize_t count = read_bytes(file, bytes, sizeof bytes);
    if (count < 0) {
        report->number = errno;
        return UP_SYSTEM;
    }
    return check_header(bytes, count, file_bytes, bits, width, height, report);
}

int up_check(const char *path, int32_t bits, int32_t width, int32_t height, up_report *report)
{
    memset(report, 0, sizeof *report);
    int file;
    int64_t bytes;
    int status = open_file(path, &file, &bytes, report);
    if (status != UP_OK) return status;
    status = read_header(file, bytes, bits, width, height, report);
    close(file);
    return status;
}

/* --------------------------------------------------------------------------------------- What libpng calls */

/* libpng frees without telling the size: it lies before what libpng sees. */
enum { BEFORE = 64 };

static png_voidp allocate(png_structp png, png_alloc_size_t bytes)
{
    job *j = png_get_mem_ptr(png);
    if (bytes > SIZE_MAX - BEFORE) return NULL;
    size_t all = bytes + BEFORE;
    void *base = j->memory->allocate(j->memory->user, all, BEFORE);
    if (!base) {
        j->is_nomem = true;
        return NULL;
    }
    memcpy(base, &all, sizeof all);
    return (char *)base + BEFORE;
}

static void deallocate(png_structp png, png_voidp pointer)
{
    job *j = png_get_mem_ptr(png);
    if (!pointer) return;
    void *base = (char *)pointer - BEFORE;
    size_t all;
    memcpy(&all, base, sizeof all);
    j->memory->deallocate(j->memory->user, base, all);
}

static void on_error(png_structp png, png_const_charp text)
{
    job *j = png_get_error_ptr(png);
    snprintf(j->report->text, sizeof j->report->text, "%s", text);
    png_longjmp(png, 1);
}

/* Complaints about chunks that carry no pixels do not matter here. */
static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void on_read(png_structp png, png_bytep to, size_t count)
{
    job *j = png_get_io_ptr(png);
    while (count > 0) {
        if (j->first == j->end) {
            ssize_t n = read_bytes(j->file, j->buffer, sizeof j->buffer);
            if (n < 0) {
                j->is_system = true;
                j->report->number = errno;
                png_error(png, "cannot be read");
            }
            if (n == 0) png_error(png, "the file ends too early");
            j->first = 0;
            j->end = (size_t)n;
        }
        size_t part = j->end - j->first < count ? j->end - j->first : count;
        memcpy(to, j->buffer + j->first, part);
        j->first += part;
        to += part;
        count -= part;
    }
}

/* ------------------------------------------------------------------------------------------------- Reading */

static bool read_pixels(job *j, int32_t bits, int32_t width, int32_t height, unsigned char *pixels)
{
    if (setjmp(png_jmpbuf(j->png)) != 0) return false;
    png_set_user_limits(j->png, UP_SIDE, UP_SIDE);
    png_set_chunk_malloc_max(j->png, CHUNK_BYTES);
    png_set_keep_unknown_chunks(j->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_read_fn(j->png, j, on_read);
    png_read_info(j->png, j->info);
    const uint16_t probe = 1;
    if (bits == 16 && *(const uint8_t *)&probe == 1) png_set_swap(j->png);
    int passes = png_set_interlace_handling(j->png);
    png_read_update_info(j->png, j->info);
    size_t row = (size_t)width * (size_t)(bits / 8);
    if (png_get_rowbytes(j->png, j->info) != row || png_get_image_height(j->png, j->info) != (png_uint_32)height)
        png_error(j->png, "the file changed while it was read");
    for (int pass = 0; pass < passes; pass++)
        for (int32_t y = 0; y < height; y++) png_read_row(j->png, pixels + (size_t)y * row, NULL);
    png_read_end(j->png, NULL);
    return true;
}

static int read_image(job *j, int32_t bits, int32_t width, int32_t height, void *pixels)
{
    if (lseek(j->file, 0, SEEK_SET) != 0) {
        j->report->number = errno;
        return UP_SYSTEM;
    }
    j->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, j, on_error, on_warning, j, allocate, deallocate);
    if (j->png) j->info = png_create_info_struct(j->png);
    bool is_read = j->info && read_pixels(j, bits, width, height, pixels);
    png_destroy_read_struct(&j->png, &j->info, NULL);
    if (is_read) return UP_OK;
    return j->is_system ? UP_SYSTEM : j->is_nomem || !j->report->text[0] ? UP_NOMEM : UP_DAMAGED;
}

int up_read(const char *path, int32_t bits, int32_t width, int32_t height, const up_memory *memory, void *pixels,
            up_report *report)
{
    memset(report, 0, sizeof *report);
    job j;
    memset(&j, 0, offsetof(job, buffer));
    j.memory = memory;
    j.report = report;
    int64_t bytes;
    int status = open_file(path, &j.file, &bytes, report);
    if (status != UP_OK) return status;
    status = read_header(j.file, bytes, bits, width, height, report);
    if (status == UP_OK) status = read_image(&j, bits, width, height, pixels);
    close(j.file);
    return status;
}
