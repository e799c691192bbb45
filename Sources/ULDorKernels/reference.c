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
                                                             ix * in->pixel_stride + c];
                            }
                    if (add->data)
                        sum += add->data[n * add->image_stride + (int64_t)y * add->height / out->height * add->row_stride +
                                         (int64_t)x * add->width / out->width * add->pixel_stride + o];
                    out->data[n * out->image_stride + y * out->row_stride + x * out->pixel_stride + o] =
                        (float)(conv->relu && sum < 0 ? 0 : sum);
                }
}
