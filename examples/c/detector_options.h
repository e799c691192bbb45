/* detector_options.h - the options of every command that detects: settings of the session */
#ifndef DETECTOR_OPTIONS_H
#define DETECTOR_OPTIONS_H

#include "options.h"

/* They fill an uldor_session_options. */
extern const option_row detector_option_rows[];

#endif
