/*
 * The gradient of a convolution's weights: for every tap a matrix product over pixels, output channels times input channels.
 * Output gradients are transposed into rows [pixel / 16][out channel][16], as gemm.h wants them; inputs lie in panels of 16
 * channels, cell by cell, with their border, so that a tap is only a place to begin.
 */

/* Pixels [16 * group, 16 * group + 16) of one image's grid, all output channels. Cells of the grid that are no output are 0. */
static void gradient_rows(const uk_pixel_product *p, int32_t image, int32_t group, float *to)
{
    const uk_map *map = &p->gradient->output_gradient;
    const float *from[16];
    for (int32_t i = 0; i < 16; i++) {
        int32_t cell = group * 16 + i, y = cell / p->grid_width, x = cell % p->grid_width;
        from[i] = cell < p->pixels && x < p->out_width ? pixel(map, image, y, x) : uk_zeros;
    }
    /* A cache line of each pixel at a time: pixels a power of two apart share the sets of the nearest cache. */
    int32_t channels = p->gradient->out_channels, channel = 0;
    for (; channel + 16 <= channels; channel += 16)
        UK_UNROLL for (int i = 0; i < 16; i += 4)
            UK_UNROLL for (int c = 0; c < 16; c += 4) uk_transpose(from + i, channel + c, to + (channel + c) * 16 + i, 16);
    for (; channel < channels; channel++)
        for (int32_t i = 0; i < 16; i++) to[channel * 16 + i] = from[i][channel];
}

/* One row of the grid of one image and phase, all panels. */
static void gradient_panels(const uk_pixel_product *p, int32_t image, int32_t phase, int32_t row, float *panels)
{
    const uk_gradient *g = p->gradient;
    const uk_map *map = &g->input;
    int32_t stride = g->stride, channels = g->channels, whole = channels / UK_PANEL;
    int32_t phase_y = phase / p->phase_side + p->first_phase, phase_x = phase % p->phase_side + p->first_phase;
    int32_t y = (row + p->first_y) * stride + phase_y;
    float *to = panels + phase * p->phase_floats + image * p->image_cells + (int64_t)row * p->grid_width * UK_PANEL;
    for (int32_t column = 0; column < p->grid_width; column++, to += UK_PANEL) {
        int32_t x = (column + p->first_x) * stride + phase_x;
        bool inside = y >= 0 && y < map->height && x >= 0 && x < map->width;
        const float *from = inside ? pixel(map, image, y, x) : uk_zeros;
        for (int32_t panel = 0; panel < whole; panel++)
            UK_UNROLL for (int v = 0; v < VECTORS; v++)
                store(to + panel * p->panel_floats + v * UK_LANES, load(from + panel * UK_PANEL + v * UK_LANES));
        if (channels % UK_PANEL == 0) continue;
        float *last = to + whole * p->panel_floats;
        memset(last, 0, UK_PANEL * sizeof *last);
        memcpy(last, from + whole * UK_PANEL, (size_t)(channels % UK_PANEL) * sizeof *last);
    }
    /* What the taps of the last pixels read behind the grid, for cells that are no output. */
    size_t behind = (size_t)(p->grid_width - p->out_width) * UK_PANEL * sizeof *to;
    for (int32_t panel = 0; row == p->grid_height - 1 && panel * UK_PANEL < channels; panel++)
        memset(to + panel * p->panel_floats, 0, behind);
}

/*
 * Sums of output channels [row, row + rows) and some panels over chunks [begin, end) of the pixels, UK_CHAIN at a time at most:
 * sums[row][tap][channel].
 */
static void weight_gradient_job(const uk_exec *exec, const uk_pixel_product *p, int32_t row, int32_t rows, int32_t panel,
                                int32_t panels, int64_t begin, int64_t end, float *sums)
{
    int64_t block = (int64_t)p->gradient->out_channels * 16, width = (int64_t)p->taps * panels * UK_PANEL;
    cut rows_cut = cut_rows(rows);
    for (int64_t chunk = begin; chunk < end; chunk++) {
        int64_t image = chunk / p->chunks, first = chunk % p->chunks * p->chunk;
        int32_t k = (int32_t)(p->pixels - first < p->chunk ? p->pixels - first : p->chunk);
        const float *a = p->rows + image * p->image_rows + first / 16 * block + row * 16;
        for (int32_t tap = 0; tap < p->taps; tap++) {
            if (uk_is_stopping(exec)) return;
            const float *b = p->panels + p->tap[tap] + image * p->image_cells + first * UK_PANEL + panel * p->panel_floats;
            for (int32_t i = 0; i < panels; i += UK_PANELS) {
                int32_t count = panels - i < UK_PANELS ? panels - i : UK_PANELS;
                const float *weights[UK_PANELS];
                for (int32_t j = 0; j < count; j++) weights[j] = b + (i + j) * p->panel_floats;
                float *to = sums + ((int64_t)tap * panels + i) * UK_PANEL;
                for (int32_t t = 0, r = 0; t < rows_cut.tiles; t++) {
                    int32_t height = cut_height(&rows_cut, t);
                    tiles[height - 1][count - 1](k, a + r * 16, block, weights, to + r * width, width, chunk > begin, NULL, NULL);
                    r += height;
                }
            }
        }
    }
}
