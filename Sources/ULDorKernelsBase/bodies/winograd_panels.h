/*
 * Winograd for maps of few tiles, where writing transformed filters to the last cache and reading them back is much of the work: tiles are
 * transformed first, all of them, and each job has some panels of all tiles. It transforms its filters itself, a row of places at a time,
 * so that they stay in its own second cache. What an output value is computed from is the same as in winograd.h.
 */

/* Tiles [begin, begin + count) of all `tiles`, to where their rows are among all. */
UK_INLINE void all_tiles_job(const int side, const uk_exec *exec, const uk_conv *conv, int32_t tiles, int32_t begin, int32_t count,
                             float *to)
{
    tile_rows order = order_tiles(side, conv, 0, tiles);
    place at = {0};
    for (int32_t t = 0; t < begin; t++, at = place_after(side, conv, at)) order.first[shape_at(side, conv, at).kind]++;
    transform_tiles(side, exec, conv, begin, count, order, tiles, to);
}

UK_INLINE void panels_job(const int side, const uk_exec *exec, const uk_conv *conv, int32_t tiles, int32_t panel, int32_t panels,
                          const float *rows, float *scratch)
{
    const int across = side + 2;
    int32_t channels = conv->channels;
    int64_t width = (int64_t)panels * UK_PANEL, row_plane = UK_WINOGRAD_ROWS(tiles, channels), plane = UK_WINOGRAD_PLANE(channels);
    int64_t product_plane = UK_WINOGRAD_ROWS(tiles, width);
    float *products = scratch, *filters = scratch + across * across * product_plane;
    tile_rows order = order_tiles(side, conv, 0, tiles);
    const next_weights none = {.panels = 0};
    UK_UNROLL for (int y = 0; y < side + 2; y++)
    {
        if (uk_is_stopping(exec)) return;
        for (int32_t p = 0; p < panels; p++)
            transform_filters(side, y, y + 1, conv, panel + p, 0, channels, filters + p * across * plane);
        for (int x = 0; x < across; x++) {
            int32_t point = y * across + x;
            row_range range = rows_at(side, conv, &order, point);
            if (range.begin == range.end) continue; /* no whole tile */
            multiply_place(channels, tiles, range, panels, rows + point * row_plane, filters + x * plane, &none, across * plane,
                           products + point * product_plane);
        }
    }
    finish_tiles(side, conv, 0, tiles, order, panel, panels, products);
}

/* Each side compiled on its own. */
#define UK_WINOGRAD(SIDE)                                                                                                \
    static __attribute__((noinline)) void winograd_tiles_##SIDE(const uk_exec *exec, const uk_conv *conv, int32_t tiles, \
                                                                int32_t begin, int32_t count, float *to)                \
    {                                                                                                                    \
        all_tiles_job(SIDE, exec, conv, tiles, begin, count, to);                                                        \
    }                                                                                                                    \
    static __attribute__((noinline)) void winograd_panels_##SIDE(const uk_exec *exec, const uk_conv *conv, int32_t tiles, \
                                                                 int32_t panel, int32_t panels, const float *rows,       \
                                                                 float *scratch)                                         \
    {                                                                                                                    \
        panels_job(SIDE, exec, conv, tiles, panel, panels, rows, scratch);                                               \
    }
UK_WINOGRAD(4)
UK_WINOGRAD(2)
#undef UK_WINOGRAD
