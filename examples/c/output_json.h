/* output_json.h - findings for programs, docs/json.md */
#ifndef OUTPUT_JSON_H
#define OUTPUT_JSON_H

#include <jansson.h>

#include "detect_options.h"
#include "finding.h"
#include "reason.h"

/* The document without images; NULL: out of memory. */
json_t *output_json_create(const detect_options *options, const uldor_model *model);
/* Appends a slice's findings, or what kept a file (a slice: `slice_number` >= 0) from being read. */
int output_json_add(json_t *document, const slice_result *slice, reason *why);
int output_json_add_failure(json_t *document, const char *path, int32_t slice_number, const char *text);

#endif
