/* plot_file.c - see plot_file.h */
#include "plot_file.h"

#include <cairo-svg.h>
#include <errno.h>
#include <stdio.h>

#include "output_file.h"
#include "text.h"

bool plot_file_option(const option_row *row, const char *value, void *options) {
    return option_text(row, value, options) && (text_ends_with(value, ".svg") || text_ends_with(value, ".png"));
}

static cairo_status_t write_part(void *stream, const unsigned char *data, unsigned int length) {
    return fwrite(data, 1, length, stream) == length ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static cairo_status_t draw(const plot *plot, bool is_svg, FILE *stream) {
    const double scale = is_svg ? 1 : plot->png_scale;
    cairo_surface_t *surface =
        is_svg ? cairo_svg_surface_create_for_stream(write_part, stream, plot->width, plot->height)
               : cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)(scale * plot->width), (int)(scale * plot->height));
    cairo_t *cairo = cairo_create(surface);
    cairo_scale(cairo, scale, scale);
    cairo_set_source_rgb(cairo, 1, 1, 1);
    cairo_paint(cairo);
    cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    plot->draw(cairo, plot->content);
    cairo_status_t status = cairo_status(cairo);
    cairo_destroy(cairo);
    if (status == CAIRO_STATUS_SUCCESS && !is_svg) status = cairo_surface_write_to_png_stream(surface, write_part, stream);
    cairo_surface_finish(surface);
    if (status == CAIRO_STATUS_SUCCESS) status = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    return status;
}

int plot_file_write(const plot *plot, const char *path, reason *why) {
    output_file file;
    if (output_file_open(&file, path, why) != 0) return -1;
    errno = 0;
    cairo_status_t status = draw(plot, text_ends_with(path, ".svg"), file.stream);
    if (status == CAIRO_STATUS_SUCCESS) return output_file_commit(&file, why);
    if (status == CAIRO_STATUS_WRITE_ERROR && errno != 0) reason_set_errno(why, errno);
    else reason_set(why, "%s", cairo_status_to_string(status));
    output_file_discard(&file);
    return -1;
}

void plot_text(cairo_t *cairo, const char *text, double x, double y, double align) {
    cairo_text_extents_t extents;
    cairo_text_extents(cairo, text, &extents);
    cairo_move_to(cairo, x - align * extents.x_advance, y);
    cairo_show_text(cairo, text);
}
