/* mask_json.h - a detection's mask as JSON */
#ifndef MASK_JSON_H
#define MASK_JSON_H

#include <stdint.h>

#include <jansson.h>
#include <uldor.h>

/* {"size": [height, width], "counts": [...]}: COCO's uncompressed run lengths. NULL: not enough memory. */
json_t *mask_to_json(const uldor_result *result, int32_t index, int32_t height, int32_t width);

#endif
