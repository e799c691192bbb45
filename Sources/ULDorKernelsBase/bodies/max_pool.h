/* Pixels of a window, NaN passed over as a comparison does. */
UK_INLINE vec larger(vec a, vec b)
{
    vec_bits is_larger = (vec_bits)(a > b);
    return (vec)((is_larger & (vec_bits)a) | (~is_larger & (vec_bits)b));
}

/* The largest of up to nine pixels; each channel is read once from each and stored once. */
static inline void max_of(const float *const *pixels, int32_t count, int32_t channels, float *output)
{
    int32_t i = 0;
    for (; i + UK_LANES <= channels; i += UK_LANES) {
        vec best = (vec){0} - INFINITY;
        for (int32_t p = 0; p < count; p++) best = larger(load(pixels[p] + i), best);
        store(output + i, best);
    }
    for (; i < channels; i++) {
        float best = -INFINITY;
        for (int32_t p = 0; p < count; p++) best = pixels[p][i] > best ? pixels[p][i] : best;
        output[i] = best;
    }
}

static void max_pool_row(const float *input, int32_t height, int32_t width, int32_t channels, int32_t out_row,
                         float *output)
{
    int32_t out_width = (width - 1) / 2 + 1;
    int32_t y_begin = out_row * 2 - 1 < 0 ? 0 : out_row * 2 - 1;
    int32_t y_end = out_row * 2 + 2 < height ? out_row * 2 + 2 : height;
    for (int32_t x = 0; x < out_width; x++, output += channels) {
        int32_t x_begin = x * 2 - 1 < 0 ? 0 : x * 2 - 1, x_end = x * 2 + 2 < width ? x * 2 + 2 : width;
        const float *pixels[9];
        int32_t count = 0;
        for (int32_t y = y_begin; y < y_end; y++)
            for (int32_t ix = x_begin; ix < x_end; ix++) pixels[count++] = input + ((int64_t)y * width + ix) * channels;
        max_of(pixels, count, channels, output);
    }
}
