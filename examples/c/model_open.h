/* model_open.h - loads the weights that the command line names */
#ifndef MODEL_OPEN_H
#define MODEL_OPEN_H

#include <stdint.h>

#include <uldor.h>

/* `config`: a JSON file to use instead of the configuration in the weights, or NULL. Says what went wrong; NULL then. */
uldor_model *model_open(const char *weights, const char *config, int32_t threads);

#endif
