/*
 * Winograd's minimal filtering (Lavin and Gray 2016): Y = A' [(G g G') * (B' d B)] A. A tile's `side` is that of its output,
 * 4 or 2, a constant wherever it is an argument here; side + 2 inputs lead to it, and as many places squared.
 *
 * F(4 x 4, 3 x 3) has one multiplication where a direct convolution has four. Its points are 0, +-5/8, +-3/2 and infinity. Pairs of
 * opposite points let even and odd terms be shared; the two numbers are those, among multiples of 1/8, whose error is least, and
 * B and A are exact in float32 (docs/performance.md has the search and what other points give).
 *
 * F(2 x 2, 3 x 3) has four multiplications where a direct convolution has nine. Its points are 0, 1, -1 and infinity: nothing but
 * additions and halves, so it rounds hardly more than a direct sum.
 */
#define WA 0.625f  /* 5/8 */
#define WB 1.5f    /* 3/2 */
#define WA2 0.390625f
#define WB2 2.25f
/* G's factors of the two pairs. */
#define GA (1.0f / (2 * WA2 * (WA2 - WB2)))
#define GB (1.0f / (2 * WB2 * (WB2 - WA2)))

/* B' of one row or column of six. */
UK_INLINE void winograd_input_4(const vec d[6], vec to[6])
{
    vec even_a = d[4] - WB2 * d[2], odd_a = d[3] - WB2 * d[1];
    vec even_b = d[4] - WA2 * d[2], odd_b = d[3] - WA2 * d[1];
    to[0] = d[4] - (WA2 + WB2) * d[2] + (WA2 * WB2) * d[0];
    to[1] = even_a + WA * odd_a;
    to[2] = even_a - WA * odd_a;
    to[3] = even_b + WB * odd_b;
    to[4] = even_b - WB * odd_b;
    to[5] = d[5] - (WA2 + WB2) * d[3] + (WA2 * WB2) * d[1];
}

/* G of one row or column of three. */
UK_INLINE void winograd_filter_4(const vec g[3], vec to[6])
{
    vec even_a = GA * g[0] + (GA * WA2) * g[2], odd_a = (GA * WA) * g[1];
    vec even_b = GB * g[0] + (GB * WB2) * g[2], odd_b = (GB * WB) * g[1];
    to[0] = (float)(256.0 / 225.0) * g[0];
    to[1] = even_a + odd_a;
    to[2] = even_a - odd_a;
    to[3] = even_b + odd_b;
    to[4] = even_b - odd_b;
    to[5] = g[2];
}

/* A' of one row or column of six. */
UK_INLINE void winograd_output_4(const vec m[6], vec to[4])
{
    vec sum_a = m[1] + m[2], difference_a = m[1] - m[2], sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    to[0] = m[0] + sum_a + sum_b;
    to[1] = WA * difference_a + WB * difference_b;
    to[2] = WA2 * sum_a + WB2 * sum_b;
    to[3] = (WA * WA2) * difference_a + (WB * WB2) * difference_b + m[5];
}

/* The same for F(2 x 2, 3 x 3). */
UK_INLINE void winograd_input_2(const vec d[4], vec to[4])
{
    to[0] = d[2] - d[0];
    to[1] = d[2] + d[1];
    to[2] = d[2] - d[1];
    to[3] = d[3] - d[1];
}

UK_INLINE void winograd_filter_2(const vec g[3], vec to[4])
{
    vec even = 0.5f * (g[0] + g[2]), odd = 0.5f * g[1];
    to[0] = -g[0];
    to[1] = even + odd;
    to[2] = even - odd;
    to[3] = g[2];
}

UK_INLINE void winograd_output_2(const vec m[4], vec to[2])
{
    to[0] = m[0] + (m[1] + m[2]);
    to[1] = m[3] + (m[1] - m[2]);
}

/*
 * `transform`, `from` values to `to`, along the columns and then along the rows: get(y, x) is a vector of the input, and
 * put(y, out) takes a row of the result, of those in [first, end).
 */
#define UK_SOME_ROWS(from, to, first, end, transform, get, put)                                                         \
    do {                                                                                                                \
        vec half[to][from];                                                                                             \
        UK_UNROLL for (int x = 0; x < (from); x++)                                                                      \
        {                                                                                                               \
            vec column[from], out[to];                                                                                  \
            UK_UNROLL for (int y = 0; y < (from); y++) column[y] = get(y, x);                                           \
            transform(column, out);                                                                                     \
            UK_UNROLL for (int y = (first); y < (end); y++) half[y][x] = out[y];                                        \
        }                                                                                                               \
        UK_UNROLL for (int y = (first); y < (end); y++)                                                                 \
        {                                                                                                               \
            vec out[to];                                                                                                \
            transform(half[y], out);                                                                                    \
            put(y, out);                                                                                                \
        }                                                                                                               \
    } while (0)
#define UK_BOTH_WAYS(from, to, transform, get, put) UK_SOME_ROWS(from, to, 0, to, transform, get, put)

/* A row of a tile's places. */
UK_INLINE void store_places(const int side, float *to, int64_t plane, int y, const vec *out)
{
    UK_UNROLL for (int x = 0; x < side + 2; x++) store(to + (y * (side + 2) + x) * plane, out[x]);
}

/* A tile's inputs, each of 16 channels at its own address, to places `plane` floats apart. */
UK_INLINE void winograd_input(const int side, const float *const *from, int64_t channel, float *to, int64_t plane)
{
#define UK_GET(y, x) load(from[(y) * (side + 2) + (x)] + channel + v * UK_LANES)
#define UK_PUT(y, out) store_places(side, to + v * UK_LANES, plane, y, out)
    for (int v = 0; v < VECTORS; v++) {
        if (side == 4) UK_BOTH_WAYS(6, 6, winograd_input_4, UK_GET, UK_PUT);
        else UK_BOTH_WAYS(4, 4, winograd_input_2, UK_GET, UK_PUT);
    }
#undef UK_GET
#undef UK_PUT
}

/* 3 x 3 weights of a panel for one input channel, `tap` floats apart: to rows [top, bottom) of their places. */
UK_INLINE void winograd_filter(const int side, const int top, const int bottom, const float *from, int64_t tap, float *to, int64_t plane)
{
#define UK_GET(y, x) load(from + ((y) * 3 + (x)) * tap + v * UK_LANES)
#define UK_PUT(y, out) store_places(side, to + v * UK_LANES, plane, (y) - top, out)
    for (int v = 0; v < VECTORS; v++) {
        if (side == 4) UK_SOME_ROWS(3, 6, top, bottom, winograd_filter_4, UK_GET, UK_PUT);
        else UK_SOME_ROWS(3, 4, top, bottom, winograd_filter_2, UK_GET, UK_PUT);
    }
#undef UK_GET
#undef UK_PUT
}

/* The products of a vector of channels, `plane` floats apart, to the sums of side x side pixels, row by row. */
UK_INLINE void winograd_output(const int side, const float *from, int64_t plane, vec *to)
{
#define UK_GET(y, x) load(from + ((y) * (side + 2) + (x)) * plane)
#define UK_PUT(y, out) UK_UNROLL for (int x = 0; x < side; x++) to[(y) * side + x] = out[x]
    if (side == 4) UK_BOTH_WAYS(6, 4, winograd_output_4, UK_GET, UK_PUT);
    else UK_BOTH_WAYS(4, 2, winograd_output_2, UK_GET, UK_PUT);
#undef UK_GET
#undef UK_PUT
}

/*
 * The weights' gradient is F(4 x 4, 3 x 3) turned around: G' [sum over tiles of (A y A') * (B' d B)] G, y the gradient of a tile's 4 x 4
 * outputs.
 */

/* A of one row or column of four. */
UK_INLINE void winograd_gradient_1d(const vec y[4], vec to[6])
{
    vec even_a = y[0] + WA2 * y[2], odd_a = WA * y[1] + (WA * WA2) * y[3];
    vec even_b = y[0] + WB2 * y[2], odd_b = WB * y[1] + (WB * WB2) * y[3];
    to[0] = y[0];
    to[1] = even_a + odd_a;
    to[2] = even_a - odd_a;
    to[3] = even_b + odd_b;
    to[4] = even_b - odd_b;
    to[5] = y[3];
}

/* G' of one row or column of six. */
UK_INLINE void winograd_weights_1d(const vec m[6], vec to[3])
{
    vec sum_a = m[1] + m[2], difference_a = m[1] - m[2], sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    to[0] = (float)(256.0 / 225.0) * m[0] + (GA * sum_a + GB * sum_b);
    to[1] = (GA * WA) * difference_a + (GB * WB) * difference_b;
    to[2] = m[5] + ((GA * WA2) * sum_a + (GB * WB2) * sum_b);
}

/* 4 x 4 gradients, each of 16 channels at its own address, to 36 places `plane` floats apart. */
UK_INLINE void winograd_gradient(const float *const *from, int32_t channel, float *to, int64_t plane)
{
#define UK_GET(y, x) load(from[(y) * 4 + (x)] + channel + v * UK_LANES)
#define UK_PUT(y, out) store_places(4, to + v * UK_LANES, plane, y, out)
    for (int v = 0; v < VECTORS; v++) UK_BOTH_WAYS(4, 6, winograd_gradient_1d, UK_GET, UK_PUT);
#undef UK_GET
#undef UK_PUT
}

/* 36 sums of a vector of channels, `plane` floats apart, to 3 x 3 weights. */
UK_INLINE void winograd_weights(const float *from, int64_t plane, vec to[3][3])
{
#define UK_GET(y, x) load(from + ((y) * 6 + (x)) * plane)
#define UK_PUT(y, out) UK_UNROLL for (int x = 0; x < 3; x++) to[y][x] = out[x]
    UK_BOTH_WAYS(6, 3, winograd_weights_1d, UK_GET, UK_PUT);
#undef UK_GET
#undef UK_PUT
}

#undef UK_BOTH_WAYS
#undef UK_SOME_ROWS
#undef GA
#undef GB
