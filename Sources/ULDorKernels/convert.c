#include "ULDorKernels.h"

#include <string.h>

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float from_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
    if (exponent == 31) return from_bits(sign | 0x7F800000 | fraction << 13);
    if (exponent) return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    /* Subnormal: fraction * 2^-24, exact in float32. */
    float value = (float)fraction * 0x1p-24f;
    return sign ? -value : value;
}

static int is_finite(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7F800000) != 0x7F800000;
}

int64_t uk_to_float(int32_t type, const void *from, int64_t count, float *to)
{
    const unsigned char *p = from;
    int64_t bad = -1;
    for (int64_t i = 0; i < count; i++) {
        if (type == UK_F32) {
            memcpy(to + i, p + i * 4, 4);
        } else {
            uint16_t bits;
            memcpy(&bits, p + i * 2, 2);
            to[i] = type == UK_F16 ? from_half(bits) : from_bits((uint32_t)bits << 16);
        }
        if (bad < 0 && !is_finite(to[i])) bad = i;
    }
    return bad;
}

void uk_from_planes(const float *planes, int32_t channels, const uk_map *map)
{
    for (int32_t c = 0; c < channels; c++)
        for (int32_t y = 0; y < map->height; y++) {
            float *to = map->data + y * map->row_stride + c;
            for (int32_t x = 0; x < map->width; x++) to[x * map->pixel_stride] = *planes++;
        }
}

void uk_to_planes(const uk_map *map, int32_t channels, float *planes)
{
    for (int32_t c = 0; c < channels; c++)
        for (int32_t y = 0; y < map->height; y++) {
            const float *from = map->data + y * map->row_stride + c;
            for (int32_t x = 0; x < map->width; x++) *planes++ = from[x * map->pixel_stride];
        }
}

int32_t uk_read_row(int32_t type, const void *first, ptrdiff_t stride, int32_t count, float slope, float intercept,
                    float *hu)
{
    const char *p = first;
    int32_t bad = -1;
    for (int32_t i = 0; i < count; i++) {
        /* i * stride, not a running pointer: that would step past the buffer's end after the last pixel. */
        const char *at = p + i * stride;
        float stored;
        if (type == UK_PIXEL_INT16) {
            int16_t v;
            memcpy(&v, at, sizeof v);
            stored = v;
        } else if (type == UK_PIXEL_UINT16) {
            uint16_t v;
            memcpy(&v, at, sizeof v);
            stored = v;
        } else {
            memcpy(&stored, at, sizeof stored);
        }
        hu[i] = stored * slope + intercept;
        if (bad < 0 && !is_finite(hu[i])) bad = i;
    }
    return bad;
}
