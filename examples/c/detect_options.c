/* detect_options.c - see detect_options.h */
#include "detect_options.h"

#include <string.h>

#include "detector_options.h"
#include "options.h"
#include "parse.h"

static const char help[] =
    "usage: uldor detect --weights FILE [options] IMAGE...\n"
    "\n"
    "Finds lesions in CT slices. IMAGE is a 16-bit grey PNG as in DeepLesion (HU = pixel - 32768; the\n"
    "slices above and below it are the files beside it, 087.png and 089.png for 088.png) or a volume in\n"
    "NIfTI (.nii, .nii.gz; int16, uint16, float32), of which every slice is looked at.\n"
    "\n"
    "  -w, --weights FILE        the model, a safetensors file (required)\n"
    "\n"
    "Images\n"
    "  -s, --spacing X[,Y]       pixel size in mm\n"
    "  -i, --slice-interval MM   distance of neighbouring slices\n"
    "      --info FILE           take both from DeepLesion's DL_info.csv (PNG)\n"
    "      --slices A[-B]        voxel indices of the slices to look at, from 0 (NIfTI; default: all)\n"
    "      --orientation CODE    where the voxel axes run to, such as LPS (NIfTI; default: the header's)\n"
    "\n"
    "Detection (defaults are the model's)\n"
    "      --min-score S         drop findings below this score, 0..1\n"
    "      --max-detections N    at most N findings a slice\n"
    "      --nms-threshold T     of two boxes that overlap by more, IoU, the weaker one is dropped, 0..1\n"
    "      --class-rule RULE     per-class or best-class\n"
    "      --keep-false-positives        show what a model of 3 classes takes for a false positive, too\n"
    "      --no-resampling       take the pixels as they are; needs no spacing\n"
    "      --no-body-crop        look at the whole slice\n"
    "      --config FILE         JSON to use instead of the configuration in the weights\n"
    "      --threads N           threads to use (default: all cores)\n"
    "      --portable            plain instructions: the same bits on every processor\n"
    "      --exact               convolve directly throughout: slower, rounds less\n"
    "      --memory-limit SIZE   refuse slices that take more scratch memory, such as 512M or 2G\n"
    "\n"
    "Output\n"
    "  -j, --json FILE           write the findings with masks and contours; - is standard output\n"
    "  -o, --overlay FILE        draw the findings over the slice, PNG; with several slices the names get\n"
    "                            the number of the image and the slice: FILE-2-s034.png\n"
    "      --window WINDOW       grey window of the overlay: soft (default), lung, bone, or centre,width in HU\n"
    "  -q, --quiet               no progress and no warnings\n"
    "  -h, --help                this text\n"
    "\n"
    "Exit code: 0 done, 1 some image or file failed, 2 usage, 130 interrupted.\n"
    "For research only; not a medical device.\n";

static bool take_spacing(const option_row *row, const char *text, void *into) {
    detect_options *options = into;
    (void)row;
    double values[2];
    size_t count = parse_list(text, ',', values, 2);
    if (count == 0) return false;
    options->spacing_x_mm = values[0];
    options->spacing_y_mm = values[count - 1];
    for (size_t i = 0; i < count; i++)
        if (!(values[i] > 0 && values[i] <= 1000)) return false;
    return true;
}

static bool take_slices(const option_row *row, const char *text, void *into) {
    detect_options *options = into;
    (void)row;
    char first[16];
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits >= sizeof first) return false;
    memcpy(first, text, digits);
    first[digits] = 0;
    if (!parse_int(first, 0, 65535, &options->first_slice)) return false;
    options->last_slice = options->first_slice;
    if (text[digits] == 0) return true;
    return text[digits] == '-' && strspn(text + digits + 1, "0123456789") > 0 &&
           parse_int(text + digits + 1, options->first_slice, 65535, &options->last_slice);
}

/* Three letters, one of each pair of opposite directions. */
static bool take_orientation(const option_row *row, const char *text, void *options) {
    option_text(row, text, options);
    if (strlen(text) != 3 || strspn(text, "RLAPSI") != 3) return false;
    return strcspn(text, "RL") < 3 && strcspn(text, "AP") < 3 && strcspn(text, "SI") < 3;
}

static bool take_window(const option_row *row, const char *text, void *into) {
    detect_options *options = into;
    (void)row;
    static const struct {
        const char *name;
        double centre, width;
    } windows[] = {{"soft", 50, 400}, {"lung", -500, 1500}, {"bone", 400, 1800}};
    double values[2];
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        if (strcmp(text, windows[i].name) != 0) continue;
        options->window_centre = windows[i].centre;
        options->window_width = windows[i].width;
        return true;
    }
    if (parse_list(text, ',', values, 2) != 2 || !(values[1] > 0)) return false;
    options->window_centre = values[0];
    options->window_width = values[1];
    return true;
}

#define INTO(member) .place = offsetof(detect_options, member)

static const option_row rows[] = {
    {"weights", 'w', required_argument, option_text, INTO(weights)},
    {"spacing", 's', required_argument, take_spacing, INTO(spacing_x_mm)},
    {"slice-interval", 'i', required_argument, option_number, INTO(slice_interval_mm), 1e-3, 1000},
    {"info", 0, required_argument, option_text, INTO(info)},
    {"slices", 0, required_argument, take_slices, INTO(first_slice)},
    {"orientation", 0, required_argument, take_orientation, INTO(orientation)},
    {"keep-false-positives", 0, no_argument, option_set, INTO(session.keep_false_positives), 1},
    {"config", 0, required_argument, option_text, INTO(config)},
    {"json", 'j', required_argument, option_text, INTO(json)},
    {"overlay", 'o', required_argument, option_text, INTO(overlay)},
    {"window", 0, required_argument, take_window, INTO(window_centre)},
    {"quiet", 'q', no_argument, option_flag, INTO(quiet)},
    {0},
};

int detect_options_parse(int argc, char **argv, detect_options *options) {
    *options = (detect_options){.first_slice = -1, .last_slice = -1, .window_centre = 50, .window_width = 400};
    uldor_session_options_init(&options->session, sizeof options->session);
    const option_group groups[] = {{rows, options}, {detector_option_rows, &options->session}, {0}};
    int code = options_parse(argc, argv, help, groups);
    if (code >= 0) return code;
    options->images = argv + optind;
    options->image_count = argc - optind;
    if (options->weights == NULL) return options_usage_error("detect", "--weights is missing");
    if (options->image_count == 0) return options_usage_error("detect", "no image");
    if (options->overlay != NULL && strcmp(options->overlay, "-") == 0 && options->json != NULL &&
        strcmp(options->json, "-") == 0)
        return options_usage_error("detect", "--json and --overlay cannot both go to standard output");
    return -1;
}
