/* The kernels as Swift sees them: whole operations, spread over threads. Arguments were checked by the caller. */
#ifndef ULDOR_KERNELS_H
#define ULDOR_KERNELS_H

#include "ULDorKernelsBase.h"

/* ------------------------------------------------------------------------------------------------ System */

/* Aligned memory (a power of two), NULL where there is none; freed by uk_system_free, with the same `bytes`. */
void *uk_system_allocate(size_t bytes, size_t alignment);
void uk_system_free(void *pointer, size_t bytes);

/* The system's text for an error number (strerror is not thread-safe). */
void uk_system_reason(int number, char *text, size_t capacity);

/*
 * Takes the disk's room for `copies` files of so many bytes, at the one file, whose size stays. -1, and errno ENOSPC, EDQUOT or
 * EFBIG (one alone is more than the process may write), where there is none; 0 otherwise: file systems that cannot do that are trusted.
 */
int uk_system_reserve(int file, int64_t bytes, int32_t copies);

/* Last error message of this thread (at most 1023 bytes, cut at a character's end). */
void uk_set_last_error(const char *utf8);
const char *uk_last_error(void);

/* Cores that this process may use. */
int32_t uk_available_cores(void);

/*
 * Why a parallel region would kill the process: a foreign LLVM or Intel OpenMP runtime is registered in it, and ours,
 * not yet initialised, aborts when it finds that ("OMP: Error #15"). NULL where threads may be used. The text is static.
 */
const char *uk_openmp_conflict(void);

/* Initialises OpenMP now, while uk_openmp_conflict() is known to be NULL. */
void uk_start_openmp(void);

enum { UK_BEST = 0, UK_PORTABLE = 1, UK_AVX2 = 2, UK_AVX512 = 3 };

/* Kernels of these instructions, UK_BEST: the best that this CPU has. NULL where it lacks them. */
const uk_table *uk_table_for(int32_t instructions);

/* ---------------------------------------------------------------------------------------------- Kernels */

/* Floats that the packed weights take: panels * kernel * channels * UK_PANEL. */
int64_t uk_packed_floats(int32_t out_channels, int32_t channels, int32_t kernel_h, int32_t kernel_w);

/*
 * Packs out x in x kernel_h x kernel_w weights, each output channel scaled by `scale` (NULL: 1), into rows
 * [first_out, first_out + out_channels) of a packed convolution. What follows in the last panel becomes zero, so the parts of one
 * convolution are packed one after another, first rows first; then nothing needs to be cleared before.
 */
int uk_pack_conv(const uk_exec *exec, const float *weights, const float *scale, int32_t out_channels, int32_t channels, int32_t kernel_h,
                 int32_t kernel_w, int32_t first_out, float *packed);

/*
 * Algorithms that a convolution may be computed by; which of them it is, the shape decides. Direct sums round least;
 * UK_GENTLE adds Winograd's F(2 x 2, 3 x 3), which rounds hardly more, UK_FAST F(4 x 4, 3 x 3) in its place and, where sums are
 * long, Strassen's products. UK_STRASSEN has these wherever they fit, for tests and measurements.
 */
enum { UK_FAST = 0, UK_GENTLE = 1, UK_DIRECT = 2, UK_STRASSEN = 3 };

/*
 * Register tiles of rows, cut into blocks that are jobs. Equal ones (`round` 0); or, on several threads, large ones first, for which
 * weights are read less often, and smaller ones towards the end, so that all threads end at about the same time: in rounds of a block
 * for each thread, two thirds of what is left shared evenly (factoring, Hummel, Schonberg and Flynn 1992).
 */
typedef struct uk_blocks {
    int64_t tiles;
    int32_t count;       /* of blocks */
    int32_t most, least; /* tiles of a block */
    int32_t round;       /* blocks a round */
} uk_blocks;

uk_blocks uk_equal_blocks(int64_t tiles, int64_t count);
/* Blocks of at least `least_tiles` but for the last, of at most `most_tiles`, which comes first. */
uk_blocks uk_shrinking_blocks(int64_t tiles, int32_t most_tiles, int32_t least_tiles, int32_t threads);

/* The first tile of block `index`; `tiles` for index `count`. */
int64_t uk_block_begin(const uk_blocks *blocks, int64_t index);

/* How a convolution of one size is computed: decided from the shape, before there is memory. */
typedef struct uk_conv_plan {
    int32_t winograd_side;         /* of a Winograd tile's output, 4 or 2; 0: direct */
    bool is_by_panels;             /* Winograd: a job has pass_panels of all tiles, and transforms their filters itself */
    bool is_strassen;              /* a direct convolution's product, with an eighth less of it */
    int64_t rows;                  /* output pixels, pairs of them (Strassen), or Winograd tiles */
    uk_blocks blocks;              /* of the rows' register tiles */
    int32_t splits;                /* jobs: blocks of rows times splits of panels */
    int32_t pass_panels;           /* Winograd: panels whose filters are transformed at a time */
    int32_t pass_products;         /* Strassen: of which weights are summed at a time */
    int64_t shared_floats, worker_floats;
    int64_t kept_floats;           /* Strassen: sums of the passes before */
    int64_t scratch_floats;        /* what uk_convolve() needs */
} uk_conv_plan;

/*
 * Reads of `conv` only sizes: addresses may be NULL. `algorithms`: UK_FAST, UK_GENTLE or UK_DIRECT. Which jobs there are
 * depends on the number of threads, what each output value is computed from does not.
 */
uk_conv_plan uk_plan_convolution(const uk_table *table, const uk_conv *conv, int32_t threads, int32_t algorithms);

/* `scratch`: plan->scratch_floats. */
int uk_convolve(const uk_exec *exec, const uk_table *table, const uk_conv *conv, const uk_conv_plan *plan, float *scratch);

/* RoIAlign of `count` regions; region i reads rois[i] and writes pooled * pooled * channels floats at output + i * that. */
int uk_roi_align(const uk_exec *exec, const uk_table *table, const uk_roi *rois, int64_t count, float *output);

/* Copies rows x columns x channels maps into the middle of larger ones, zero in a border of `pad` pixels. */
int uk_pad(const uk_exec *exec, const float *input, int32_t batch, int32_t height, int32_t width, int32_t channels, int32_t pad,
           float *output);

int uk_max_pool(const uk_exec *exec, const uk_table *table, const float *input, int32_t height, int32_t width,
                int32_t channels, float *output);

/* The table's suppress(); `scratch` has uk_suppress_floats(lesser of count and limit) floats. */
int64_t uk_suppress_floats(int32_t kept);
int32_t uk_suppress(const uk_exec *exec, const uk_table *table, const float *boxes, int32_t *order, int32_t count, float threshold,
                    int32_t limit, float *scratch);


/* -------------------------------------------------------------------------------------------- Gradients */

/*
 * The gradient of a convolution's input: another convolution, `algorithms` as for uk_plan_convolution(). `scratch` has
 * uk_input_gradient_floats() floats: read of `g` only sizes, no fewer for a larger batch.
 */
int64_t uk_input_gradient_floats(const uk_table *table, const uk_gradient *g, int32_t threads, int32_t algorithms);
int uk_input_gradient(const uk_exec *exec, const uk_table *table, const uk_gradient *g, int32_t algorithms, float *scratch);

/* The gradients of weights and bias are added to those of `g`, by Winograd only where UK_FAST; `scratch` likewise. */
int64_t uk_weight_gradient_floats(const uk_gradient *g, int32_t threads, int32_t algorithms);
int uk_weight_gradient(const uk_exec *exec, const uk_table *table, const uk_gradient *g, int32_t algorithms, float *scratch);

/* Sums over all pixels, added to `bias_gradient`. */
int uk_bias_gradient(const uk_exec *exec, const uk_map *gradient, int32_t batch, int32_t channels, float *bias_gradient);

/* What the ReLU cut off has no gradient (torch's threshold_backward); in place. */
int uk_relu_gradient(const uk_exec *exec, const float *output, float *gradient, int64_t count);

/* Nearest upsampling, as uk_conv.residual reads a smaller map: the gradient of the fine one is added to the coarse one's. */
int uk_upsample_gradient(const uk_exec *exec, const uk_map *fine, const uk_map *coarse, int32_t batch, int32_t channels);

/*
 * RoIAlign: the gradient of region i, pooled * pooled * channels floats at gradient + i * that, is added to targets[i], a map
 * like its features. All regions have the same number of channels and pooled size.
 */
int uk_roi_align_gradient(const uk_exec *exec, const uk_table *table, const uk_roi *rois, int64_t count, const float *gradient,
                          float *const *targets);

/* uk_max_pool(): the gradient goes to the first greatest pixel of each window, row by row; all of input_gradient is written. */
int uk_max_pool_gradient(const uk_exec *exec, const float *input, int32_t height, int32_t width, int32_t channels,
                         const float *output_gradient, float *input_gradient);

/* to += from */
int uk_accumulate(const uk_exec *exec, const float *from, int64_t count, float *to);

/* torch.optim.SGD: d = factor * g + decay * w; m = momentum * m + d, which begins at 0; w -= rate * m. */
int uk_sgd(const uk_exec *exec, float *weights, const float *gradients, float *momentum, int64_t count, float rate,
           float momentum_factor, float decay, float factor);

typedef struct uk_adamw_rates {
    double rate, momentum, squares, decay; /* lr, both betas, weight_decay */
    double factor;                         /* of the gradients */
    int64_t step;                          /* from 1: momentum and squares, which begin at 0, are too small by what they lack */
} uk_adamw_rates;

/* torch.optim.AdamW, eps 1e-8: decay apart from the gradients, both means corrected for their beginning. */
int uk_adamw(const uk_exec *exec, float *weights, const float *gradients, float *momentum, float *squares, int64_t count,
             const uk_adamw_rates *rates);

/* Sum of squares, in an order of its own; `scratch` has uk_sum_squares_doubles(count) doubles. */
int64_t uk_sum_squares_doubles(int64_t count);
int uk_sum_squares(const uk_exec *exec, const float *values, int64_t count, double *scratch, double *sum);

/* ------------------------------------------------------------------------------------------ Conversions */

enum { UK_F32 = 0, UK_F16 = 1, UK_BF16 = 2 };

/* `count` little-endian values at any address to float32 (F32 may be in place). Index of the first that is not finite, or -1. */
int64_t uk_to_float(int32_t type, const void *from, int64_t count, float *to);

/* Index of the first value that is not finite, or -1. */
int64_t uk_first_not_finite(const float *values, int64_t count);

/* Dense channels x height x width to a map of any strides, and back. */
void uk_from_planes(const float *planes, int32_t channels, const uk_map *map);
void uk_to_planes(const uk_map *map, int32_t channels, float *planes);

/* --------------------------------------------------------------------------------------- The CT input */

/* A part of an image: [x0, x1) x [y0, y1). */
typedef struct uk_region {
    int32_t x0, y0, x1, y1;
} uk_region;

enum { UK_PIXEL_INT16 = 1, UK_PIXEL_UINT16 = 2, UK_PIXEL_FLOAT32 = 3 };

/*
 * One row of pixels at any address and stride to Hounsfield units. Index of the first pixel that is not finite, or -1.
 */
int32_t uk_read_row(int32_t type, const void *first, ptrdiff_t stride, int32_t count, float slope, float intercept,
                    float *hu);

/* The same for a slice of height x width pixels. `bad`: index of the first pixel, row by row, that is not finite, or -1. */
int uk_read_slice(const uk_exec *exec, int32_t type, const void *first, ptrdiff_t stride_y, ptrdiff_t stride_x, int32_t height,
                  int32_t width, float slope, float intercept, float *hu, int64_t *bad);

/* to = lower + fraction * (upper - lower), written as the weighted sum that the field's code uses. */
void uk_blend(const float *lower, const float *upper, float fraction, int64_t count, float *to);

/* Window, clipped: to = (clip(x, low, high) - low) / (high - low) * (range_high - range_low) + range_low. May be in place. */
int uk_window(const uk_exec *exec, const float *from, int64_t count, float low, float high, float range_low, float range_high,
              float *to);

/* 1 where a value is above the threshold, else 0. */
void uk_threshold(const float *values, int64_t count, float threshold, uint8_t *mask);

/*
 * Binary opening (erosion, then dilation) with a size x size square, size odd, outside of the image unset
 * (scipy.ndimage.binary_opening's default border). Bytes are 0 or 1. In place; `scratch` has as many.
 */
int uk_binary_open(const uk_exec *exec, uint8_t *mask, int32_t height, int32_t width, int32_t size, uint8_t *scratch);

/* Bounding box of the bytes that are 1; x1 is 0 where there are none. */
uk_region uk_bounds(const uint8_t *mask, int32_t height, int32_t width);

/*
 * OpenCV's resize(INTER_LINEAR) of float32: half-pixel centres, edges repeated, no antialiasing. scale = input pixels
 * for one output pixel. Each value then minus `mean`, divided by `std`; zeros beside and below.
 */
typedef struct uk_resize {
    const float *from;
    int32_t height, width;
    int64_t row_stride;
    double scale_y, scale_x;
    int32_t out_height, out_width;
    float mean, std;
    float *to;             /* rows x columns, at least out_height x out_width */
    int32_t rows, columns;
} uk_resize;

int uk_resize_bilinear(const uk_exec *exec, const uk_resize *resize);

/* ----------------------------------------------------------------------------------------------- Masks */

/*
 * Where the mask of a box falls in the image (empty where nothing does), and the probabilities of a size x size mask pasted
 * at its box, for the region's pixels (row-major).
 * torchvision's paste_mask_in_image (padding 1, box truncated to integers), or sampled at pixel centres of the exact
 * box (`continuous`, Detectron2's _do_paste_mask). The region is found first, then filled.
 */
typedef struct uk_box {
    float x1, y1, x2, y2;
} uk_box;

uk_region uk_paste_region(int32_t size, uk_box box, bool continuous, int32_t height, int32_t width);
void uk_paste(const float *mask, int32_t size, uk_box box, bool continuous, uk_region region, float *to);

/* How many values are above the threshold. */
int64_t uk_count_above(const float *values, int64_t count, float threshold);

/* First place from `first` on that is above the threshold while the next one, or the end, is not; `width` where there is none. */
int64_t uk_next_edge(const float *row, int64_t first, int64_t width, float threshold);

/* ------------------------------------------------------------------------------------------- Reference */

/* The definition of the convolution, in double precision and without any cleverness: what tests compare with. */
void uk_convolve_reference(const uk_conv *conv, const float *weights);

/* The same for gradients: adds to those of weights and bias, and writes (or adds to) the input's; each where its address is not NULL. */
void uk_gradient_reference(const uk_gradient *gradient);

#endif
