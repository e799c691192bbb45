/* evaluate_origin.h - what detections come from: the first line of the journal */
#ifndef EVALUATE_ORIGIN_H
#define EVALUATE_ORIGIN_H

#include <jansson.h>
#include <uldor.h>

#include "evaluate_options.h"

/* Reads the files that it tells apart. Says what went wrong; NULL then. */
json_t *evaluate_origin(const evaluate_options *options, const uldor_model *model, const uldor_session *session);

#endif
