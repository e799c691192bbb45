/* Addresses in feature maps, and the store of a convolution's output. */

static inline float *pixel(const uk_map *m, int64_t n, int32_t y, int32_t x)
{
    return m->data + n * m->image_stride + y * m->row_stride + x * m->pixel_stride;
}

/* What is added to output pixel (n, y, x), NULL where there is nothing. */
static inline const float *residual_of(const uk_conv *conv, int64_t n, int32_t y, int32_t x)
{
    const uk_map *from = &conv->residual;
    if (!from->data) return NULL;
    return pixel(from, n, uk_nearest(y, from->height, conv->output.height), uk_nearest(x, from->width, conv->output.width));
}

/*
 * The same where only some of a panel's channels exist: `sum` has the bias already. The residual has a loop of its own: in one
 * with the rest, the compiler would read it under a mask, from NULL where there is none, which AMD's CPUs do hundreds of times
 * slower than a read.
 */
static void finish_some(float *sum, const float *residual, bool relu, float *out, int32_t channels)
{
    if (residual)
        for (int32_t i = 0; i < channels; i++) sum[i] += residual[i];
    if (relu)
        for (int32_t i = 0; i < channels; i++) sum[i] = sum[i] > 0 ? sum[i] : 0;
    memcpy(out, sum, (size_t)channels * sizeof *out);
}

/* `channels` (at most a panel) of one output pixel: sum + bias + residual, ReLU. Only channels that exist are touched. */
UK_INLINE void finish(const float *sum, const float *bias, const float *residual, bool relu, float *out, int32_t channels)
{
    float some[UK_PANEL];
    UK_UNROLL for (int v = 0; v < VECTORS; v++) {
        vec x = load(sum + v * UK_LANES) + load(bias + v * UK_LANES);
        if (channels < UK_PANEL) {
            store(some + v * UK_LANES, x);
            continue;
        }
        if (residual) x += load(residual + v * UK_LANES);
        store(out + v * UK_LANES, at_least(x, floor_of(relu)));
    }
    if (channels < UK_PANEL) finish_some(some, residual, relu, out, channels);
}
