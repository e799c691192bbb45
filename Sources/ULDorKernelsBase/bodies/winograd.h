/*
 * 3 x 3 convolution of stride 1 by Winograd: the layer's filters are transformed first (winograd_filters), then each job
 * transforms a block of tiles, multiplies them at each of their places, and transforms back. Transforming the filters
 * in every call costs a per cent or two and saves two to four times the memory and the reading of it. `side` is that of a tile's
 * output (winograd_transforms.h).
 */

/* Filters of one panel, channels [first, first + count), at rows [top, bottom) of their places: to [places][channels + 1][UK_PANEL]. */
UK_INLINE void transform_filters(const int side, const int top, const int bottom, const uk_conv *conv, int32_t panel, int32_t first,
                                 int32_t count, float *to)
{
    int64_t plane = UK_WINOGRAD_PLANE(conv->channels);
    const float *from = conv->packed + (int64_t)panel * 9 * conv->channels * UK_PANEL;
    for (int32_t c = first; c < first + count; c++)
        winograd_filter(side, top, bottom, from + c * UK_PANEL, (int64_t)conv->channels * UK_PANEL, to + c * UK_PANEL, plane);
}

/* Tiles of a block of `all` to [places][packed rows]; false where the call is to stop. */
UK_INLINE bool transform_tiles(const int side, const uk_exec *exec, const uk_conv *conv, int64_t begin, int32_t count, tile_rows rows,
                               int32_t all, float *to)
{
    int64_t plane = UK_WINOGRAD_ROWS(all, conv->channels);
    tile_inputs inputs[2];
    const cut rows_cut = cut_rows(all);
    const int64_t group = uk_group_stride(&conv->input);
    place at = place_of(side, conv, begin);
    find_tile(side, conv, at, &inputs[0]);
    for (int32_t t = 0; t < count; t++) {
        if (t % 8 == 0 && uk_is_stopping(exec)) return false;
        const tile_inputs *tile = &inputs[t % 2];
        tile_inputs *next = &inputs[(t + 1) % 2];
        tile_shape shape = shape_at(side, conv, at);
        packed_row row = packed_row_of(&rows_cut, rows.first[shape.kind]++, conv->channels);
        if (t + 1 < count) at = place_after(side, conv, at);
        find_tile(side, conv, at, next);
        for (int32_t c = 0; c < conv->channels; c += 16) {
            /* No hardware prefetcher follows a tile's rows; its first two columns are shared with the tile before. */
            int64_t channel = c / 16 * group;
            UK_UNROLL for (int y = 0; y < side + 2; y++)
                UK_UNROLL for (int x = 2; x < side + 2; x++) __builtin_prefetch(next->ahead[y * (side + 2) + x] + channel);
            const float *const *sources = tile->from;
            const float *beside[36];
            if (tile->has_zeros && group != UK_PANEL) {
                for (int i = 0; i < (side + 2) * (side + 2); i++) beside[i] = tile->from[i] == uk_zeros ? uk_zeros : tile->from[i] + channel;
                sources = beside;
                channel = 0;
            }
            float *to_row = to + row.offset + c / 16 * row.block;
            if (shape.kind == WHOLE) winograd_input(side, sources, channel, to_row, plane);
            else winograd_edge_input(shape.height, shape.width, sources, channel, to_row, plane);
        }
    }
    return true;
}

/* Where a tile's pixels are written, NULL outside of the output, and what is added to them. */
typedef struct tile_pixels {
    tile_shape shape;
    float *out[16];
    const float *residual[16];
} tile_pixels;

UK_INLINE void find_outputs(const int side, const uk_conv *conv, place at, tile_pixels *to)
{
    to->shape = shape_at(side, conv, at);
    for (int32_t y = 0; y < side; y++)
        for (int32_t x = 0; x < side; x++) {
            bool inside = at.y + y < conv->output.height && at.x + x < conv->output.width;
            to->out[y * side + x] = inside ? pixel(&conv->output, at.n, at.y + y, at.x + x) : NULL;
            to->residual[y * side + x] = inside ? residual_of(conv, at.n, at.y + y, at.x + x) : NULL;
        }
}

/* The last step for one panel of a tile, whole or short: `products` are those of the panel. */
UK_INLINE void finish_panel(const int side, const bool is_whole, const uk_conv *conv, const tile_pixels *to, int32_t panel,
                            const float *products, int64_t plane)
{
    int32_t first = panel * UK_PANEL;
    int32_t channels = conv->out_channels - first < UK_PANEL ? conv->out_channels - first : UK_PANEL;
    int64_t out_place = uk_channel(&conv->output, first), residual_place = uk_channel(&conv->residual, first);
    float sums[16][UK_PANEL];
    vec floor = floor_of(conv->relu);
    for (int v = 0; v < VECTORS; v++) {
        vec sum[16];
        if (is_whole) winograd_output(side, products + v * UK_LANES, plane, sum);
        else winograd_edge_output(to->shape.height, to->shape.width, products + v * UK_LANES, plane, sum);
        UK_UNROLL for (int i = 0; i < side * side; i++) {
            if (!to->out[i]) continue;
            vec x = sum[i] + load(conv->bias + first + v * UK_LANES);
            if (channels < UK_PANEL) {
                store(sums[i] + v * UK_LANES, x);
                continue;
            }
            if (to->residual[i]) x += load(to->residual[i] + residual_place + v * UK_LANES);
            store(to->out[i] + out_place + v * UK_LANES, at_least(x, floor));
        }
    }
    if (channels == UK_PANEL) return;
    for (int i = 0; i < side * side; i++)
        if (to->out[i])
            finish_some(sums[i], to->residual[i] ? to->residual[i] + residual_place : NULL, conv->relu, to->out[i] + out_place, channels);
}

/* Apart, so that the sums of whole tiles stay in registers. */
static __attribute__((noinline)) void finish_edge_panel(const uk_conv *conv, const tile_pixels *to, int32_t panel,
                                                        const float *products, int64_t plane)
{
    finish_panel(4, false, conv, to, panel, products, plane);
}

/* Asks for what finish_panel() will read and write of a tile. */
UK_INLINE void expect_outputs(const int side, const uk_conv *conv, const tile_pixels *to, int32_t panel, int32_t panels)
{
    int64_t apart = uk_group_stride(&conv->output), residual_apart = uk_group_stride(&conv->residual);
    for (int i = 0; i < side * side; i++)
        for (int32_t p = panel; p < panel + panels; p++) {
            if (!to->out[i]) continue;
            __builtin_prefetch(to->out[i] + p * apart, 1);
            if (to->residual[i]) __builtin_prefetch(to->residual[i] + p * residual_apart);
        }
}

/*
 * The products at one place of a block of `all` rows: of those that have it, times `panels` panels, `panel_floats` apart. `next` are the
 * weights that the place after it begins with.
 */
UK_INLINE void multiply_place(int32_t channels, int32_t all, row_range range, int32_t panels, const float *rows,
                              const float *filters, const next_weights *next, int64_t panel_floats, float *products)
{
    cut rows_cut = cut_rows(all);
    int32_t first_tile = packed_row_of(&rows_cut, range.begin, channels).tile;
    int32_t count = packed_row_of(&rows_cut, range.end - 1, channels).tile + 1 - first_tile;
    int64_t width = (int64_t)panels * UK_PANEL;
    for (int32_t first = 0; first < channels; first += UK_CHAIN) {
        int32_t k = channels - first < UK_CHAIN ? channels - first : UK_CHAIN;
        int32_t done = first + k;
        next_weights further = *next;
        if (done < channels)
            further = weights_from(filters + (int64_t)done * UK_PANEL, panel_floats, panels_of_tile(panels), channels - done);
        for (int32_t panel = 0; panel < panels; panel += UK_PANELS) {
            int32_t together = panels_of_tile(panels - panel);
            const float *weights[UK_PANELS];
            for (int32_t p = 0; p < together; p++) weights[p] = filters + (panel + p) * panel_floats + (int64_t)first * UK_PANEL;
            int32_t left = panels - panel - together;
            next_weights ahead = further;
            if (left > 0) ahead = weights_from(weights[0] + together * panel_floats, panel_floats, panels_of_tile(left), k);
            for (int32_t row = range.begin; row < range.end;) {
                packed_row at = packed_row_of(&rows_cut, row, channels);
                int32_t height = at.left < range.end - row ? at.left : range.end - row;
                expected soon = expect_weights(&ahead, at.tile - first_tile, count, k);
                tiles[height - 1][together - 1](k, rows + at.offset + first / 16 * at.block, at.block, weights,
                                                products + row * width + panel * UK_PANEL, width, first > 0, NULL, &soon);
                row += height;
            }
        }
    }
}

/* The last step for some panels of a block. */
UK_INLINE void finish_tiles(const int side, const uk_conv *conv, int64_t begin, int32_t count, tile_rows rows, int32_t panel,
                            int32_t panels, const float *products)
{
    int64_t width = (int64_t)panels * UK_PANEL, plane = UK_WINOGRAD_ROWS(count, width);
    tile_pixels to[2];
    place at = place_of(side, conv, begin);
    find_outputs(side, conv, at, &to[0]);
    for (int32_t t = 0; t < count; t++) {
        if (t + 1 < count) at = place_after(side, conv, at);
        find_outputs(side, conv, at, &to[(t + 1) % 2]);
        expect_outputs(side, conv, &to[(t + 1) % 2], panel, panels);
        int32_t row = rows.first[to[t % 2].shape.kind]++;
        for (int32_t p = 0; p < panels; p++) {
            const float *from = products + row * width + p * UK_PANEL;
            if (to[t % 2].shape.kind == WHOLE) finish_panel(side, true, conv, &to[t % 2], panel + p, from, plane);
            else finish_edge_panel(conv, &to[t % 2], panel + p, from, plane);
        }
    }
}

/*
 * Tiles [begin, begin + count) of panels [panel_begin, panel_end), UK_WINOGRAD_PANELS at a time: their products stay in the second
 * cache, and the tiles, which do not, are read once for all of them. `filters` are those of panel_begin. `scratch` as
 * uk_plan_convolution() says.
 */
UK_INLINE void transformed_job(const int side, const uk_exec *exec, const uk_conv *conv, int64_t begin, int32_t count,
                               int32_t panel_begin, int32_t panel_end, const float *filters, float *scratch)
{
    const int places = (side + 2) * (side + 2);
    int32_t channels = conv->channels;
    int64_t filter_plane = UK_WINOGRAD_PLANE(channels), row_plane = UK_WINOGRAD_ROWS(count, channels);
    float *rows = scratch, *products = scratch + places * row_plane;
    tile_rows order = order_tiles(side, conv, begin, count);
    if (!transform_tiles(side, exec, conv, begin, count, order, count, rows)) return;
    for (int32_t panel = panel_begin; panel < panel_end; panel += UK_WINOGRAD_PANELS) {
        int32_t panels = panel_end - panel < UK_WINOGRAD_PANELS ? panel_end - panel : UK_WINOGRAD_PANELS;
        int64_t width = (int64_t)panels * UK_PANEL, product_plane = UK_WINOGRAD_ROWS(count, width);
        const float *own = filters + (int64_t)(panel - panel_begin) * places * filter_plane;
        int32_t left = panel_end - panel - panels;
        for (int32_t point = 0; point < places; point++) {
            if (uk_is_stopping(exec)) return;
            row_range range = rows_at(side, conv, &order, point);
            if (range.begin == range.end) continue; /* no whole tile */
            bool is_last = point + 1 == places;
            next_weights next = weights_from(own + (is_last ? (int64_t)panels * places : point + 1) * filter_plane, places * filter_plane,
                                             panels_of_tile(is_last ? left : panels), channels);
            multiply_place(channels, count, range, panels, rows + point * row_plane, own + point * filter_plane, &next,
                           places * filter_plane, products + point * product_plane);
        }
        finish_tiles(side, conv, begin, count, order, panel, panels, products);
    }
}

/* Each side compiled on its own. */
#define UK_WINOGRAD(SIDE)                                                                                                \
    static __attribute__((noinline)) void winograd_filters_##SIDE(const uk_conv *conv, int32_t panel, int32_t first,     \
                                                                  int32_t count, float *to)                              \
    {                                                                                                                    \
        transform_filters(SIDE, 0, SIDE + 2, conv, panel, first, count, to);                                             \
    }                                                                                                                    \
    static __attribute__((noinline)) void winograd_job_##SIDE(const uk_exec *exec, const uk_conv *conv, int64_t begin,   \
                                                              int32_t count, int32_t panel_begin, int32_t panel_end,     \
                                                              const float *filters, float *scratch)                      \
    {                                                                                                                    \
        transformed_job(SIDE, exec, conv, begin, count, panel_begin, panel_end, filters, scratch);                       \
    }
UK_WINOGRAD(4)
UK_WINOGRAD(2)
#undef UK_WINOGRAD
