/*
 * What every kernel target shares: the descriptions of work, the table of kernels of one instruction set, and the one
 * parallel loop. Feature maps are NHWC float32, dense in C: a pixel's channels lie together, which is what RoIAlign and gradients
 * read; what only convolutions read may lie in groups of channels (uk_map).
 */
#ifndef ULDOR_KERNELS_BASE_H
#define ULDOR_KERNELS_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---------------------------------------------------------------------------------------------- Threads */

enum { UK_OK = 0, UK_CANCELLED = 1 };

/* State of a stream of work: any thread may turn RUNNING into STOPPING. */
enum { UK_IDLE = 0, UK_RUNNING = 1, UK_STOPPING = 2 };

/* How a kernel may run: on how many threads, and the state that stops it (polled by every job; NULL: never). */
typedef struct uk_exec {
    int32_t threads;
    const int32_t *state;
} uk_exec;

bool uk_is_stopping(const uk_exec *exec);

/* `worker` is 0..threads-1: no two jobs that run at once have the same, so it can own scratch memory. */
typedef void (*uk_job)(const void *context, int64_t index, int32_t worker);

/*
 * Runs jobs 0..count-1, each once, on any thread in any order. The jobs, not the threads, decide what is computed together,
 * so results do not depend on the number of threads. UK_CANCELLED where it is to stop: some jobs did not run.
 */
int uk_parallel_for(const uk_exec *exec, int64_t count, uk_job job, const void *context);

/*
 * How many of `threads` the process may have, the calling one included: starts as many for a moment. libomp aborts the
 * process where it cannot start a thread (limits on memory, processes, cgroups).
 */
int32_t uk_startable_threads(int32_t threads);

/* A state, read and written by any thread. */
void uk_flag_store(int32_t *flag, int32_t value);
int32_t uk_flag_load(const int32_t *flag);
/* Sets *flag from `expected` to `desired`; false where it was something else. */
bool uk_flag_exchange(int32_t *flag, int32_t expected, int32_t desired);

/* --------------------------------------------------------------------------------------------- Convolution */

enum {
    UK_PANEL = 16,          /* output channels packed together */
    UK_MOST_JOB_ROWS = 256, /* pixels of a direct convolution's job */
    UK_MAX_CHANNELS = 8192  /* of a padded convolution's input: what uk_zeros covers */
};

/*
 * Products that one chain of additions sums up before it is added to the result: short chains keep the rounding error of a sum
 * over thousands of products where that of the engines with blocked sums is.
 */
enum { UK_CHAIN = 256 };

/* A row of zeros that stands in for pixels outside of the input. */
extern const float uk_zeros[UK_MAX_CHANNELS];

/*
 * Where pixel (n, y, x) of a feature map lies, in floats from `data`. Its channels lie together, or in groups of UK_PANEL: of all pixels
 * the first group, then of all the second. So a 1 x 1 convolution's rows lie as the matrix product wants them (bodies/gemm.h).
 */
typedef struct uk_map {
    float *data;
    int64_t image_stride, row_stride, pixel_stride;
    int32_t height, width;
    int64_t group_stride; /* from UK_PANEL channels to the next; 0: they lie together */
} uk_map;

/* Floats from a pixel's first channel to another one. */
static inline int64_t uk_channel(const uk_map *map, int32_t channel)
{
    return map->group_stride ? channel / UK_PANEL * map->group_stride + channel % UK_PANEL : channel;
}

/* From UK_PANEL channels to the next. */
static inline int64_t uk_group_stride(const uk_map *map) { return map->group_stride ? map->group_stride : UK_PANEL; }

/* Nearest index in a map of `in` for one of `out`, as torch computes it: floor(index * float(in) / out). */
static inline int32_t uk_nearest(int32_t index, int32_t in, int32_t out)
{
    if (in == out) return index;
    /* Neither is negative: the conversion is the floor. */
    int32_t source = (int32_t)((float)index * ((float)in / (float)out));
    return source < in ? source : in - 1;
}

/*
 * A convolution, fully connected layers (1 x 1 on 1 x 1 maps) included:
 * output = relu?(sum over taps and channels of weight * input + bias + residual).
 * `packed` is [panel][tap][channel][UK_PANEL], zero-filled (uk_pack_conv). `bias` has panels * UK_PANEL values.
 */
typedef struct uk_conv {
    uk_map input, output;
    const float *packed, *bias;
    int32_t batch;
    int32_t channels, out_channels;
    int32_t kernel_h, kernel_w, stride, pad;
    /*
     * Added before the ReLU; data NULL: none. Where its size differs from the output's it is read as nearest
     * neighbour, torch's interpolate(mode="nearest"): the FPN's top-down path.
     */
    uk_map residual;
    bool relu;
    /*
     * Several convolutions of the same input as one: `packed` and `bias` hold `places` times out_channels (each rounded up
     * to whole panels), and the k-th is written place[k] floats from where the first is. 0 or 1: only the one.
     */
    int32_t places;
    int64_t place[4];
} uk_conv;

/* Panels of a Winograd job whose products are in memory together; whole register tiles. */
#ifndef UK_WINOGRAD_PANELS
enum { UK_WINOGRAD_PANELS = 2 };
#endif

/* Products for each pair of channels of a Winograd tile whose output is side x side: those of its input's size. */
#define UK_WINOGRAD_PLACES(side) (((side) + 2) * ((side) + 2))

/* Of a whole map, along one of its sides: tiles of 4 x 4 are shorter at its end, those of 2 x 2 are not (bodies/winograd_edges.h). */
static inline int64_t uk_winograd_points(int32_t side, int32_t size)
{
    int32_t rest = size % side;
    return (int64_t)(size / side) * (side + 2) + (rest == 0 ? 0 : side == 4 ? rest + 2 : side + 2);
}

/*
 * Floats from one of the places of a panel's transformed filters to the next: a cache line more than they are, so that the
 * places do not fall into the same set of the nearest cache.
 */
#define UK_WINOGRAD_PLANE(channels) ((int64_t)(channels) * UK_PANEL + 16)

/* The same for `rows` tiles, of input or of products. */
#define UK_WINOGRAD_ROWS(rows, channels) ((int64_t)(rows) * (channels) + 16)

/* Products of one output value. */
static inline int32_t uk_products(const uk_conv *conv) { return conv->kernel_h * conv->kernel_w * conv->channels; }

/* Panels of UK_PANEL that these output channels take. */
static inline int32_t uk_panels(int32_t out_channels) { return (out_channels + UK_PANEL - 1) / UK_PANEL; }

/* Panels of all places. */
static inline int32_t uk_all_panels(const uk_conv *conv) { return uk_panels(conv->out_channels) * (conv->places > 1 ? conv->places : 1); }

/* ------------------------------------------------------------------------------------------------- Strassen */

enum {
    UK_STRASSEN_PRODUCTS = 7,
    UK_STRASSEN_CHAIN = 128, /* of a product: of two halves, as many as UK_CHAIN */
    UK_STRASSEN_SUMS = 5 /* sums of weights that they need, beside weights as they are */
};

/* Floats of the seven factors that a job's rows are made into. */
#define UK_STRASSEN_PACKED(pairs) (UK_STRASSEN_PRODUCTS * (int64_t)(pairs) * UK_STRASSEN_CHAIN)

/* Products [first, first + count) of all output values: as many as the last cache holds the summed weights of. */
typedef struct uk_strassen_pass {
    int32_t first, count;
    float *weights; /* for each two chains of products: [half of the panels][UK_STRASSEN_SUMS][half of the products][UK_PANEL] */
    float *sums;    /* of the passes before: as many as there are output values, rounded up to pairs; NULL where this is the only one */
} uk_strassen_pass;

/* Products of each of the two chains that begin at `first`: fewer at the end. */
static inline int32_t uk_strassen_half(const uk_strassen_pass *pass, int32_t first)
{
    int32_t left = pass->first + pass->count - first;
    return left < 2 * UK_STRASSEN_CHAIN ? left / 2 : UK_STRASSEN_CHAIN;
}

/* Summed weights of a panel of the left half and its partner, for the two chains of products that begin at `first`. */
static inline float *uk_summed_weights(const uk_conv *conv, const uk_strassen_pass *pass, int32_t first, int32_t panel)
{
    int32_t half = uk_strassen_half(pass, first);
    int64_t before = (int64_t)(first - pass->first) / 2 * (uk_all_panels(conv) / 2);
    return pass->weights + (before + (int64_t)panel * half) * UK_STRASSEN_SUMS * UK_PANEL;
}

/* ---------------------------------------------------------------------------------------------- Transposing */

typedef float uk_quad __attribute__((vector_size(16), aligned(4)));

/* 4 x 4 floats, rows at from[0..3] + at, to rows `stride` apart. */
static inline __attribute__((always_inline)) void uk_transpose(const float *const *from, int64_t at, float *to, int64_t stride)
{
    uk_quad a = *(const uk_quad *)(from[0] + at), b = *(const uk_quad *)(from[1] + at);
    uk_quad c = *(const uk_quad *)(from[2] + at), d = *(const uk_quad *)(from[3] + at);
    uk_quad ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    *(uk_quad *)to = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
    *(uk_quad *)(to + stride) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    ab = __builtin_shufflevector(a, b, 2, 6, 3, 7), cd = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(uk_quad *)(to + 2 * stride) = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
    *(uk_quad *)(to + 3 * stride) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

/* ----------------------------------------------------------------------------------------------- RoIAlign */

/* torchvision.ops.roi_align of one region on one level (height x width x channels). */
typedef struct uk_roi {
    const float *features;
    int32_t height, width, channels;
    float spatial_scale;
    float box[4];
    int32_t pooled;          /* output is pooled x pooled x channels */
    int32_t sampling_ratio;  /* 0: adaptive */
    bool aligned;
} uk_roi;

/* Floats for a coordinate of boxes that a non-maximum suppression keeps, whole vectors of any width. */
#define UK_SUPPRESS_PLANE(kept) (((int64_t)(kept) + 15) / 16 * 16)

/* ----------------------------------------------------------------------------------------------- Gradients */

/* What the gradients of one convolution read and write: output = scale * (weights * input). A bias is the caller's. */
typedef struct uk_gradient {
    uk_map input;           /* the forward pass's: read by the weights' gradient */
    uk_map output_gradient; /* behind the ReLU, where there is one */
    uk_map input_gradient;  /* written */
    bool adds;              /* to what is there; else the whole map is written, zeros where no output reads */
    const float *weights;   /* out x in x kernel x kernel, torch's layout */
    const float *scale;     /* one an output channel: frozen batch norm; NULL: 1 */
    float *weight_gradient; /* like the weights; added to, the scale included */
    float *bias_gradient;   /* one an output channel; added to; NULL: none */
    int32_t batch, channels, out_channels, kernel, stride, pad;
} uk_gradient;

enum { UK_MOST_TAPS = 64 };

/* A weight gradient as a product over pixels: what is packed where (bodies/weight_gradient.h). Strides in floats. */
typedef struct uk_pixel_product {
    const uk_gradient *gradient;
    const float *rows, *panels;
    int32_t images, out_height, out_width;
    int32_t grid_width, grid_height; /* of a phase: outputs and the border that taps reach into */
    int32_t first_y, first_x;        /* input cell, in steps of the stride, where the grid begins */
    int32_t phase_side, first_phase; /* phases that taps fall into: phase_side ^ 2 of them, the first of each side's */
    int32_t phases, taps;
    int32_t pixels, chunk, chunks;   /* of an image: cells that are summed over, at a time, how many times */
    int64_t image_rows, image_cells, panel_floats, phase_floats;
    int64_t tap[UK_MOST_TAPS];       /* where each tap begins */
} uk_pixel_product;

/* A weight gradient by Winograd: products over tiles, a chunk of them at a time (bodies/winograd_gradient.h). Strides in floats. */
typedef struct uk_tile_product {
    uk_conv conv; /* input, and the gradient as output: where tiles lie */
    float *inputs, *rows, *sums;
    int64_t input_plane, row_plane, sum_plane; /* from one of the 36 places to the next */
    int32_t tiles;                             /* of the chunk */
} uk_tile_product;

/* ------------------------------------------------------------------------------------------------- Table */

/* Winograd's algorithm for output tiles of one side. */
typedef struct uk_winograd {
    /* Filters of one panel, channels [first, first + count): [UK_WINOGRAD_PLACES][UK_WINOGRAD_PLANE]. */
    void (*filters)(const uk_conv *conv, int32_t panel, int32_t first, int32_t count, float *filters);
    /* Tiles [begin, begin + count) of some panels; `filters` of panel_begin and on; scratch: uk_plan_convolution(). */
    void (*job)(const uk_exec *exec, const uk_conv *conv, int64_t begin, int32_t count, int32_t panel_begin, int32_t panel_end,
                const float *filters, float *scratch);
    /* Of all tiles, `count` from `begin` on, transformed to rows[UK_WINOGRAD_PLACES][UK_WINOGRAD_ROWS]. */
    void (*tiles)(const uk_exec *exec, const uk_conv *conv, int32_t tiles, int32_t begin, int32_t count, float *rows);
    /* Some panels of all tiles, `rows` of tiles(); scratch: uk_plan_convolution(). */
    void (*panels)(const uk_exec *exec, const uk_conv *conv, int32_t tiles, int32_t panel, int32_t panels, const float *rows,
                   float *scratch);
} uk_winograd;

/* The kernels of one instruction set. */
typedef struct uk_table {
    const char *name;
    int32_t tile_rows, tile_panels; /* of a register tile */
    /* Output pixels [begin, begin + rows), rows <= UK_MOST_JOB_ROWS, of some panels; scratch: uk_plan_convolution(). */
    void (*direct_job)(const uk_exec *exec, const uk_conv *conv, int64_t begin, int32_t rows, int32_t panel_begin,
                       int32_t panel_end, float *scratch);
    /* Weights of a panel, `half` products and as many after them, and those of its partner: to the sums of a pass. */
    void (*strassen_sum_weights)(const float *left, const float *right, int32_t half, float *to);
    /* Pairs of output pixels, 2 * pairs <= UK_MOST_JOB_ROWS, the products of a pass; scratch: uk_plan_convolution(). */
    void (*strassen_job)(const uk_exec *exec, const uk_conv *conv, const uk_strassen_pass *pass, int64_t begin, int32_t pairs,
                         float *scratch);
    uk_winograd winograd_4, winograd_2; /* F(4 x 4, 3 x 3) and F(2 x 2, 3 x 3) */
    /* Packing and products of a weight gradient (bodies/weight_gradient.h). */
    void (*gradient_rows)(const uk_pixel_product *product, int32_t image, int32_t group, float *to);
    void (*gradient_panels)(const uk_pixel_product *product, int32_t image, int32_t phase, int32_t row, float *panels);
    void (*weight_gradient_job)(const uk_exec *exec, const uk_pixel_product *product, int32_t row, int32_t rows, int32_t panel,
                                int32_t panels, int64_t begin, int64_t end, float *sums);
    void (*winograd_gradient_inputs)(const uk_tile_product *product, int64_t begin, int32_t first, int32_t count);
    void (*winograd_gradient_rows)(const uk_tile_product *product, int64_t begin, int32_t first, int32_t count);
    void (*winograd_gradient_job)(const uk_tile_product *product, int32_t point, int32_t row, int32_t rows, bool add);
    void (*winograd_gradient_finish)(const uk_tile_product *product, int32_t out, float scale, float *to);
    void (*roi_align)(const uk_roi *roi, float *output);
    /* Adds the gradient of roi_align() for channels [first, first + count) to `target`, a map like the features. */
    void (*roi_align_gradient)(const uk_roi *roi, const float *gradient, int32_t first, int32_t count, float *target);
    /* 3 x 3, stride 2, padding 1: one output row of height x width x channels input. */
    void (*max_pool_row)(const float *input, int32_t height, int32_t width, int32_t channels, int32_t out_row,
                         float *output);
    /*
     * torchvision.ops.nms of boxes x1, y1, x2, y2, which are finite; threshold >= 0. `order` has them best first; the kept
     * ones move to its front. Returns how many, at most `limit`; less than 0 where it is to stop. scratch: 5 *
     * UK_SUPPRESS_PLANE(lesser of count and limit) floats.
     */
    int32_t (*suppress)(const uk_exec *exec, const float *boxes, int32_t *order, int32_t count, float threshold, int32_t limit,
                        float *scratch);
} uk_table;

extern const uk_table uk_table_portable;

#endif
