static void max_pool_row(const float *input, int32_t height, int32_t width, int32_t channels, int32_t out_row,
                         float *output)
{
    int32_t out_width = (width - 1) / 2 + 1;
    int32_t y_begin = out_row * 2 - 1 < 0 ? 0 : out_row * 2 - 1;
    int32_t y_end = out_row * 2 + 2 < height ? out_row * 2 + 2 : height;
    for (int32_t x = 0; x < out_width; x++, output += channels) {
        int32_t x_begin = x * 2 - 1 < 0 ? 0 : x * 2 - 1, x_end = x * 2 + 2 < width ? x * 2 + 2 : width;
        for (int32_t i = 0; i < channels; i++) output[i] = -INFINITY;
        for (int32_t y = y_begin; y < y_end; y++)
            for (int32_t ix = x_begin; ix < x_end; ix++) {
                const float *restrict in = input + ((int64_t)y * width + ix) * channels;
                for (int32_t i = 0; i < channels; i++) output[i] = in[i] > output[i] ? in[i] : output[i];
            }
    }
}
