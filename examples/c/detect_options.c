/* detect_options.c - see detect_options.h */
#include "detect_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "detector_options.h"
#include "message.h"
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
    "      --class-rule RULE     per-class or best-class\n"
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

enum { OPT_INFO = 256, OPT_SLICES, OPT_ORIENTATION, OPT_CONFIG, OPT_WINDOW };

static const struct option long_options[] = {
    {"weights", required_argument, NULL, 'w'},
    {"spacing", required_argument, NULL, 's'},
    {"slice-interval", required_argument, NULL, 'i'},
    {"info", required_argument, NULL, OPT_INFO},
    {"slices", required_argument, NULL, OPT_SLICES},
    {"orientation", required_argument, NULL, OPT_ORIENTATION},
    DETECTOR_LONG_OPTIONS,
    {"config", required_argument, NULL, OPT_CONFIG},
    {"json", required_argument, NULL, 'j'},
    {"overlay", required_argument, NULL, 'o'},
    {"window", required_argument, NULL, OPT_WINDOW},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static bool parse_spacing(const char *text, detect_options *options) {
    double values[2];
    size_t count = parse_list(text, ',', values, 2);
    if (count == 0) return false;
    options->spacing_x_mm = values[0];
    options->spacing_y_mm = values[count - 1];
    for (size_t i = 0; i < count; i++)
        if (!(values[i] > 0 && values[i] <= 1000)) return false;
    return true;
}

static bool parse_slices(const char *text, detect_options *options) {
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
static bool is_orientation(const char *text) {
    if (strlen(text) != 3 || strspn(text, "RLAPSI") != 3) return false;
    return strcspn(text, "RL") < 3 && strcspn(text, "AP") < 3 && strcspn(text, "SI") < 3;
}

static bool parse_window(const char *text, detect_options *options) {
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

/* Returns false when the value does not fit the option. */
static bool take_option(int option, const char *value, detect_options *options) {
    int taken = detector_options_take(option, value, &options->session);
    if (taken >= 0) return taken == 1;
    switch (option) {
    case 'w': options->weights = value; return true;
    case 's': return parse_spacing(value, options);
    case 'i': return parse_double(value, 1e-3, 1000, &options->slice_interval_mm);
    case OPT_INFO: options->info = value; return true;
    case OPT_SLICES: return parse_slices(value, options);
    case OPT_ORIENTATION: options->orientation = value; return is_orientation(value);
    case OPT_CONFIG: options->config = value; return true;
    case 'j': options->json = value; return true;
    case 'o': options->overlay = value; return true;
    case OPT_WINDOW: return parse_window(value, options);
    case 'q': options->quiet = true; return true;
    default: return false;
    }
}

static int usage_error(const char *text) {
    message_error(NULL, "detect: %s", text);
    fputs("Try 'uldor detect --help'.\n", stderr);
    return EXIT_USAGE;
}

int detect_options_parse(int argc, char **argv, detect_options *options) {
    *options = (detect_options){.first_slice = -1, .last_slice = -1, .window_centre = 50, .window_width = 400};
    uldor_session_options_init(&options->session, sizeof options->session);
    int option, index = 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":w:s:i:j:o:qh", long_options, &index)) != -1) {
        char text[256];
        if (option == 'h') {
            fputs(help, stdout);
            return EXIT_OK;
        }
        if (option == '?' || option == ':') {
            snprintf(text, sizeof text, option == ':' ? "%s needs a value" : "unknown option %s", argv[optind - 1]);
            return usage_error(text);
        }
        if (!take_option(option, optarg, options)) {
            const struct option *entry = long_options;
            while (entry->val != option) entry++;
            snprintf(text, sizeof text, "--%s: '%s' is not a usable value", entry->name, optarg);
            return usage_error(text);
        }
    }
    options->images = argv + optind;
    options->image_count = argc - optind;
    if (options->weights == NULL) return usage_error("--weights is missing");
    if (options->image_count == 0) return usage_error("no image");
    if (options->overlay != NULL && strcmp(options->overlay, "-") == 0 && options->json != NULL &&
        strcmp(options->json, "-") == 0)
        return usage_error("--json and --overlay cannot both go to standard output");
    return -1;
}
