/* detector_options.c - see detector_options.h */
#include "detector_options.h"

#include <stdbool.h>
#include <string.h>

#include "parse.h"

static bool parse_class_rule(const char *text, int32_t *rule) {
    if (strcmp(text, "per-class") == 0) *rule = ULDOR_CLASS_RULE_PER_CLASS;
    else if (strcmp(text, "best-class") == 0) *rule = ULDOR_CLASS_RULE_BEST_CLASS;
    else return false;
    return true;
}

int detector_options_take(int option, const char *value, uldor_session_options *session) {
    double number;
    switch (option) {
    case DETECTOR_OPTION_MIN_SCORE:
        if (!parse_double(value, 0, 1, &number)) return 0;
        session->score_threshold = (float)number;
        return 1;
    case DETECTOR_OPTION_MAX_DETECTIONS: return parse_int(value, 1, 1000, &session->detections);
    case DETECTOR_OPTION_CLASS_RULE: return parse_class_rule(value, &session->class_rule);
    case DETECTOR_OPTION_NO_RESAMPLING: session->no_resampling = 1; return 1;
    case DETECTOR_OPTION_NO_BODY_CROP: session->no_body_crop = 1; return 1;
    case DETECTOR_OPTION_THREADS: return parse_int(value, 1, 1024, &session->threads);
    case DETECTOR_OPTION_PORTABLE: session->instructions = ULDOR_INSTRUCTIONS_PORTABLE; return 1;
    case DETECTOR_OPTION_EXACT: session->exact = 1; return 1;
    case DETECTOR_OPTION_MEMORY_LIMIT: return parse_bytes(value, &session->memory_limit);
    default: return -1;
    }
}
