/*
 * 3 x 3 convolution of stride 1 by Winograd: the layer's filters are transformed first (winograd_filters), then each job
 * transforms a block of tiles, multiplies them at each of the 36 places, and transforms back. Transforming the filters
 * in every call costs a per cent or two and saves four times the memory and the reading of it.
 */

/* Filters of one panel, channels [first, first + count): to [36][channels + 1][UK_PANEL] of the panel. */
static void winograd_filters(const uk_conv *conv, int32_t panel, int32_t first, int32_t count, float *to)
{
    int64_t plane = UK_WINOGRAD_PLANE(conv->channels);
    const float *from = conv->packed + (int64_t)panel * 9 * conv->channels * UK_PANEL;
    for (int32_t c = first; c < first + count; c++)
        winograd_filter(from + c * UK_PANEL, (int64_t)conv->channels * UK_PANEL, to + c * UK_PANEL, plane);
}

typedef struct place {
    int64_t n;
    int32_t y, x;
} place;

/* Top left output pixel of a tile. */
static place place_of(const uk_conv *conv, int64_t tile_index)
{
    int64_t across = (conv->output.width + 3) / 4, down = (conv->output.height + 3) / 4;
    return (place){tile_index / (across * down), (int32_t)(tile_index / across % down) * 4, (int32_t)(tile_index % across) * 4};
}

/* Input pixels of a tile, [y][x]. */
static void find_tile(const uk_conv *conv, place at, const float *from[36])
{
    for (int32_t y = 0; y < 6; y++)
        for (int32_t x = 0; x < 6; x++) {
            int32_t iy = at.y - 1 + y, ix = at.x - 1 + x;
            bool inside = iy >= 0 && iy < conv->input.height && ix >= 0 && ix < conv->input.width;
            from[y * 6 + x] = inside ? pixel(&conv->input, at.n, iy, ix) : uk_zeros;
        }
}

/* A block's tiles to [36][channels / 16][count][16]; false where the call is to stop. */
static bool transform_tiles(const uk_exec *exec, const uk_conv *conv, int64_t begin, int32_t count, float *to, int64_t plane)
{
    const float *pixels[2][36];
    find_tile(conv, place_of(conv, begin), pixels[0]);
    for (int32_t t = 0; t < count; t++) {
        if (t % 8 == 0 && uk_is_stopping(exec)) return false;
        const float **from = pixels[t % 2], **next = pixels[(t + 1) % 2];
        find_tile(conv, place_of(conv, begin + (t + 1 < count ? t + 1 : t)), next);
        for (int32_t c = 0; c < conv->channels; c += 16) {
            /* Pixels lie a row of channels apart, which no hardware prefetcher follows; two columns of six are shared. */
            UK_UNROLL for (int y = 0; y < 6; y++)
                UK_UNROLL for (int x = 2; x < 6; x++) __builtin_prefetch(next[y * 6 + x] + c);
            winograd_input(from, c, to + t * 16 + (int64_t)c * count, plane);
        }
    }
    return true;
}

static void finish_place(const uk_conv *conv, place at, int32_t panel, const float *products, int64_t plane)
{
    float sums[16 * UK_PANEL];
    winograd_output(products, plane, sums);
    int32_t first = panel * UK_PANEL;
    int32_t channels = conv->out_channels - first < UK_PANEL ? conv->out_channels - first : UK_PANEL;
    for (int32_t y = 0; y < 4 && at.y + y < conv->output.height; y++)
        for (int32_t x = 0; x < 4 && at.x + x < conv->output.width; x++) {
            const float *residual = residual_of(conv, at.n, at.y + y, at.x + x);
            finish(sums + (y * 4 + x) * UK_PANEL, conv->bias + first, residual ? residual + first : NULL, conv->relu,
                   pixel(&conv->output, at.n, at.y + y, at.x + x) + first, channels);
        }
}

/*
 * Tiles [begin, begin + count) of panels [panel_begin, panel_end), a register tile's panels at a time; `filters` are those of
 * panel_begin. `scratch` as uk_plan_convolution() says.
 */
static void winograd_job(const uk_exec *exec, const uk_conv *conv, int64_t begin, int32_t count, int32_t panel_begin,
                         int32_t panel_end, const float *filters, float *scratch)
{
    int32_t channels = conv->channels;
    int64_t filter_plane = UK_WINOGRAD_PLANE(channels), row_plane = (int64_t)count * channels + 16;
    float *rows = scratch, *products = scratch + 36 * row_plane;
    if (!transform_tiles(exec, conv, begin, count, rows, row_plane)) return;
    cut tiles_cut = cut_rows(count);
    for (int32_t panel = panel_begin; panel < panel_end; panel += UK_PANELS) {
        if (uk_is_stopping(exec)) return;
        int32_t panels = panel_end - panel < UK_PANELS ? panel_end - panel : UK_PANELS;
        int64_t width = (int64_t)panels * UK_PANEL, product_plane = count * width + 16;
        for (int32_t at = 0; at < 36; at++)
            for (int32_t first = 0; first < channels; first += UK_CHAIN) {
                int32_t k = channels - first < UK_CHAIN ? channels - first : UK_CHAIN;
                const float *weights[UK_PANELS];
                for (int32_t p = 0; p < panels; p++)
                    weights[p] = filters + ((int64_t)(panel - panel_begin + p) * 36 + at) * filter_plane + (int64_t)first * UK_PANEL;
                for (int32_t t = 0, row = 0; t < tiles_cut.tiles; t++) {
                    int32_t height = cut_height(&tiles_cut, t);
                    tiles[height - 1][panels - 1](k, rows + at * row_plane + ((int64_t)first / 16 * count + row) * 16,
                                                  (int64_t)count * 16, weights, products + at * product_plane + row * width, width,
                                                  first > 0);
                    row += height;
                }
            }
        for (int32_t t = 0; t < count; t++)
            for (int32_t p = 0; p < panels; p++)
                finish_place(conv, place_of(conv, begin + t), panel + p, products + t * width + p * UK_PANEL, product_plane);
    }
}
