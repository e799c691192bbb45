#ifndef ULDOR_KERNELS_AVX512_H
#define ULDOR_KERNELS_AVX512_H

#include "ULDorKernelsBase.h"

/* For CPUs with AVX-512 F, BW, DQ and VL only; on other architectures the portable table stands here. */
extern const uk_table uk_table_avx512;

#endif
