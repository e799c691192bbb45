/* detector_options.c - see detector_options.h */
#include "detector_options.h"

#include <uldor.h>

#define INTO(member) .place = offsetof(uldor_session_options, member)

static const char *const class_rules[] = {"per-class", "best-class", NULL};

const option_row detector_option_rows[] = {
    {"min-score", 0, required_argument, option_float, INTO(score_threshold), 0, 1},
    {"max-detections", 0, required_argument, option_int, INTO(detections), 1, 1000},
    {"nms-threshold", 0, required_argument, option_float, INTO(nms_threshold), 0, 1},
    {"class-rule", 0, required_argument, option_choice, INTO(class_rule), ULDOR_CLASS_RULE_PER_CLASS, .choices = class_rules},
    {"no-resampling", 0, no_argument, option_set, INTO(no_resampling), 1},
    {"no-body-crop", 0, no_argument, option_set, INTO(no_body_crop), 1},
    {"threads", 0, required_argument, option_int, INTO(threads), 1, 1024},
    {"portable", 0, no_argument, option_set, INTO(instructions), ULDOR_INSTRUCTIONS_PORTABLE},
    {"exact", 0, no_argument, option_set, INTO(exact), 1},
    {"memory-limit", 0, required_argument, option_bytes, INTO(memory_limit)},
    {0},
};
