/* evaluate_options.c - see evaluate_options.h */
#include "evaluate_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "detector_options.h"
#include "message.h"

static const char help[] =
    "usage: uldor evaluate --weights FILE --data DIR [options]\n"
    "\n"
    "Detects on every image of a split, writes the detections, and measures them against the annotations: DIR\n"
    "has DeepLesion's layout, DL_info.csv and Images_png/<series>/<slice>.png. A run that was stopped at any\n"
    "moment goes on where it was; one that is over only measures again.\n"
    "\n"
    "  -w, --weights FILE        the model, a safetensors file (required)\n"
    "      --data DIR            the data set (required)\n"
    "  -s, --split NAME          train, validation, test (default) or all\n"
    "  -o, --output FILE         the detections, a JSON list as `uldor froc` reads it (default: results.json)\n"
    "      --masks-out           with the detections' masks, as COCO's run lengths\n"
    "      --journal FILE        what was detected so far (default: OUTPUT.journal)\n"
    "      --restart             begin anew although there is a journal\n"
    "\n"
    "Data\n"
    DATA_OPTIONS_HELP
    "\n"
    "Detection (defaults are the model's)\n"
    "      --min-score S         drop detections below this score (default 0.01: a curve wants its tail);\n"
    "                            also --score-threshold\n"
    "      --max-detections N    at most N detections an image; also --detections\n"
    "      --class-rule RULE     per-class or best-class\n"
    "      --no-resampling, --no-body-crop, --config FILE, --portable, --exact, --memory-limit SIZE   as for detect\n"
    "      --threads N           threads to use (default: all cores)\n"
    "\n"
    "Measures\n"
    "  -c, --convention NAME     paper, deeplesion or both (default) (docs/evaluation.md)\n"
    FROC_OPTIONS_HELP
    "                            (with both conventions that of the paper)\n"
    "      --mask-truth NAME     pseudo, given or both: mean IoU and Dice of the masks of hits at IoU 0.5\n"
    "\n"
    "  -q, --quiet               no progress, no warnings, no table\n"
    "  -h, --help                this text\n"
    "\n"
    "Exit code: 0 done, 1 failed, 2 usage, 130 interrupted.\n"
    "For research only; not a medical device.\n";

enum { OPT_MASKS_OUT = 256, OPT_JOURNAL, OPT_RESTART, OPT_CONFIG, OPT_MASK_TRUTH };

static const struct option long_options[] = {
    DATA_LONG_OPTIONS,
    DETECTOR_LONG_OPTIONS,
    FROC_LONG_OPTIONS,
    {"score-threshold", required_argument, NULL, DETECTOR_OPTION_MIN_SCORE},
    {"detections", required_argument, NULL, DETECTOR_OPTION_MAX_DETECTIONS},
    {"weights", required_argument, NULL, 'w'},
    {"output", required_argument, NULL, 'o'},
    {"masks-out", no_argument, NULL, OPT_MASKS_OUT},
    {"journal", required_argument, NULL, OPT_JOURNAL},
    {"restart", no_argument, NULL, OPT_RESTART},
    {"config", required_argument, NULL, OPT_CONFIG},
    {"mask-truth", required_argument, NULL, OPT_MASK_TRUTH},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static bool take_mask_truth(const char *value, int32_t *truth) {
    if (strcmp(value, "pseudo") == 0) *truth = MASK_TRUTH_PSEUDO;
    else if (strcmp(value, "given") == 0) *truth = MASK_TRUTH_GIVEN;
    else if (strcmp(value, "both") == 0) *truth = MASK_TRUTH_PSEUDO | MASK_TRUTH_GIVEN;
    else return false;
    return true;
}

static bool take_option(int option, const char *value, evaluate_options *o) {
    if (option == 'c' && strcmp(value, "both") == 0) {
        o->froc.froc.convention = FROC_BOTH;
        return true;
    }
    int taken = data_options_take(option, value, &o->data);
    if (taken < 0) taken = detector_options_take(option, value, &o->session);
    if (taken < 0) taken = froc_options_take(option, value, &o->froc);
    if (taken >= 0) return taken == 1;
    switch (option) {
    case 'w': o->weights = value; return true;
    case 'o': o->output = value; return *value != 0 && strcmp(value, "-") != 0;
    case OPT_MASKS_OUT: o->masks_out = true; return true;
    case OPT_JOURNAL:
        free(o->journal);
        o->journal = strdup(value);
        return o->journal != NULL && *value != 0;
    case OPT_RESTART: o->restart = true; return true;
    case OPT_CONFIG: o->config = value; return true;
    case OPT_MASK_TRUTH: return take_mask_truth(value, &o->mask_truth);
    case 'q': o->quiet = true; return true;
    default: return false;
    }
}

static int usage_error(const char *text) {
    message_error(NULL, "evaluate: %s", text);
    fputs("Try 'uldor evaluate --help'.\n", stderr);
    return EXIT_USAGE;
}

static int complete(evaluate_options *o) {
    if (o->weights == NULL) return usage_error("--weights is missing");
    if (o->data.directory == NULL) return usage_error("--data is missing");
    if ((o->mask_truth & MASK_TRUTH_GIVEN) != 0 && o->data.dataset.mask_directory == NULL)
        return usage_error("--mask-truth given needs --masks");
    if (o->output == NULL) o->output = "results.json";
    if (o->journal == NULL) {
        size_t length = strlen(o->output) + sizeof ".journal";
        o->journal = malloc(length);
        if (o->journal != NULL) snprintf(o->journal, length, "%s.journal", o->output);
    }
    o->froc.froc.threads = o->session.threads;
    if (o->journal != NULL) return -1;
    message_error(NULL, "not enough memory");
    return EXIT_FAILED;
}

int evaluate_options_parse(int argc, char **argv, evaluate_options *o) {
    *o = (evaluate_options){0};
    data_options_init(&o->data);
    froc_options_init(&o->froc);
    uldor_session_options_init(&o->session, sizeof o->session);
    o->froc.froc.convention = FROC_BOTH;
    o->session.score_threshold = 0.01f;
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":w:o:" FROC_SHORT_OPTIONS "qh", long_options, NULL)) != -1) {
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
    if (optind < argc) return usage_error("arguments are options only");
    return complete(o);
}

void evaluate_options_free(evaluate_options *o) { free(o->journal); }
