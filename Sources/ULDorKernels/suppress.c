#include "ULDorKernels.h"

int64_t uk_suppress_floats(int32_t kept) { return 5 * UK_SUPPRESS_PLANE(kept); }

int32_t uk_suppress(const uk_exec *exec, const uk_table *table, const float *boxes, int32_t *order, int32_t count, float threshold,
                    int32_t limit, float *scratch)
{
    return table->suppress(exec, boxes, order, count, threshold, limit, scratch);
}
