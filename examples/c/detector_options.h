/* detector_options.h - the options of every command that detects: settings of the session */
#ifndef DETECTOR_OPTIONS_H
#define DETECTOR_OPTIONS_H

#include <uldor.h>

/* Beyond any command's own. */
enum {
    DETECTOR_OPTION_MIN_SCORE = 0x2000, DETECTOR_OPTION_MAX_DETECTIONS, DETECTOR_OPTION_CLASS_RULE, DETECTOR_OPTION_NO_RESAMPLING,
    DETECTOR_OPTION_NO_BODY_CROP, DETECTOR_OPTION_THREADS, DETECTOR_OPTION_PORTABLE, DETECTOR_OPTION_EXACT,
    DETECTOR_OPTION_MEMORY_LIMIT
};

/* For a table of getopt_long(). */
#define DETECTOR_LONG_OPTIONS                                                                                                   \
    {"min-score", required_argument, NULL, DETECTOR_OPTION_MIN_SCORE},                                                          \
        {"max-detections", required_argument, NULL, DETECTOR_OPTION_MAX_DETECTIONS},                                            \
        {"class-rule", required_argument, NULL, DETECTOR_OPTION_CLASS_RULE},                                                    \
        {"no-resampling", no_argument, NULL, DETECTOR_OPTION_NO_RESAMPLING},                                                    \
        {"no-body-crop", no_argument, NULL, DETECTOR_OPTION_NO_BODY_CROP},                                                      \
        {"threads", required_argument, NULL, DETECTOR_OPTION_THREADS},                                                          \
        {"portable", no_argument, NULL, DETECTOR_OPTION_PORTABLE}, \
        {"exact", no_argument, NULL, DETECTOR_OPTION_EXACT},                                                                    \
        {"memory-limit", required_argument, NULL, DETECTOR_OPTION_MEMORY_LIMIT}

/* Returns 1 when taken, 0 when the value does not fit, -1 for another option. */
int detector_options_take(int option, const char *value, uldor_session_options *session);

#endif
