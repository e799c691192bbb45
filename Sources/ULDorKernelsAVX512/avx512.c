/* Compiled with -mavx512f and its like; nothing here may run before the CPU was asked (ULDorKernels/dispatch.c). */
#include "ULDorKernelsAVX512.h"

#include <immintrin.h>

/* 14 x 32: 28 accumulators, 2 weight vectors and 1 broadcast in 32 registers. */
#define UK_TABLE uk_table_avx512
#define UK_NAME "avx512"
#define UK_ROWS 14
#define UK_PANELS 2
#define UK_LANES 16
#define UK_BROADCAST(p) ((vec)_mm512_set1_ps(*(p)))
/* From intrinsics the compiler makes one read of the float for all of its uses. */
#define UK_MULTIPLY_ADD(sum, weights, p) __asm__("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(weights), "m"(*(p)))
#pragma STDC FP_CONTRACT ON
#include "../ULDorKernelsBase/uk_bodies.h"
