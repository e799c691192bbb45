#include "ULDorKernels.h"
#include "ULDorKernelsAVX2.h"
#include "ULDorKernelsAVX512.h"

static bool has_avx2(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

static bool has_avx512(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
#else
    return false;
#endif
}

const uk_table *uk_table_for(int32_t instructions)
{
    switch (instructions) {
    case UK_BEST: return has_avx512() ? &uk_table_avx512 : has_avx2() ? &uk_table_avx2 : &uk_table_portable;
    case UK_PORTABLE: return &uk_table_portable;
    case UK_AVX2: return has_avx2() ? &uk_table_avx2 : NULL;
    case UK_AVX512: return has_avx512() ? &uk_table_avx512 : NULL;
    default: return NULL;
    }
}
