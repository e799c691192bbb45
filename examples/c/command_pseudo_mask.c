/* command_pseudo_mask.c - `uldor pseudo-mask`: two RECIST diameters become a mask */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uldor.h>

#include "commands.h"
#include "message.h"
#include "options.h"
#include "output_file.h"
#include "parse.h"
#include "png_file.h"

static const char help[] =
    "usage: uldor pseudo-mask [options] X11,Y11,X12,Y12,X21,Y21,X22,Y22 WIDTHxHEIGHT OUT.png\n"
    "\n"
    "Draws the mask that the long (1) and the short (2) RECIST diameter span, four quarters of ellipses,\n"
    "as an 8-bit PNG of 0 and 255. Pixel i covers i to i + 1; its centre is i + 0.5. Put -- before the\n"
    "coordinates when the first is negative.\n"
    "\n"
    "      --deeplesion      coordinates as in DL_info.csv: 1-based pixel centres\n"
    "  -q, --quiet           do not print the mask's measures\n"
    "  -h, --help            this text\n";

static bool parse_size(const char *text, int32_t *width, int32_t *height) {
    char first[16];
    const char *x = strchr(text, 'x');
    if (x == NULL || x == text || (size_t)(x - text) >= sizeof first) return false;
    memcpy(first, text, (size_t)(x - text));
    first[x - text] = 0;
    return parse_int(first, 1, PNG_MAX_SIDE, width) && parse_int(x + 1, 1, PNG_MAX_SIDE, height);
}

/* Returns the number of set pixels, or -1. */
static int64_t write_mask(const double recist[8], int32_t width, int32_t height, const char *path, reason *why) {
    size_t bytes = (size_t)width * (size_t)height;
    uint8_t *mask = malloc(bytes);
    if (mask == NULL) return reason_set(why, "not enough memory");
    output_file file;
    int64_t set = 0;
    if (uldor_pseudo_mask_get_bitmap(recist, width, height, mask, bytes, 0) < 0) {
        set = reason_set(why, "%s", uldor_last_error());
    } else if (output_file_open(&file, path, why) != 0) {
        set = -1;
    } else {
        for (size_t i = 0; i < bytes; i++) {
            set += mask[i];
            mask[i] = mask[i] ? 255 : 0;
        }
        if (png_file_write_grey(file.stream, mask, width, height, why) != 0) {
            output_file_discard(&file);
            set = -1;
        } else if (output_file_commit(&file, why) != 0) {
            set = -1;
        }
    }
    free(mask);
    return set;
}

static void print_measures(const uldor_pseudo_mask_info *info, int64_t set) {
    printf("area      %.2f px; %lld pixels set\n", info->area_px, (long long)set);
    printf("box       %.2f %.2f %.2f %.2f\n", info->x1, info->y1, info->x2, info->y2);
    printf("centre    %.2f %.2f (%s)\n", info->centre_x, info->centre_y,
           info->diameters_cross ? "where the diameters cross" : "mean of the mid-points: the diameters do not cross");
    printf("angle     %.1f degrees between the diameters\n", info->angle_degrees);
}

static int run(const double recist[8], int32_t width, int32_t height, const char *path, bool quiet) {
    uldor_pseudo_mask_info info = {.struct_size = sizeof info};
    reason why;
    if (uldor_pseudo_mask_get_info(recist, &info) < 0) {
        message_error("pseudo-mask", "%s", uldor_last_error());
        return EXIT_FAILED;
    }
    int64_t set = write_mask(recist, width, height, path, &why);
    if (set < 0) {
        message_error(path, "%s", why.text);
        return EXIT_FAILED;
    }
    if (!quiet && strcmp(path, "-") != 0) print_measures(&info, set);
    return EXIT_OK;
}

typedef struct mask_options {
    bool deeplesion, quiet;
} mask_options;

static const option_row rows[] = {
    {"deeplesion", 0, no_argument, option_flag, .place = offsetof(mask_options, deeplesion)},
    {"quiet", 'q', no_argument, option_flag, .place = offsetof(mask_options, quiet)},
    {0},
};

int command_pseudo_mask(int argc, char **argv) {
    mask_options options = {0};
    double recist[8];
    int32_t width, height;
    int code = options_parse(argc, argv, help, (const option_group[]){{rows, &options}, {0}});
    if (code >= 0) return code;
    if (argc - optind != 3) return options_usage_error("pseudo-mask", "coordinates, size and file are needed");
    if (parse_list(argv[optind], ',', recist, 8) != 8)
        return options_usage_error("pseudo-mask", "not eight numbers: %s", argv[optind]);
    if (!parse_size(argv[optind + 1], &width, &height))
        return options_usage_error("pseudo-mask", "not a size such as 512x512: %s", argv[optind + 1]);
    for (int i = 0; options.deeplesion && i < 8; i++) recist[i] -= 0.5;
    return run(recist, width, height, argv[optind + 2], options.quiet);
}
