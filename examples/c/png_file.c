/*
 * png_file.c - see png_file.h
 *
 * libpng reports errors by longjmp. So that no local variable is at stake, everything the error path needs lives in a struct
 * that belongs to a function which never returns twice; setjmp stands in small functions that have no state of their own.
 */
#include "png_file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <png.h>

typedef struct png_job {
    FILE *stream;
    png_structp png;
    png_infop info;
    png_bytep *rows;
    uint16_t *pixels;
    png_uint_32 width, height;
    reason *why;
} png_job;

static void on_error(png_structp png, png_const_charp text) {
    png_job *job = png_get_error_ptr(png);
    reason_set(job->why, "damaged or cut-off PNG (libpng: %s)", text);
    png_longjmp(png, 1);
}

static void on_write_error(png_structp png, png_const_charp text) {
    png_job *job = png_get_error_ptr(png);
    if (errno != 0) reason_set_errno(job->why, errno);
    else reason_set(job->why, "%s", text);
    png_longjmp(png, 1);
}

/* Complaints about chunks that carry no pixels do not matter here. */
static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

static int read_header(png_job *job) {
    if (setjmp(png_jmpbuf(job->png)) != 0) return -1;
    png_set_user_limits(job->png, 1000000, 1000000);
    png_init_io(job->png, job->stream);
    png_read_info(job->png, job->info);
    job->width = png_get_image_width(job->png, job->info);
    job->height = png_get_image_height(job->png, job->info);
    int bits = png_get_bit_depth(job->png, job->info);
    int colour = png_get_color_type(job->png, job->info);
    if (colour != PNG_COLOR_TYPE_GRAY || bits != 16) {
        const char *kind = colour == PNG_COLOR_TYPE_GRAY      ? "grey"
                           : colour == PNG_COLOR_TYPE_PALETTE ? "palette"
                           : (colour & PNG_COLOR_MASK_COLOR)  ? "colour"
                                                              : "grey with transparency";
        return reason_set(job->why, "%d-bit %s PNG; a slice is a 16-bit grey PNG with HU = pixel - 32768", bits, kind);
    }
    return 0;
}

/* A header can promise any size: the file must be long enough to hold it (deflate shrinks 1032-fold at most). */
static int check_size(const png_job *job) {
    struct stat status;
    if (job->width > PNG_MAX_SIDE || job->height > PNG_MAX_SIDE)
        return reason_set(job->why, "%u x %u pixels are too many (at most %d a side)", job->width, job->height,
                          PNG_MAX_SIDE);
    if (fstat(fileno(job->stream), &status) != 0) return reason_set_errno(job->why, errno);
    uint64_t bytes = (uint64_t)job->width * job->height * 2;
    if (bytes / 1032 > (uint64_t)status.st_size)
        return reason_set(job->why, "damaged or cut-off PNG (too short for %u x %u pixels)", job->width, job->height);
    return 0;
}

static int read_rows(png_job *job) {
    if (setjmp(png_jmpbuf(job->png)) != 0) return -1;
    const uint16_t probe = 1;
    if (*(const uint8_t *)&probe == 1) png_set_swap(job->png);
    png_set_interlace_handling(job->png);
    png_read_update_info(job->png, job->info);
    png_read_image(job->png, job->rows);
    png_read_end(job->png, NULL);
    return 0;
}

static int allocate(png_job *job) {
    job->pixels = malloc((size_t)job->width * job->height * sizeof *job->pixels);
    job->rows = malloc(job->height * sizeof *job->rows);
    if (job->pixels == NULL || job->rows == NULL) return reason_set(job->why, "not enough memory");
    for (png_uint_32 y = 0; y < job->height; y++) job->rows[y] = (png_bytep)(job->pixels + (size_t)y * job->width);
    return 0;
}

int png_file_read(const char *path, uint16_t **pixels, int32_t *width, int32_t *height, reason *why) {
    png_job job = {.why = why};
    job.stream = fopen(path, "rb");
    if (job.stream == NULL) return reason_set_errno(why, errno);
    int status = -1;
    job.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning);
    if (job.png != NULL) job.info = png_create_info_struct(job.png);
    if (job.info == NULL) reason_set(why, "not enough memory");
    else if (read_header(&job) == 0 && check_size(&job) == 0 && allocate(&job) == 0) status = read_rows(&job);
    png_destroy_read_struct(&job.png, &job.info, NULL);
    fclose(job.stream);
    free(job.rows);
    if (status != 0) {
        free(job.pixels);
        return -1;
    }
    *pixels = job.pixels;
    *width = (int32_t)job.width;
    *height = (int32_t)job.height;
    return 0;
}

static int write_rows(png_job *job) {
    if (setjmp(png_jmpbuf(job->png)) != 0) return -1;
    png_init_io(job->png, job->stream);
    png_set_IHDR(job->png, job->info, job->width, job->height, 8, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(job->png, job->info);
    png_write_image(job->png, job->rows);
    png_write_end(job->png, NULL);
    return 0;
}

int png_file_write_grey(FILE *stream, const uint8_t *pixels, int32_t width, int32_t height, reason *why) {
    png_job job = {.stream = stream, .width = (png_uint_32)width, .height = (png_uint_32)height, .why = why};
    int status = -1;
    job.rows = malloc((size_t)height * sizeof *job.rows);
    job.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &job, on_write_error, on_warning);
    if (job.png != NULL) job.info = png_create_info_struct(job.png);
    if (job.rows == NULL || job.info == NULL) {
        reason_set(why, "not enough memory");
    } else {
        for (int32_t y = 0; y < height; y++) job.rows[y] = (png_bytep)(uintptr_t)(pixels + (size_t)y * (size_t)width);
        errno = 0;
        status = write_rows(&job);
    }
    png_destroy_write_struct(&job.png, &job.info);
    free(job.rows);
    return status;
}
