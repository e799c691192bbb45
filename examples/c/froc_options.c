/* froc_options.c - see froc_options.h */
#include "froc_options.h"

#include <math.h>
#include <string.h>

#include "message.h"
#include "parse.h"
#include "plot_file.h"

const char *const froc_split_names[] = {"all", "train", "validation", "test", NULL};

void froc_options_init(froc_options *options) {
    static const double usual[] = {0.5, 1, 2, 4, 5, 8, 16};
    *options = (froc_options){.split = ULDOR_SPLIT_TEST, .level_count = sizeof usual / sizeof *usual};
    memcpy(options->levels, usual, sizeof usual);
    uldor_froc_options_init(&options->froc, sizeof options->froc);
}

static bool take_levels(const option_row *row, const char *value, void *options) {
    froc_options *o = options;
    (void)row;
    o->level_count = parse_list(value, ',', o->levels, FROC_MOST_LEVELS);
    for (size_t i = 0; i < o->level_count; i++)
        if (o->levels[i] < 0) return false;
    return o->level_count > 0;
}

#define INTO(member) .place = offsetof(froc_options, member)

static const char *const rules[] = {"lesion-score", "score", "ignore", NULL};

const option_row froc_option_rows[] = {
    {"split", 's', required_argument, option_choice, INTO(split), .choices = froc_split_names},
    {"iou", 0, required_argument, option_number, INTO(froc.iou_threshold), 0, 1},
    {"false-positives", 0, required_argument, option_choice, INTO(froc.false_positives), .choices = rules},
    {"levels", 'l', required_argument, take_levels, INTO(levels)},
    {"bootstrap", 'b', required_argument, option_int, INTO(froc.bootstrap_samples), 0, 100000},
    {"seed", 0, required_argument, option_count, INTO(froc.seed), 0, INT32_MAX},
    {"confidence", 0, required_argument, option_number, INTO(froc.confidence), 0, 1},
    {"json", 'j', required_argument, option_text, INTO(json)},
    {"plot", 'p', required_argument, plot_file_option, INTO(plot)},
    {"image-free-box", 0, no_argument, option_set, INTO(image_free), 1},
    {"no-image-free-box", 0, no_argument, option_set, INTO(image_free), -1},
    {0},
};

bool froc_options_want_box(const froc_options *o, const uldor_dataset_options *data) {
    return o->image_free > 0 || (o->image_free == 0 && data->windows_path != NULL);
}

int froc_options_search_box(const froc_options *o, const uldor_dataset *dataset, image_free_box *box) {
    reason why;
    int status = image_free_box_search(dataset, o->froc.iou_threshold, box, &why);
    if (status == 0 && box->lesions == 0 && o->image_free > 0)
        status = reason_set(&why, "--image-free-box: the training split has no lesion to search on");
    if (status != 0) message_error(NULL, "%s", why.text);
    return status;
}

int froc_options_compute(const froc_options *o, uldor_froc *froc) {
    double levels[FROC_MOST_LEVELS + FROC_PLOT_LEVELS];
    size_t count = o->level_count;
    memcpy(levels, o->levels, sizeof levels);
    if (o->plot != NULL)
        for (int i = 0; i < FROC_PLOT_LEVELS; i++) levels[count++] = FROC_PLOT_FIRST * exp2(i / 8.0);
    if (uldor_froc_compute(froc, levels, count) >= 0) return 0;
    message_error(NULL, "%s", uldor_last_error());
    return -1;
}

froc_report froc_options_report(const froc_options *o, const uldor_froc *froc, int32_t convention, const image_free_box *box,
                                const uldor_froc *box_froc) {
    bool is_paper = convention == ULDOR_FROC_PAPER;
    return (froc_report){.froc = froc,
                         .convention = is_paper ? "paper" : "deeplesion",
                         .levels = (int32_t)o->level_count,
                         .iou_threshold = o->froc.iou_threshold,
                         .confidence = o->froc.confidence,
                         .bootstrap = o->froc.bootstrap_samples,
                         .is_continued = !is_paper,
                         .box = box,
                         .box_froc = box_froc};
}
