#pragma clang diagnostic ignored "-Weverything"

#include <math.h>
#include <string.h>
#include "ULDorKernels.h"
static float *at(const uk_map *m, int64_t n, int64_t y, int64_t x) { return m->data + n * m->image_stride + y * m->row_stride + x * m->pixel_stride; }
int64_t uk_input_gradient_floats(const uk_table *t, const uk_gradient *g, int32_t th, bool e) { (void)t; (void)g; (void)th; (void)e; return 1; }
int64_t uk_weight_gradient_floats(const uk_table *t, const uk_gradient *g, int32_t th) { (void)t; (void)g; (void)th; return 1; }
int uk_input_gradient(const uk_exec *exec, const uk_table *table, const uk_gradient *g, bool exact, float *scratch)
{
    (void)exec; (void)table; (void)exact; (void)scratch;
    int K = g->kernel;
    for (int n = 0; n < g->batch; n++) for (int y = 0; y < g->input_gradient.height; y++) for (int x = 0; x < g->input_gradient.width; x++) for (int c = 0; c < g->channels; c++) {
        double s = 0;
        for (int ky = 0; ky < K; ky++) for (int kx = 0; kx < K; kx++) {
            int oy = y + g->pad - ky, ox = x + g->pad - kx;
            if (oy < 0 || ox < 0 || oy % g->stride || ox % g->stride) continue;
            oy /= g->stride; ox /= g->stride;
            if (oy >= g->output_gradient.height || ox >= g->output_gradient.width) continue;
            const float *d = at(&g->output_gradient, n, oy, ox);
            for (int o = 0; o < g->out_channels; o++) s += (double)d[o] * g->weights[((int64_t)(o * g->channels + c) * K + ky) * K + kx] * (g->scale ? g->scale[o] : 1);
        }
        float *to = at(&g->input_gradient, n, y, x) + c;
        *to = (float)(g->adds ? *to + s : s);
    }
    return 0;
}
int uk_weight_gradient(const uk_exec *exec, const uk_table *table, const uk_gradient *g, float *scratch)
{
    (void)exec; (void)table; (void)scratch;
    int K = g->kernel;
    for (int o = 0; o < g->out_channels; o++) {
        double b = 0;
        for (int n = 0; n < g->batch; n++) for (int y = 0; y < g->output_gradient.height; y++) for (int x = 0; x < g->output_gradient.width; x++) b += at(&g->output_gradient, n, y, x)[o];
        if (g->bias_gradient) g->bias_gradient[o] += (float)b;
        for (int c = 0; c < g->channels; c++) for (int ky = 0; ky < K; ky++) for (int kx = 0; kx < K; kx++) {
            double s = 0;
            for (int n = 0; n < g->batch; n++) for (int y = 0; y < g->output_gradient.height; y++) for (int x = 0; x < g->output_gradient.width; x++) {
                int iy = y * g->stride + ky - g->pad, ix = x * g->stride + kx - g->pad;
                if (iy < 0 || ix < 0 || iy >= g->input.height || ix >= g->input.width) continue;
                s += (double)at(&g->output_gradient, n, y, x)[o] * at(&g->input, n, iy, ix)[c];
            }
            g->weight_gradient[((int64_t)(o * g->channels + c) * K + ky) * K + kx] += (float)(s * (g->scale ? g->scale[o] : 1));
        }
    }
    return 0;
}
int uk_relu_gradient(const uk_exec *exec, const float *output, float *gradient, int64_t count) { (void)exec; for (int64_t i = 0; i < count; i++) if (!(output[i] > 0)) gradient[i] = 0; return 0; }
int uk_upsample_gradient(const uk_exec *exec, const uk_map *fine, const uk_map *coarse, int32_t batch, int32_t channels)
{ (void)exec;
    for (int n = 0; n < batch; n++) for (int y = 0; y < fine->height; y++) for (int x = 0; x < fine->width; x++) {
        int sy = (int)floorf((float)y * ((float)coarse->height / (float)fine->height)), sx = (int)floorf((float)x * ((float)coarse->width / (float)fine->width));
        if (sy >= coarse->height) sy = coarse->height - 1;
        if (sx >= coarse->width) sx = coarse->width - 1;
        for (int c = 0; c < channels; c++) at(coarse, n, sy, sx)[c] += at(fine, n, y, x)[c];
    }
    return 0; }
int uk_accumulate(const uk_exec *exec, const float *from, int64_t count, float *to) { (void)exec; for (int64_t i = 0; i < count; i++) to[i] += from[i]; return 0; }
int uk_bias_gradient(const uk_exec *exec, const float *gradient, int64_t pixels, int32_t channels, float *b) { (void)exec; for (int c = 0; c < channels; c++) { double s = 0; for (int64_t p = 0; p < pixels; p++) s += gradient[p * channels + c]; b[c] += (float)s; } return 0; }
int uk_sgd(const uk_exec *exec, float *w, const float *g, float *m, int64_t count, float rate, float mf, float decay, float factor, bool first)
{ (void)exec; for (int64_t i = 0; i < count; i++) { float d = g[i] * factor + decay * w[i]; m[i] = first ? d : mf * m[i] + d; w[i] -= rate * m[i]; } return 0; }
int uk_max_pool_gradient(const uk_exec *exec, const uk_table *table, const float *in, int32_t H, int32_t W, int32_t C, const float *og, float *ig)
{ (void)exec; (void)table; memset(ig, 0, sizeof(float) * (size_t)H * W * C); int OH = (H - 1) / 2 + 1, OW = (W - 1) / 2 + 1;
  for (int y = 0; y < OH; y++) for (int x = 0; x < OW; x++) for (int c = 0; c < C; c++) { int64_t best = -1; for (int dy = -1; dy < 2; dy++) for (int dx = -1; dx < 2; dx++) { int yy = 2 * y + dy, xx = 2 * x + dx; if (yy < 0 || xx < 0 || yy >= H || xx >= W) continue; int64_t i = ((int64_t)yy * W + xx) * C + c; if (best < 0 || in[i] > in[best]) best = i; } ig[best] += og[((int64_t)y * OW + x) * C + c]; }
  return 0; }
int uk_roi_align_gradient(const uk_exec *exec, const uk_table *table, const uk_roi *rois, int64_t count, const float *gradient, float *const *targets)
{ (void)exec; (void)table;
  for (int64_t i = 0; i < count; i++) { const uk_roi *r = &rois[i]; float off = r->aligned ? 0.5f : 0; int P = r->pooled, C = r->channels;
    float x0 = r->box[0] * r->spatial_scale - off, y0 = r->box[1] * r->spatial_scale - off, w = r->box[2] * r->spatial_scale - off - x0, h = r->box[3] * r->spatial_scale - off - y0;
    if (!r->aligned) { w = fmaxf(w, 1); h = fmaxf(h, 1); }
    float bw = w / P, bh = h / P; int sy = r->sampling_ratio > 0 ? r->sampling_ratio : (int)ceilf(h / P), sx = r->sampling_ratio > 0 ? r->sampling_ratio : (int)ceilf(w / P); float n = fmaxf(sy * sx, 1);
    for (int py = 0; py < P; py++) for (int px = 0; px < P; px++) for (int a = 0; a < sy; a++) for (int b = 0; b < sx; b++) {
      float y = y0 + py * bh + (a + .5f) * bh / sy, x = x0 + px * bw + (b + .5f) * bw / sx;
      if (y < -1 || y > r->height || x < -1 || x > r->width) continue;
      if (y < 0) y = 0; if (x < 0) x = 0; int yl = (int)y, xl = (int)x, yh, xh;
      if (yl >= r->height - 1) { yl = yh = r->height - 1; y = (float)yl; } else yh = yl + 1;
      if (xl >= r->width - 1) { xl = xh = r->width - 1; x = (float)xl; } else xh = xl + 1;
      float ly = y - yl, lx = x - xl, hy = 1 - ly, hx = 1 - lx; float *t = targets[i]; int64_t W = r->width;
      for (int c = 0; c < C; c++) { float g = gradient[((i * P + py) * P + px) * C + c] / n; t[(yl * W + xl) * C + c] += hy * hx * g; t[(yl * W + xh) * C + c] += hy * lx * g; t[(yh * W + xl) * C + c] += ly * hx * g; t[(yh * W + xh) * C + c] += ly * lx * g; }
    } }
  return 0; }
