/*
 * Tiles of 1 to 3 outputs at the right and bottom edge of maps whose side is no multiple of 4: F(n, 3) in place of F(4, 3), in either
 * direction. Its n + 2 points are some of those of F(4, 3), so that the transformed filters are the same: G's rows (1, p, p^2) / N
 * differ from F(n, 3)'s own by N alone, and the quotient is in B. At the points that it does without, an edge tile has no place.
 *
 * Its points are pairs, for even and odd terms, and of those the ones that round least; all round less than F(4, 3), and B and A
 * are exact in float32 (docs/performance.md).
 */

/* Points of a tile of so many outputs, a bit each: 0, 5/8, -5/8, 3/2, -3/2, infinity. 0: where the map's side is a multiple of 4. */
static const uint8_t edge_points[5] = {0x3f, 0x26, 0x39, 0x3e, 0x3f};

UK_INLINE bool has_point(int32_t outputs, int32_t point) { return edge_points[outputs] >> point & 1; }

/* B' of one row or column; absent places are left alone. */
UK_INLINE void winograd_edge_input_1d(const int outputs, const vec d[6], vec to[6])
{
    if (outputs == 1) {
        vec even = (WA2 * (WA2 - WB2)) * d[0], odd = (WA * (WA2 - WB2)) * d[1];
        to[1] = even + odd;
        to[2] = even - odd;
        to[5] = d[2] - WA2 * d[0];
    } else if (outputs == 2) {
        vec even = (WB2 - WA2) * d[2], odd = (WB * (WB2 - WA2)) * d[1];
        to[0] = (WA2 * WB2) * d[0] - WA2 * d[2];
        to[3] = even + odd;
        to[4] = even - odd;
        to[5] = d[3] - WB2 * d[1];
    } else if (outputs == 3) {
        vec even_a = WA2 * (d[2] - WB2 * d[0]), odd_a = d[3] - WB2 * d[1];
        vec even_b = WB2 * (d[2] - WA2 * d[0]), odd_b = d[3] - WA2 * d[1];
        to[1] = even_a + WA * odd_a;
        to[2] = even_a - WA * odd_a;
        to[3] = even_b + WB * odd_b;
        to[4] = even_b - WB * odd_b;
        to[5] = d[4] - (WA2 + WB2) * d[2] + (WA2 * WB2) * d[0];
    } else winograd_input_4(d, to);
}

/* A' of one row or column. */
UK_INLINE void winograd_edge_output_1d(const int outputs, const vec m[6], vec to[4])
{
    if (outputs == 1) to[0] = m[5] + (m[1] + m[2]);
    else if (outputs == 2) {
        to[0] = m[0] + (m[3] + m[4]);
        to[1] = m[5] + WB * (m[3] - m[4]);
    } else if (outputs == 3) {
        vec sum_a = m[1] + m[2], difference_a = m[1] - m[2], sum_b = m[3] + m[4], difference_b = m[3] - m[4];
        to[0] = sum_a + sum_b;
        to[1] = WA * difference_a + WB * difference_b;
        to[2] = WA2 * sum_a + WB2 * sum_b + m[5];
    } else winograd_output_4(m, to);
}

/* call(outputs) with a constant: each direction is compiled for itself, instead of every pair of height and width. */
#define UK_FOR_OUTPUTS(outputs, call)                                                                                   \
    switch (outputs) {                                                                                                  \
    case 1: call(1); break;                                                                                             \
    case 2: call(2); break;                                                                                             \
    case 3: call(3); break;                                                                                             \
    default: call(4);                                                                                                   \
    }

UK_INLINE void edge_input_columns(const int height, int32_t width, const float *const *from, int64_t channel, vec half[6][6])
{
    for (int32_t x = 0; x < width + 2; x++) {
        vec column[6], out[6];
        UK_UNROLL for (int y = 0; y < height + 2; y++) column[y] = load(from[y * 6 + x] + channel);
        winograd_edge_input_1d(height, column, out);
        UK_UNROLL for (int y = 0; y < 6; y++)
            if (has_point(height, y)) half[y][x] = out[y];
    }
}

UK_INLINE void edge_input_rows(int32_t height, const int width, const vec half[6][6], float *to, int64_t plane)
{
    for (int32_t y = 0; y < 6; y++) {
        if (!has_point(height, y)) continue;
        vec out[6];
        winograd_edge_input_1d(width, half[y], out);
        UK_UNROLL for (int x = 0; x < 6; x++)
            if (has_point(width, x)) store(to + (y * 6 + x) * plane, out[x]);
    }
}

/* As winograd_input() for a tile of height x width outputs. */
static __attribute__((noinline)) void winograd_edge_input(int32_t height, int32_t width, const float *const *from, int64_t channel,
                                                          float *to, int64_t plane)
{
#define UK_DOWN(n) edge_input_columns(n, width, from, channel + v * UK_LANES, half)
#define UK_ACROSS(n) edge_input_rows(height, n, half, to + v * UK_LANES, plane)
    for (int v = 0; v < VECTORS; v++) {
        vec half[6][6];
        UK_FOR_OUTPUTS(height, UK_DOWN)
        UK_FOR_OUTPUTS(width, UK_ACROSS)
    }
#undef UK_DOWN
#undef UK_ACROSS
}

UK_INLINE void edge_output_columns(const int height, int32_t width, const float *from, int64_t plane, vec half[4][6])
{
    for (int32_t x = 0; x < 6; x++) {
        if (!has_point(width, x)) continue;
        vec column[6], out[4];
        UK_UNROLL for (int y = 0; y < 6; y++)
            if (has_point(height, y)) column[y] = load(from + (y * 6 + x) * plane);
        winograd_edge_output_1d(height, column, out);
        UK_UNROLL for (int y = 0; y < height; y++) half[y][x] = out[y];
    }
}

UK_INLINE void edge_output_rows(int32_t height, const int width, const vec half[4][6], vec *to)
{
    for (int32_t y = 0; y < height; y++) winograd_edge_output_1d(width, half[y], to + y * 4);
}

/* As winograd_output() for a tile of height x width outputs; sums of a row are 4 apart, those outside of the tile are left alone. */
UK_INLINE void winograd_edge_output(int32_t height, int32_t width, const float *from, int64_t plane, vec to[16])
{
#define UK_DOWN(n) edge_output_columns(n, width, from, plane, half)
#define UK_ACROSS(n) edge_output_rows(height, n, half, to)
    vec half[4][6];
    UK_FOR_OUTPUTS(height, UK_DOWN)
    UK_FOR_OUTPUTS(width, UK_ACROSS)
#undef UK_DOWN
#undef UK_ACROSS
}

#undef UK_FOR_OUTPUTS
/* The numbers of winograd_transforms.h. */
#undef WA
#undef WB
#undef WA2
#undef WB2
