#include "ULDorKernels.h"

#include <string.h>

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Every case is computed and one is chosen, so that the compiler can do several at once. Nothing here is subnormal in float32. */
static inline float from_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, shifted = (uint32_t)(h & 0x7FFF) << 13;
    uint32_t normal = shifted + (112u << 23), special = shifted | 0x7F800000;
    /* A subnormal half is its fraction * 2^-24: beside 2^-14 the fraction's bits are those of a normal number. */
    float beside = from_bits(shifted + (113u << 23)) - 0x1p-14f;
    uint32_t subnormal;
    memcpy(&subnormal, &beside, sizeof subnormal);
    uint32_t magnitude = shifted >= 31u << 23 ? special : shifted < 1u << 23 ? subnormal : normal;
    return from_bits(sign | magnitude);
}

static inline bool is_finite(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7FFFFFFF) < 0x7F800000;
}

/* Index of the first value that is not finite, or -1. */
static int64_t first_bad(const float *values, int64_t count)
{
    enum { BLOCK = 1024 };
    for (int64_t begin = 0; begin < count; begin += BLOCK) {
        int64_t end = begin + BLOCK < count ? begin + BLOCK : count;
        uint32_t any = 0;
        for (int64_t i = begin; i < end; i++) {
            int32_t bits;
            memcpy(&bits, values + i, sizeof bits);
            any |= (bits & 0x7FFFFFFF) >= 0x7F800000;
        }
        if (!any) continue;
        for (int64_t i = begin; i < end; i++) if (!is_finite(values[i])) return i;
    }
    return -1;
}

int64_t uk_to_float(int32_t type, const void *from, int64_t count, float *to)
{
    const unsigned char *p = from;
    if (type == UK_F32) {
        if (from != to) memcpy(to, from, (size_t)count * sizeof *to);
        return first_bad(to, count);
    }
    for (int64_t i = 0; i < count; i++) {
        uint16_t bits;
        memcpy(&bits, p + i * 2, sizeof bits);
        to[i] = type == UK_F16 ? from_half(bits) : from_bits((uint32_t)bits << 16);
    }
    return first_bad(to, count);
}

/*
 * A cache line's channels at a time: each is written whole (or read whole), while the planes are followed side by side. `put`
 * is the direction.
 */
#define UK_FOR_PLANES(put)                                                                                             \
    do {                                                                                                               \
        enum { TOGETHER = UK_PANEL };                                                                                  \
        int64_t area = (int64_t)map->height * map->width;                                                              \
        for (int32_t first = 0; first < channels; first += TOGETHER) {                                                 \
            int32_t count = channels - first < TOGETHER ? channels - first : TOGETHER;                                 \
            for (int32_t y = 0; y < map->height; y++)                                                                  \
                for (int32_t x = 0; x < map->width; x++) {                                                             \
                    float *pixel = map->data + y * map->row_stride + x * map->pixel_stride + uk_channel(map, first);   \
                    int64_t place = first * area + (int64_t)y * map->width + x;                                        \
                    for (int32_t c = 0; c < count; c++) put;                                                           \
                }                                                                                                      \
        }                                                                                                              \
    } while (0)

void uk_from_planes(const float *planes, int32_t channels, const uk_map *map)
{
    UK_FOR_PLANES(pixel[c] = planes[place + c * area]);
}

void uk_to_planes(const uk_map *map, int32_t channels, float *planes)
{
    UK_FOR_PLANES(planes[place + c * area] = pixel[c]);
}

int64_t uk_first_not_finite(const float *values, int64_t count) { return first_bad(values, count); }

/* `stride` is a constant where pixels lie side by side: then the compiler converts several at once. */
#define UK_READ(type)                                                                                                  \
    for (int32_t i = 0; i < count; i++) {                                                                              \
        type stored;                                                                                                   \
        /* i * stride, not a running pointer: that would step past the buffer's end after the last pixel. */           \
        memcpy(&stored, first + i * stride, sizeof stored);                                                            \
        hu[i] = (float)stored * slope + intercept;                                                                     \
    }

static inline __attribute__((always_inline)) void read_pixels(int32_t type, const char *first, ptrdiff_t stride, int32_t count,
                                                              float slope, float intercept, float *restrict hu)
{
    if (type == UK_PIXEL_INT16) UK_READ(int16_t)
    else if (type == UK_PIXEL_UINT16) UK_READ(uint16_t)
    else UK_READ(float)
}

int32_t uk_read_row(int32_t type, const void *first, ptrdiff_t stride, int32_t count, float slope, float intercept,
                    float *hu)
{
    if (stride == 2) read_pixels(type, first, 2, count, slope, intercept, hu);
    else if (stride == 4) read_pixels(type, first, 4, count, slope, intercept, hu);
    else read_pixels(type, first, stride, count, slope, intercept, hu);
    return (int32_t)first_bad(hu, count);
}
