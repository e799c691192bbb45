/* evaluate_options.c - see evaluate_options.h */
#include "evaluate_options.h"

#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "detector_options.h"
#include "message.h"
#include "options.h"
#include "text.h"

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
    "      --nms-threshold T     of two boxes that overlap by more, IoU, the weaker one is dropped, 0..1\n"
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

static bool take_output(const option_row *row, const char *value, void *options) {
    return option_path(row, value, options) && strcmp(value, "-") != 0;
}

#define INTO(member) .place = offsetof(evaluate_options, member)

static const char *const conventions[] = {"paper", "deeplesion", "both", NULL};
static const char *const truths[] = {"pseudo", "given", "both", NULL};

static const option_row rows[] = {
    {"weights", 'w', required_argument, option_text, INTO(weights)},
    {"output", 'o', required_argument, take_output, INTO(output)},
    {"masks-out", 0, no_argument, option_flag, INTO(masks_out)},
    {"journal", 0, required_argument, option_copy, INTO(journal)},
    {"restart", 0, no_argument, option_flag, INTO(restart)},
    {"config", 0, required_argument, option_text, INTO(config)},
    {"convention", 'c', required_argument, option_choice, INTO(froc.froc.convention), .choices = conventions},
    {"mask-truth", 0, required_argument, option_choice, INTO(mask_truth), MASK_TRUTH_PSEUDO, .choices = truths},
    {"score-threshold", .alias_of = "min-score"},
    {"detections", .alias_of = "max-detections"},
    {"quiet", 'q', no_argument, option_flag, INTO(quiet)},
    {0},
};

static int complete(evaluate_options *o) {
    if (o->weights == NULL) return options_usage_error("evaluate", "--weights is missing");
    if (o->data.directory == NULL) return options_usage_error("evaluate", "--data is missing");
    if ((o->mask_truth & MASK_TRUTH_GIVEN) != 0 && o->data.dataset.mask_directory == NULL)
        return options_usage_error("evaluate", "--mask-truth given needs --masks");
    if (o->output == NULL) o->output = "results.json";
    if (o->journal == NULL) o->journal = text_format("%s.journal", o->output);
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
    o->session.keep_false_positives = 1; /* the curve's "+ FP" appends them */
    const option_group groups[] = {{rows, o},
                                   {data_option_rows, &o->data},
                                   {detector_option_rows, &o->session},
                                   {froc_option_rows, &o->froc},
                                   {0}};
    int code = options_parse(argc, argv, help, groups);
    if (code >= 0) return code;
    if (optind < argc) return options_usage_error("evaluate", "arguments are options only");
    return complete(o);
}

void evaluate_options_free(evaluate_options *o) { free(o->journal); }
