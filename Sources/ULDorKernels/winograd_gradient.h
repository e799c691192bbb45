/* The weights' gradient of a 3 x 3 convolution by Winograd: what weight_gradient.c chooses from. */
#ifndef UK_WINOGRAD_GRADIENT_H
#define UK_WINOGRAD_GRADIENT_H

#include "ULDorKernels.h"

/* Whether it can be taken and is faster, and the least batch for which it would be. */
bool uk_is_winograd_gradient(const uk_gradient *gradient);
int32_t uk_winograd_gradient_from(const uk_gradient *gradient);

/* Does not read the bias. `scratch`: uk_winograd_gradient_floats(), no fewer for a larger batch. */
int64_t uk_winograd_gradient_floats(const uk_gradient *gradient);
int uk_winograd_gradient(const uk_exec *exec, const uk_table *table, const uk_gradient *gradient, float *scratch);

#endif
