/* finding.c - see finding.h */
#include "finding.h"

bool slice_result_get(const slice_result *slice, int32_t index, uldor_detection *detection) {
    *detection = (uldor_detection){.struct_size = sizeof *detection};
    return uldor_result_get(slice->result, index, detection) >= 0;
}

const char *slice_result_class(const slice_result *slice, const uldor_detection *detection) {
    const char *name = "";
    return uldor_model_get_class_name(slice->model, detection->class_index, &name) >= 0 ? name : "";
}
