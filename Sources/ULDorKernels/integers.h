/* What plans and jobs count with. */
#ifndef UK_INTEGERS_H
#define UK_INTEGERS_H

#include "ULDorKernels.h"

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
/* a / b, rounded up. */
static inline int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }
/* Where part `index` of `parts` nearly equal ones begins. */
static inline int32_t part(int64_t total, int64_t parts, int64_t index) { return (int32_t)(total * index / parts); }

#endif
