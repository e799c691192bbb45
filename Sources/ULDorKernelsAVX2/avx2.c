/* Compiled with -mavx2 -mfma; nothing here may run before the CPU was asked (ULDorKernels/dispatch.c). */
#include "ULDorKernelsAVX2.h"

#include <immintrin.h>

/* 6 x 16: 12 accumulators, 2 weight vectors and 1 broadcast in 16 registers. */
#define UK_TABLE uk_table_avx2
#define UK_NAME "avx2"
#define UK_ROWS 6
#define UK_PANELS 1
#define UK_LANES 8
#define UK_BROADCAST(p) ((vec)_mm256_broadcast_ss(p))
#pragma STDC FP_CONTRACT ON
#include "../ULDorKernelsBase/uk_bodies.h"
