#include "ULDorKernels.h"
#include "ULDorKernelsAVX2.h"

const uk_table *uk_best_table(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &uk_table_avx2;
#endif
    return &uk_table_portable;
}

const uk_table *uk_portable_table(void) { return &uk_table_portable; }
