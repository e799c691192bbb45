#include "ULDorKernels.h"

static int32_t panels_of(int32_t out_channels) { return (out_channels + UK_PANEL - 1) / UK_PANEL; }

int64_t uk_packed_floats(int32_t out_channels, int32_t channels, int32_t kernel_h, int32_t kernel_w)
{
    return (int64_t)panels_of(out_channels) * UK_PANEL * channels * kernel_h * kernel_w;
}

typedef struct packing {
    const float *weights, *scale;
    float *packed;
    int64_t taps;
    int32_t channels, first_out;
} packing;

static void pack_row(const void *context, int64_t index)
{
    const packing *p = context;
    int64_t row = p->first_out + index;
    float *to = p->packed + row / UK_PANEL * p->taps * p->channels * UK_PANEL + row % UK_PANEL;
    const float *from = p->weights + index * p->channels * p->taps;
    float k = p->scale ? p->scale[index] : 1.0f;
    for (int64_t t = 0; t < p->taps; t++)
        for (int32_t c = 0; c < p->channels; c++) to[(t * p->channels + c) * UK_PANEL] = from[c * p->taps + t] * k;
}

int uk_pack_conv(const uk_exec *exec, const float *weights, const float *scale, int32_t out_channels, int32_t channels,
                 int32_t kernel_h, int32_t kernel_w, int32_t first_out, float *packed)
{
    packing p = {weights, scale, packed, (int64_t)kernel_h * kernel_w, channels, first_out};
    return uk_parallel_for(exec, out_channels, pack_row, &p);
}

typedef struct grid {
    const uk_conv *conv;
    const uk_table *table;
    int64_t pixels, panel_jobs;
    int32_t panels, panels_per_job;
} grid;

static void job(const void *context, int64_t index)
{
    const grid *g = context;
    int64_t begin = index / g->panel_jobs * UK_JOB_PIXELS;
    int32_t panel = (int32_t)(index % g->panel_jobs) * g->panels_per_job;
    int32_t pixels = g->pixels - begin < UK_JOB_PIXELS ? (int32_t)(g->pixels - begin) : UK_JOB_PIXELS;
    int32_t end = panel + g->panels_per_job < g->panels ? panel + g->panels_per_job : g->panels;
    g->table->conv_block(g->conv, begin, pixels, panel, end);
}

int uk_convolve(const uk_exec *exec, const uk_table *table, const uk_conv *conv)
{
    /*
     * Small maps have few blocks of pixels: split them by channels until there is work for many threads. And a job is short
     * enough for a cancelled call to end soon: some 60 million operations, below a millisecond with AVX2.
     */
    enum { ENOUGH_JOBS = 64 };
    const int64_t most_operations = 60000000;
    grid g = {.conv = conv, .table = table};
    g.pixels = (int64_t)conv->batch * conv->output.height * conv->output.width;
    int64_t pixel_jobs = (g.pixels + UK_JOB_PIXELS - 1) / UK_JOB_PIXELS;
    g.panels = panels_of(conv->out_channels);
    int64_t panel_operations = 2LL * UK_JOB_PIXELS * UK_PANEL * conv->channels * conv->kernel_h * conv->kernel_w;
    int64_t most_panels = most_operations / panel_operations > 1 ? most_operations / panel_operations : 1;
    g.panels_per_job = g.panels < most_panels ? g.panels : (int32_t)most_panels;
    while (g.panels_per_job > 1 && pixel_jobs * ((g.panels + g.panels_per_job - 1) / g.panels_per_job) < ENOUGH_JOBS)
        g.panels_per_job = (g.panels_per_job + 1) / 2;
    g.panel_jobs = (g.panels + g.panels_per_job - 1) / g.panels_per_job;
    return uk_parallel_for(exec, pixel_jobs * g.panel_jobs, job, &g);
}

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
