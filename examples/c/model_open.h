/* model_open.h - loads the weights that the command line names */
#ifndef MODEL_OPEN_H
#define MODEL_OPEN_H

#include <stdint.h>

#include <uldor.h>

#include "reason.h"

/* `config`: a JSON file to use instead of the configuration in the weights, or NULL. Says what went wrong; NULL then. */
uldor_model *model_open(const char *weights, const char *config, int32_t threads);

/*
 * The same, and a session that shows progress and warnings. Says what went wrong; -1 then. Free both whatever comes back:
 * they are NULL where they were not opened.
 */
int model_open_session(const char *weights, const char *config, const uldor_session_options *options, uldor_model **model,
                       uldor_session **session);

/* The text of a configuration's file, to be freed with free(); NULL with the reason. */
char *model_read_config(const char *path, reason *why);

#endif
