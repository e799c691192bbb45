/* froc_options.c - see froc_options.h */
#include "froc_options.h"

#include <math.h>
#include <string.h>

#include "message.h"
#include "parse.h"

const char *const froc_split_names[] = {"all", "train", "validation", "test", NULL};

void froc_options_init(froc_options *options) {
    static const double usual[] = {0.5, 1, 2, 4, 5, 8, 16};
    *options = (froc_options){.split = ULDOR_SPLIT_TEST, .level_count = sizeof usual / sizeof *usual};
    memcpy(options->levels, usual, sizeof usual);
    uldor_froc_options_init(&options->froc, sizeof options->froc);
}

/* The place of `value` in the list. */
static int choose(const char *value, const char *const names[], int32_t *choice) {
    for (int32_t i = 0; names[i] != NULL; i++)
        if (strcmp(value, names[i]) == 0) {
            *choice = i;
            return 1;
        }
    return 0;
}

static int take_levels(const char *value, froc_options *o) {
    o->level_count = parse_list(value, ',', o->levels, FROC_MOST_LEVELS);
    for (size_t i = 0; i < o->level_count; i++)
        if (o->levels[i] < 0) return 0;
    return o->level_count > 0;
}

int froc_options_take(int option, const char *value, froc_options *o) {
    static const char *const conventions[] = {"paper", "deeplesion", NULL};
    static const char *const rules[] = {"lesion-score", "score", "ignore", NULL};
    int32_t number;
    switch (option) {
    case 's': return choose(value, froc_split_names, &o->split);
    case 'c': return choose(value, conventions, &o->froc.convention);
    case FROC_OPTION_IOU: return parse_double(value, 0, 1, &o->froc.iou_threshold);
    case FROC_OPTION_FALSE_POSITIVES: return choose(value, rules, &o->froc.false_positives);
    case 'l': return take_levels(value, o);
    case 'b': return parse_int(value, 0, 100000, &o->froc.bootstrap_samples);
    case FROC_OPTION_SEED:
        if (!parse_int(value, 0, INT32_MAX, &number)) return 0;
        o->froc.seed = (uint64_t)number;
        return 1;
    case FROC_OPTION_CONFIDENCE: return parse_double(value, 0, 1, &o->froc.confidence);
    case 'j': o->json = value; return 1;
    case 'p': o->plot = value; return froc_plot_is_known(value);
    default: return -1;
    }
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

froc_report froc_options_report(const froc_options *o, const uldor_froc *froc, int32_t convention) {
    bool is_paper = convention == ULDOR_FROC_PAPER;
    return (froc_report){.froc = froc,
                         .convention = is_paper ? "paper" : "deeplesion",
                         .levels = (int32_t)o->level_count,
                         .iou_threshold = o->froc.iou_threshold,
                         .confidence = o->froc.confidence,
                         .bootstrap = o->froc.bootstrap_samples,
                         .is_continued = !is_paper};
}
