#include "ULDorKernels.h"

void uk_convolve_reference(const uk_conv *conv, const float *weights)
{
    const uk_map *in = &conv->input, *out = &conv->output, *add = &conv->residual;
    for (int64_t n = 0; n < conv->batch; n++)
        for (int32_t y = 0; y < out->height; y++)
            for (int32_t x = 0; x < out->width; x++)
                for (int32_t o = 0; o < conv->out_channels; o++) {
                    double sum = conv->bias[o];
                    const float *w = weights + (int64_t)o * conv->channels * conv->kernel_h * conv->kernel_w;
                    for (int32_t c = 0; c < conv->channels; c++)
                        for (int32_t ky = 0; ky < conv->kernel_h; ky++)
                            for (int32_t kx = 0; kx < conv->kernel_w; kx++, w++) {
                                int32_t iy = y * conv->stride - conv->pad + ky, ix = x * conv->stride - conv->pad + kx;
                                if (iy < 0 || iy >= in->height || ix < 0 || ix >= in->width) continue;
                                sum += (double)*w * in->data[n * in->image_stride + iy * in->row_stride +
                                                             ix * in->pixel_stride + uk_channel(in, c)];
                            }
                    if (add->data)
                        sum += add->data[n * add->image_stride + (int64_t)y * add->height / out->height * add->row_stride +
                                         (int64_t)x * add->width / out->width * add->pixel_stride + uk_channel(add, o)];
                    out->data[n * out->image_stride + y * out->row_stride + x * out->pixel_stride + uk_channel(out, o)] =
                        (float)(conv->relu && sum < 0 ? 0 : sum);
                }
}

static const float *at(const uk_map *map, int64_t n, int32_t y, int32_t x)
{
    return map->data + n * map->image_stride + y * map->row_stride + x * map->pixel_stride;
}

static double weight_sum(const uk_gradient *g, int32_t o, int32_t c, int32_t tap)
{
    int32_t ky = tap / g->kernel, kx = tap % g->kernel;
    const uk_map *in = &g->input, *out = &g->output_gradient;
    double sum = 0;
    for (int64_t n = 0; n < g->batch; n++)
        for (int32_t y = 0; y < out->height; y++)
            for (int32_t x = 0; x < out->width; x++) {
                int32_t iy = y * g->stride - g->pad + ky, ix = x * g->stride - g->pad + kx;
                if (iy < 0 || iy >= in->height || ix < 0 || ix >= in->width) continue;
                sum += (double)at(out, n, y, x)[o] * at(in, n, iy, ix)[c];
            }
    return sum;
}

static double input_sum(const uk_gradient *g, int64_t n, int32_t iy, int32_t ix, int32_t c)
{
    const uk_map *out = &g->output_gradient;
    double sum = 0;
    for (int32_t ky = 0; ky < g->kernel; ky++)
        for (int32_t kx = 0; kx < g->kernel; kx++) {
            int32_t y = iy + g->pad - ky, x = ix + g->pad - kx;
            if (y < 0 || x < 0 || y % g->stride || x % g->stride || y / g->stride >= out->height || x / g->stride >= out->width)
                continue;
            const float *gradient = at(out, n, y / g->stride, x / g->stride);
            for (int32_t o = 0; o < g->out_channels; o++)
                sum += (double)gradient[o] * g->weights[(((int64_t)o * g->channels + c) * g->kernel + ky) * g->kernel + kx] *
                       (g->scale ? g->scale[o] : 1.0);
        }
    return sum;
}

static double bias_sum(const uk_gradient *g, int32_t o)
{
    const uk_map *out = &g->output_gradient;
    double sum = 0;
    for (int64_t n = 0; n < g->batch; n++)
        for (int32_t y = 0; y < out->height; y++)
            for (int32_t x = 0; x < out->width; x++) sum += at(out, n, y, x)[o];
    return sum;
}

void uk_gradient_reference(const uk_gradient *g)
{
    float *weight = g->weight_gradient;
    for (int32_t o = 0; o < g->out_channels && weight; o++)
        for (int32_t c = 0; c < g->channels; c++)
            for (int32_t tap = 0; tap < g->kernel * g->kernel; tap++, weight++)
                *weight = (float)(*weight + weight_sum(g, o, c, tap) * (g->scale ? g->scale[o] : 1.0));
    for (int32_t o = 0; o < g->out_channels && g->bias_gradient; o++)
        g->bias_gradient[o] = (float)(g->bias_gradient[o] + bias_sum(g, o));
    for (int64_t n = 0; n < g->batch && g->input_gradient.data; n++)
        for (int32_t y = 0; y < g->input_gradient.height; y++)
            for (int32_t x = 0; x < g->input_gradient.width; x++)
                for (int32_t c = 0; c < g->channels; c++) {
                    float *to = (float *)at(&g->input_gradient, n, y, x) + c;
                    *to = (float)((g->adds ? *to : 0.0) + input_sum(g, n, y, x, c));
                }
}
