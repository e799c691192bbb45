/*
 * The weights' gradient of a 3 x 3 convolution of stride 1 by Winograd (winograd_transforms.h): a chunk of tiles at a time,
 * inputs and gradients are transformed, then multiplied over tiles at each of the 36 places; the sums over all tiles are
 * transformed back once. Channels, in and out, are whole panels.
 */

/* Inputs of tiles [first, first + count) of the chunk to [36][panel][tile][16]. */
static void winograd_gradient_inputs(const uk_tile_product *p, int64_t begin, int32_t first, int32_t count)
{
    tile_inputs tile;
    place at = place_of(4, &p->conv, begin + first);
    for (int32_t t = first; t < first + count; t++, at = place_after(4, &p->conv, at)) {
        find_tile(4, &p->conv, at, &tile);
        for (int32_t c = 0; c < p->conv.channels; c += UK_PANEL)
            winograd_input(4, tile.from, c, p->inputs + (int64_t)c * p->tiles + t * UK_PANEL, p->input_plane);
    }
}

/* Gradients of 16 tiles from `first` on, of which `count` exist, to [36][tile / 16][out channel][16]. */
static void winograd_gradient_rows(const uk_tile_product *p, int64_t begin, int32_t first, int32_t count)
{
    enum { PLANE = 16 * UK_PANEL };
    const uk_map *map = &p->conv.output;
    const float *from[16][16];
    float block[36 * PLANE];
    place at = place_of(4, &p->conv, begin + first);
    for (int32_t t = 0; t < 16; t++) {
        for (int32_t i = 0; i < 16; i++) {
            int32_t y = at.y + i / 4, x = at.x + i % 4;
            from[t][i] = t < count && y < map->height && x < map->width ? pixel(map, at.n, y, x) : uk_zeros;
        }
        if (t + 1 < count) at = place_after(4, &p->conv, at);
    }
    for (int32_t o = 0; o < p->conv.out_channels; o += UK_PANEL) {
        for (int32_t t = 0; t < 16; t++) winograd_gradient(from[t], o, block + t * UK_PANEL, PLANE);
        for (int32_t point = 0; point < 36; point++) {
            const float *rows[16];
            float *to = p->rows + point * p->row_plane + (int64_t)first * p->conv.out_channels + o * 16;
            UK_UNROLL for (int t = 0; t < 16; t++) rows[t] = block + point * PLANE + t * UK_PANEL;
            UK_UNROLL for (int t = 0; t < 16; t += 4)
                UK_UNROLL for (int c = 0; c < UK_PANEL; c += 4) uk_transpose(rows + t, c, to + c * 16 + t, 16);
        }
    }
}

/* Output channels [row, row + rows) of one place, all panels: stored, or added (`add`), to sums[36][out channel][channel]. */
static void winograd_gradient_job(const uk_tile_product *p, int32_t point, int32_t row, int32_t rows, bool add)
{
    int32_t channels = p->conv.channels, out = p->conv.out_channels, panels = channels / UK_PANEL;
    float *to = p->sums + point * p->sum_plane + (int64_t)row * channels;
    const float *a = p->rows + point * p->row_plane + row * 16, *b = p->inputs + point * p->input_plane;
    cut rows_cut = cut_rows(rows);
    for (int32_t panel = 0; panel < panels; panel += UK_PANELS) {
        int32_t count = panels - panel < UK_PANELS ? panels - panel : UK_PANELS;
        const float *weights[UK_PANELS];
        for (int32_t i = 0; i < count; i++) weights[i] = b + (int64_t)(panel + i) * p->tiles * UK_PANEL;
        for (int32_t t = 0, r = 0; t < rows_cut.tiles; t++) {
            int32_t height = cut_height(&rows_cut, t);
            tiles[height - 1][count - 1](p->tiles, a + r * 16, out * 16, weights, to + (int64_t)r * channels + panel * UK_PANEL,
                                         channels, add, NULL, NULL);
            r += height;
        }
    }
}

/* Adds one output channel's weights, `scale` times, to `to`: in x 3 x 3. */
static void winograd_gradient_finish(const uk_tile_product *p, int32_t out, float scale, float *to)
{
    int32_t channels = p->conv.channels;
    for (int32_t c = 0; c < channels; c += UK_PANEL) {
        float taps[9][UK_PANEL];
        for (int v = 0; v < VECTORS; v++) {
            vec sums[3][3];
            winograd_weights(p->sums + (int64_t)out * channels + c + v * UK_LANES, p->sum_plane, sums);
            UK_UNROLL for (int i = 0; i < 9; i++) store(taps[i] + v * UK_LANES, scale * sums[i / 3][i % 3]);
        }
        for (int32_t lane = 0; lane < UK_PANEL; lane++)
            UK_UNROLL for (int i = 0; i < 9; i++) to[(c + lane) * 9 + i] += taps[i][lane];
    }
}
