/* mask_json.c - see mask_json.h */
#include "mask_json.h"

#include <stdbool.h>
#include <stdlib.h>

json_t *mask_to_json(const uldor_result *result, int32_t index, int32_t height, int32_t width) {
    size_t count = 0;
    if (uldor_result_get_mask_rle(result, index, NULL, 0, &count) < 0) return NULL;
    uint32_t *counts = malloc((count + 1) * sizeof *counts);
    json_t *runs = json_array();
    bool done = counts != NULL && runs != NULL && uldor_result_get_mask_rle(result, index, counts, count, &count) >= 0;
    for (size_t i = 0; done && i < count; i++) done = json_array_append_new(runs, json_integer(counts[i])) == 0;
    free(counts);
    if (done) return json_pack("{s[ii] so}", "size", (int)height, (int)width, "counts", runs);
    json_decref(runs);
    return NULL;
}
