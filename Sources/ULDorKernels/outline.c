#include "ULDorKernels.h"

/* NaN is not above. */
int64_t uk_count_above(const float *values, int64_t count, float threshold)
{
    int64_t total = 0;
    enum { BLOCK = 1 << 16 };
    for (int64_t begin = 0; begin < count; begin += BLOCK) {
        int64_t end = begin + BLOCK < count ? begin + BLOCK : count;
        /* As many lanes as the values have, since none counts that far. */
        int32_t above = 0;
        for (int64_t i = begin; i < end; i++) above += values[i] > threshold;
        total += above;
    }
    return total;
}

int64_t uk_next_edge(const float *row, int64_t first, int64_t width, float threshold)
{
    enum { BLOCK = 32 };
    int64_t x = first;
    while (x + BLOCK < width) {
        int32_t any = 0;
        for (int64_t i = x; i < x + BLOCK; i++) any |= (row[i] > threshold) & !(row[i + 1] > threshold);
        if (any) break;
        x += BLOCK;
    }
    for (; x < width; x++)
        if (row[x] > threshold && !(x + 1 < width && row[x + 1] > threshold)) return x;
    return width;
}
