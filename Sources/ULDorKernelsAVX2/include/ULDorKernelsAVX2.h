#ifndef ULDOR_KERNELS_AVX2_H
#define ULDOR_KERNELS_AVX2_H

#include "ULDorKernelsBase.h"

/* For CPUs with AVX2 and FMA only; on other architectures the portable table stands here. */
extern const uk_table uk_table_avx2;

#endif
