/* Addresses in feature maps, and the store of a convolution's output. */

/* Nearest source index, as torch computes it: floor(index * float(in) / out). */
static inline int32_t nearest(int32_t index, int32_t in, int32_t out)
{
    if (in == out) return index;
    int32_t source = (int32_t)floorf((float)index * ((float)in / (float)out));
    return source < in ? source : in - 1;
}

static inline float *pixel(const uk_map *m, int64_t n, int32_t y, int32_t x)
{
    return m->data + n * m->image_stride + y * m->row_stride + x * m->pixel_stride;
}

/* What is added to output pixel (n, y, x), NULL where there is nothing. */
static inline const float *residual_of(const uk_conv *conv, int64_t n, int32_t y, int32_t x)
{
    const uk_map *from = &conv->residual;
    if (!from->data) return NULL;
    return pixel(from, n, nearest(y, from->height, conv->output.height), nearest(x, from->width, conv->output.width));
}

/* `channels` (at most a panel) of one output pixel: sum + bias + residual, ReLU. Only channels that exist are touched. */
UK_INLINE void finish(const float *sum, const float *bias, const float *residual, bool relu, float *out, int32_t channels)
{
    if (channels == UK_PANEL) {
        UK_UNROLL for (int v = 0; v < VECTORS; v++) {
            vec x = load(sum + v * UK_LANES) + load(bias + v * UK_LANES);
            if (residual) x += load(residual + v * UK_LANES);
            store(out + v * UK_LANES, relu ? zero_or_more(x) : x);
        }
        return;
    }
    for (int32_t i = 0; i < channels; i++) {
        float x = sum[i] + bias[i];
        if (residual) x += residual[i];
        out[i] = relu && !(x > 0) ? 0 : x;
    }
}
