/* command_froc.c - `uldor froc`: detections against the truth */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uldor.h>

#include "commands.h"
#include "froc_data.h"
#include "froc_output.h"
#include "message.h"
#include "output_file.h"
#include "parse.h"

static const char help[] =
    "usage: uldor froc --truth DL_info.csv --detections results.json [options]\n"
    "\n"
    "Sensitivity by false positives an image, and average precision. The truth is DeepLesion's table; the\n"
    "detections are a JSON list of objects with\n"
    "  file_name or image_id   \"000001_03_01_088.png\"; an integer is the image's place in the table, from 0\n"
    "  bbox                    [x, y, width, height] in pixels, origin at the image's top-left corner\n"
    "  score                   0..1\n"
    "  category_id             1: lesion (default), 2: false positive\n"
    "  lesion_score            of a false positive: its probability of lesion\n"
    "\n"
    "  -t, --truth FILE          DL_info.csv (required)\n"
    "  -d, --detections FILE     results.json (required); - is standard input\n"
    "  -s, --split NAME          train, validation, test (default) or all\n"
    "      --keep-noisy          rows with Possibly_noisy = 1 count, too\n"
    "  -c, --convention NAME     paper (default) or deeplesion (docs/evaluation.md)\n"
    "      --iou T               IoU of a hit (default 0.5)\n"
    "      --false-positives R   class 2 is appended by lesion-score (default), by score, or ignore\n"
    "  -l, --levels A,B,...      false positives an image (default 0.5,1,2,4,5,8,16; at most 64)\n"
    "  -b, --bootstrap N         intervals from N samples of the patients (default 0: none)\n"
    "      --seed N              of the bootstrap (default 0)\n"
    "      --confidence C        of the intervals (default 0.95)\n"
    "      --threads N           threads to use (default: all cores)\n"
    "  -j, --json FILE           write everything as JSON; - is standard output\n"
    "  -p, --plot FILE           draw the curve, FILE.svg or FILE.png\n"
    "  -q, --quiet               no table\n"
    "  -h, --help                this text\n"
    "\n"
    "Exit code: 0 done, 1 something in the files cannot be used, 2 usage.\n";

enum { OPT_NOISY = 256, OPT_IOU, OPT_FALSE_POSITIVES, OPT_SEED, OPT_CONFIDENCE, OPT_THREADS, MOST_LEVELS = 64 };

static const struct option long_options[] = {
    {"truth", required_argument, NULL, 't'},       {"detections", required_argument, NULL, 'd'},
    {"split", required_argument, NULL, 's'},       {"keep-noisy", no_argument, NULL, OPT_NOISY},
    {"convention", required_argument, NULL, 'c'},  {"iou", required_argument, NULL, OPT_IOU},
    {"levels", required_argument, NULL, 'l'},      {"false-positives", required_argument, NULL, OPT_FALSE_POSITIVES},
    {"bootstrap", required_argument, NULL, 'b'},   {"seed", required_argument, NULL, OPT_SEED},
    {"threads", required_argument, NULL, OPT_THREADS}, {"confidence", required_argument, NULL, OPT_CONFIDENCE},
    {"json", required_argument, NULL, 'j'},        {"plot", required_argument, NULL, 'p'},
    {"quiet", no_argument, NULL, 'q'},             {"help", no_argument, NULL, 'h'},
    {0},
};

typedef struct froc_options {
    const char *truth, *detections, *json, *plot;
    int32_t split;
    bool keep_noisy, quiet;
    double levels[MOST_LEVELS + FROC_PLOT_LEVELS];
    size_t level_count;
    uldor_froc_options froc;
} froc_options;

/* The place of `value` in the list, or -1. */
static int choose(const char *value, const char *const names[], int32_t *choice) {
    for (int32_t i = 0; names[i] != NULL; i++)
        if (strcmp(value, names[i]) == 0) {
            *choice = i;
            return 1;
        }
    return 0;
}

static bool take_option(int option, const char *value, froc_options *o) {
    static const char *const splits[] = {"all", "train", "validation", "test", NULL};
    static const char *const conventions[] = {"paper", "deeplesion", NULL};
    static const char *const rules[] = {"lesion-score", "score", "ignore", NULL};
    int32_t number;
    switch (option) {
    case 't': o->truth = value; return true;
    case 'd': o->detections = value; return true;
    case 's': return choose(value, splits, &o->split);
    case OPT_NOISY: o->keep_noisy = true; return true;
    case 'c': return choose(value, conventions, &o->froc.convention);
    case OPT_IOU: return parse_double(value, 0, 1, &o->froc.iou_threshold);
    case OPT_FALSE_POSITIVES: return choose(value, rules, &o->froc.false_positives);
    case 'l':
        o->level_count = parse_list(value, ',', o->levels, MOST_LEVELS);
        for (size_t i = 0; i < o->level_count; i++)
            if (o->levels[i] < 0) return false;
        return o->level_count > 0;
    case 'b': return parse_int(value, 0, 100000, &o->froc.bootstrap_samples);
    case OPT_SEED:
        if (!parse_int(value, 0, INT32_MAX, &number)) return false;
        o->froc.seed = (uint64_t)number;
        return true;
    case OPT_CONFIDENCE: return parse_double(value, 0, 1, &o->froc.confidence);
    case OPT_THREADS: return parse_int(value, 1, 1024, &o->froc.threads);
    case 'j': o->json = value; return true;
    case 'p': o->plot = value; return froc_plot_is_known(value);
    case 'q': o->quiet = true; return true;
    default: return false;
    }
}

static int usage_error(const char *text) {
    message_error(NULL, "froc: %s", text);
    fputs("Try 'uldor froc --help'.\n", stderr);
    return EXIT_USAGE;
}

static int parse(int argc, char **argv, froc_options *o) {
    static const double usual[] = {0.5, 1, 2, 4, 5, 8, 16};
    *o = (froc_options){.split = ULDOR_SPLIT_TEST, .level_count = sizeof usual / sizeof *usual};
    memcpy(o->levels, usual, sizeof usual);
    uldor_froc_options_init(&o->froc, sizeof o->froc);
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":t:d:s:c:l:b:j:p:qh", long_options, NULL)) != -1) {
        char text[256];
        if (option == 'h') {
            fputs(help, stdout);
            return EXIT_OK;
        }
        if (option == '?' || option == ':') {
            snprintf(text, sizeof text, option == ':' ? "%s needs a value" : "unknown option %s", argv[optind - 1]);
            return usage_error(text);
        }
        if (take_option(option, optarg, o)) continue;
        const struct option *entry = long_options;
        while (entry->val != option) entry++;
        snprintf(text, sizeof text, "--%s: '%s' is not a usable value", entry->name, optarg);
        return usage_error(text);
    }
    if (optind != argc) return usage_error("there is an argument too many");
    if (o->truth == NULL) return usage_error("--truth is missing");
    if (o->detections == NULL) return usage_error("--detections is missing");
    return -1;
}

static int give_out(const froc_options *o, const uldor_froc *froc) {
    static const char *const conventions[] = {"paper", "deeplesion"};
    froc_report report = {.froc = froc,
                          .convention = conventions[o->froc.convention],
                          .levels = (int32_t)o->level_count,
                          .iou_threshold = o->froc.iou_threshold,
                          .confidence = o->froc.confidence,
                          .bootstrap = o->froc.bootstrap_samples,
                          .is_continued = o->froc.convention == ULDOR_FROC_DEEPLESION};
    reason why;
    int code = EXIT_OK;
    bool takes_stdout = o->json != NULL && strcmp(o->json, "-") == 0;
    if (!o->quiet && !takes_stdout && froc_print_table(&report, &why) != 0) {
        message_error(NULL, "%s", why.text);
        code = EXIT_FAILED;
    }
    if (o->json != NULL && froc_write_json(&report, o->json, &why) != 0) {
        message_error(o->json, "%s", why.text);
        code = EXIT_FAILED;
    }
    if (o->plot != NULL && froc_write_plot(&report, o->plot, &why) != 0) {
        message_error(o->plot, "%s", why.text);
        code = EXIT_FAILED;
    }
    return code;
}

static int evaluate(froc_options *o, const uldor_dataset *truth, uldor_froc *froc) {
    froc_detections detections;
    reason why;
    if (froc_detections_read(o->detections, truth, o->split, &detections) != 0) return EXIT_FAILED;
    int status = froc_add_all(froc, truth, o->split, &detections, &why);
    froc_detections_free(&detections);
    if (status != 0) {
        message_error(o->detections, "%s", why.text);
        return EXIT_FAILED;
    }
    size_t levels = o->level_count;
    if (o->plot != NULL)
        for (int i = 0; i < FROC_PLOT_LEVELS; i++) o->levels[levels++] = FROC_PLOT_FIRST * exp2(i / 8.0);
    if (uldor_froc_compute(froc, o->levels, levels) < 0) {
        message_error(NULL, "%s", uldor_last_error());
        return EXIT_FAILED;
    }
    return give_out(o, froc);
}

int command_froc(int argc, char **argv) {
    froc_options o;
    int code = parse(argc, argv, &o);
    if (code >= 0) return code;
    uldor_dataset_options options;
    uldor_dataset *truth = NULL;
    uldor_froc *froc = NULL;
    uldor_dataset_options_init(&options, sizeof options);
    options.csv_path = o.truth;
    options.keep_noisy = o.keep_noisy;
    options.masks = ULDOR_MASKS_NONE;
    options.log = message_from_library;
    code = EXIT_FAILED;
    if (uldor_froc_create(&o.froc, &froc) < 0) message_error(NULL, "%s", uldor_last_error());
    else if (uldor_dataset_open_deeplesion(".", &options, &truth) < 0) message_error(NULL, "%s", uldor_last_error());
    else code = evaluate(&o, truth, froc);
    uldor_froc_free(froc);
    uldor_dataset_free(truth);
    return code;
}
