/*
 * uldor.h - libuldor, a universal lesion detector for CT slices
 *
 * Mask R-CNN with RECIST pseudo masks after Tang et al., "ULDor: a universal lesion detector for CT scans with pseudo
 * masks and hard negative example mining", ISBI 2019. Research use only; not a medical device.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The short way
 *
 *     uldor_model *model;
 *     uldor_session *session;
 *     uldor_result *result;
 *     if (uldor_model_load_file("weights.safetensors", NULL, &model) < 0) die(uldor_last_error());
 *     if (uldor_session_create(model, NULL, &session) < 0) die(uldor_last_error());
 *     uldor_image image;
 *     uldor_image_init(&image, sizeof image);
 *     image.data = pixels; image.data_bytes = 512 * 512 * 2; image.width = image.height = 512;
 *     image.intercept = -32768; image.type = ULDOR_UINT16; image.spacing_x_mm = image.spacing_y_mm = 0.8;
 *     if (uldor_session_detect(session, &image, &result) < 0) die(uldor_last_error());
 *
 * Conventions that hold for every function
 *
 * - Return value: ULDOR_OK (0), or a negative uldor_status. uldor_last_error() then gives the message.
 * - Out-parameters come last and are set only on success.
 * - Handles are opaque. Every *_free accepts NULL. A handle of the wrong kind is ULDOR_ERROR_INVALID_ARGUMENT; a
 *   handle that was freed already is undefined, as with free().
 * - Structs carry their size as first field. Option and input structs are filled by their *_init function; for a
 *   struct that the library fills, set struct_size = sizeof(it) first. Structs grow at the end only, so a program and a
 *   library of different ages understand each other: what an older caller does not pass is at its default, what a
 *   newer one passes beyond this library's knowledge must be zero and comes back as zero.
 * - Pointers to options, strings and callbacks are copied from during the call; pixels, weights in memory and
 *   coordinates are only read during the call. Nothing is kept, except the user pointers of callbacks and of the
 *   allocator, which must live as long as the handle that they were given to and everything made from it: sessions
 *   and results free through their model's allocator, too.
 * - Variable-size output: call with a NULL buffer and capacity 0 to learn the size, then with a buffer. A buffer that
 *   is too small is ULDOR_ERROR_BUFFER_TOO_SMALL and nothing is written, the count neither.
 * - The process is left alone: no global state, signal handler, environment variable, thread-count or
 *   floating-point setting; nothing is printed.
 *
 * Coordinates (everywhere)
 *
 * Continuous, in pixels, origin at the top-left corner of the image: pixel i covers [i, i + 1), its centre is i + 0.5.
 * A box is x1, y1, x2, y2 with width x2 - x1. A bitmap pixel is set where the mask at the pixel's centre is.
 * DeepLesion's 1-based end points become CSV - 0.5, its 1-based boxes [x1 - 1, x2).
 *
 * Threads
 *
 * A model is immutable: any number of threads and sessions may use it at once. A session or a trainer is used by one thread at
 * a time; a second call while one runs returns ULDOR_ERROR_BUSY. A calling thread needs 256 KiB of stack.
 * uldor_session_cancel() and uldor_trainer_cancel() may be called from any thread. A result is immutable: any thread may read
 * it. Results, and weights that are trained, are the same bits for every number of threads.
 */
#ifndef ULDOR_H
#define ULDOR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ULDOR_API __attribute__((visibility("default")))
#else
#define ULDOR_API
#endif

/* ------------------------------------------------------------------------------------------------ Version */

#define ULDOR_VERSION_MAJOR 0
#define ULDOR_VERSION_MINOR 1
#define ULDOR_VERSION_PATCH 0
/* Number of the binary interface; the SONAME is libuldor.so.<ULDOR_ABI_VERSION>. */
#define ULDOR_ABI_VERSION 0

/* Version of the library in use, 0x00MMmmpp. */
ULDOR_API int32_t uldor_version(void);
/* Binary interface of the library in use: compare with ULDOR_ABI_VERSION. */
ULDOR_API int32_t uldor_abi_version(void);

/* ------------------------------------------------------------------------------------------------- Errors */

typedef int32_t uldor_status;
enum {
    ULDOR_OK = 0,
    ULDOR_ERROR_INVALID_ARGUMENT = -1, /* NULL, zero, negative, out of range, wrong handle, wrong struct_size */
    ULDOR_ERROR_NOMEM = -2,            /* the allocator returned NULL, or a size does not fit */
    ULDOR_ERROR_IO = -3,               /* a file cannot be opened or read; the message has the system's reason */
    ULDOR_ERROR_FORMAT = -4,           /* not the kind of file it should be (weights, CSV, PNG), or a damaged one */
    ULDOR_ERROR_MODEL = -5,            /* a sound file whose tensors or configuration are not a usable detector */
    ULDOR_ERROR_IMAGE = -6,            /* the image's description or pixels cannot be used (NaN, Inf, strides ...) */
    ULDOR_ERROR_BUSY = -7,             /* the handle is in use: by another thread, or by the caller's own callback */
    ULDOR_ERROR_CANCELLED = -8,        /* uldor_session_cancel(), or a callback returned non-zero */
    ULDOR_ERROR_BUFFER_TOO_SMALL = -9, /* see "Variable-size output" */
    ULDOR_ERROR_DEGENERATE = -10,      /* RECIST diameters that span no area */
    ULDOR_ERROR_UNSUPPORTED = -11,     /* sound, but not read by this version: a tensor stored as other than F32, F16, BF16 */
    ULDOR_ERROR_INTERNAL = -12         /* a defect of the library; please report it */
};

/* Name of a status such as "ULDOR_ERROR_NOMEM"; never NULL. Static storage. */
ULDOR_API const char *uldor_status_name(uldor_status status);
/*
 * Message of the last failed call made by this thread: one line, UTF-8, it names the culprit. Never NULL, "" before the
 * first failure; a success leaves it alone. Valid until the thread's next failed call.
 */
ULDOR_API const char *uldor_last_error(void);

/* ------------------------------------------------------------------------------------ Memory, log, progress */

/*
 * Allocator. Every allocation whose size depends on input (weights, images, buffers, results) goes through it; a few
 * objects of fixed size do not. `allocate` returns `bytes` (never 0) aligned to `alignment` (a power of two, at most
 * 4096), or NULL, which becomes ULDOR_ERROR_NOMEM. `deallocate` gets the pointer and the same `bytes`. Both are called by
 * the thread that calls the library, from several threads at once where the handle is used by several. They must not call
 * the library.
 */
typedef struct uldor_allocator {
    size_t struct_size;
    void *user;
    void *(*allocate)(void *user, size_t bytes, size_t alignment);
    void (*deallocate)(void *user, void *pointer, size_t bytes);
} uldor_allocator;

enum { ULDOR_LOG_WARNING = 1, ULDOR_LOG_INFO = 2 };
/* One line without a newline; called on the thread that calls the library. Silent when NULL. */
typedef void (*uldor_log_fn)(void *user, int32_t level, const char *message);

/*
 * Progress: `fraction` 0..1 and the stage's name ("backbone", "proposals" ...). Called only on the thread that called the
 * library. A non-zero return cancels the call (ULDOR_ERROR_CANCELLED). The session in use cannot be freed in it (BUSY).
 */
typedef int32_t (*uldor_progress_fn)(void *user, double fraction, const char *stage);

/* -------------------------------------------------------------------------------------------------- Model */

/* Weights and configuration; immutable, shared by any number of sessions and threads. */
typedef struct uldor_model uldor_model;

typedef struct uldor_model_options {
    size_t struct_size;
    const uldor_allocator *allocator; /* NULL: the C library's. Copied */
    uldor_log_fn log;                 /* NULL: silent */
    void *log_user;
    /*
     * Configuration to use instead of the file's own: JSON as in docs/weights.md, NUL-terminated. NULL: the file's, or
     * torchvision's defaults where it has none.
     */
    const char *config;
    /*
     * Non-zero: map the file instead of reading it, which saves a copy while loading. If another process truncates the
     * file meanwhile, the system kills this one (SIGBUS): only for files that nobody writes. The mapping ends with
     * the call; that of packed weights (uldor_model_save_packed) ends with the model and everything made from it, and until
     * then processes that map the same file share its memory. A file that is replaced by renaming another one over it does no
     * harm; one that is written in place does.
     */
    int32_t memory_map;
    int32_t threads; /* for packing or reading the weights; 0: all cores that the process may use */
} uldor_model_options;

/* Fills `options` with defaults. `struct_size` = sizeof(uldor_model_options). */
ULDOR_API uldor_status uldor_model_options_init(uldor_model_options *options, size_t struct_size);

/*
 * Loads weights (docs/weights.md), also packed ones, from a file, or from memory, which may be freed afterwards. `options` may be
 * NULL. Errors: IO, FORMAT, MODEL and UNSUPPORTED (the message names the tensor or the field), NOMEM. Free with
 * uldor_model_free().
 */
ULDOR_API uldor_status uldor_model_load_file(const char *path, const uldor_model_options *options, uldor_model **model);
ULDOR_API uldor_status uldor_model_load_memory(const void *data, size_t bytes, const uldor_model_options *options,
                                               uldor_model **model);
/*
 * Writes the model as it lies in memory, configuration included, for this version of the library to load without packing anything:
 * the same bits as results, in less time. Not for interchange, nor for training, and options.config cannot replace its
 * configuration (INVALID_ARGUMENT). Whatever is at `path` is replaced at once or stays as it was. Errors: IO, NOMEM.
 */
ULDOR_API uldor_status uldor_model_save_packed(const uldor_model *model, const char *path);
/* Drops the caller's hold on the model. Sessions made from it stay usable; the last one frees the memory. */
ULDOR_API uldor_status uldor_model_free(uldor_model *model);

enum { ULDOR_CLASS_RULE_DEFAULT = 0, ULDOR_CLASS_RULE_PER_CLASS = 1, ULDOR_CLASS_RULE_BEST_CLASS = 2 };
enum { ULDOR_CLASS_LESION = 1, ULDOR_CLASS_FALSE_POSITIVE = 2 };

typedef struct uldor_model_info {
    size_t struct_size;
    int32_t depth;             /* 18, 34, 50, 101, 152; 0: another number of blocks */
    int32_t classes;           /* with background: 2 or 3 */
    int32_t class_rule;        /* ULDOR_CLASS_RULE_PER_CLASS or _BEST_CLASS */
    int32_t input_channels;    /* adjacent slices */
    int32_t stem_channels, fpn_channels, box_channels, mask_channels;
    int32_t mask_size;         /* side of the mask probabilities, 28 */
    int32_t anchors_per_location;
    int64_t parameters;        /* values in the tensors that are used */
    int64_t memory_bytes;      /* held by the model, what it maps included */
    double slice_distance_mm, spacing_mm;
    int32_t max_size;
    float score_threshold;
    int32_t detections;        /* at most, per image */
    int32_t reserved;
} uldor_model_info;

ULDOR_API uldor_status uldor_model_get_info(const uldor_model *model, uldor_model_info *info);

enum {
    ULDOR_TEXT_NAME = 0, ULDOR_TEXT_VERSION = 1, ULDOR_TEXT_LICENSE = 2, ULDOR_TEXT_DESCRIPTION = 3,
    ULDOR_TEXT_CONFIG = 4 /* the JSON the model was configured from; "{}" where there was none */
};
/* A text of the model's configuration, UTF-8, "" where it has none; valid as long as the model. */
ULDOR_API uldor_status uldor_model_get_text(const uldor_model *model, int32_t which, const char **text);
/* Name of class `index` (0 is background); valid as long as the model. */
ULDOR_API uldor_status uldor_model_get_class_name(const uldor_model *model, int32_t index, const char **name);

/* -------------------------------------------------------------------------------------------------- Image */

enum { ULDOR_INT16 = 1, ULDOR_UINT16 = 2, ULDOR_FLOAT32 = 3 };

/*
 * A CT slice with its neighbours, described where it lies; nothing is copied. HU = stored * slope + intercept.
 *
 * One buffer: `data` points to its lowest byte and `offset_bytes` leads from there to pixel (0, 0) of slice 0. Or a buffer
 * for each slice: `data` is NULL and `slices[k]` the buffer of slice k, each of `data_bytes` bytes; a NULL entry is a slice
 * that is not there. Only the key slice and those within slice_distance_mm of it are read
 * (uldor_model_get_slice_reach()). Neighbours that are not there are replaced by the nearest one towards the key slice.
 *
 * Strides are in bytes and may be negative; 0 stands for a packed row, a packed slice, a packed stack. Pixels may lie at odd
 * addresses, and rows or slices may share bytes. Every byte that the description reaches must lie within its buffer; that
 * is checked.
 */
typedef struct uldor_image {
    size_t struct_size;
    int32_t type;          /* ULDOR_INT16, ULDOR_UINT16, ULDOR_FLOAT32; native byte order */
    int32_t width, height; /* pixels, 1..16384 */
    int32_t depth;         /* slices, 1..65536 */
    int32_t key_slice;     /* 0-based index of the slice to look at */
    int32_t reserved;      /* 0 */
    const void *data;
    const void *const *slices;
    size_t data_bytes;
    size_t offset_bytes;
    ptrdiff_t stride_x_bytes, stride_y_bytes, stride_z_bytes;
    double slope, intercept;
    double spacing_x_mm, spacing_y_mm; /* pixel size, 0.001..1000; 0: not known (see no_resampling). DICOM has y first */
    double slice_interval_mm; /* distance of neighbouring slices, 0.001..1000; 0: not known, for depth 1 only */
} uldor_image;

/* Fills `image` with defaults: int16, depth 1, packed, slope 1, intercept 0, everything else 0. */
ULDOR_API uldor_status uldor_image_init(uldor_image *image, size_t struct_size);

/*
 * How many slices on each side of the key slice detection reads at this slice interval (0.001..1000 mm): what a host that
 * reads slices one by one must have at hand.
 */
ULDOR_API uldor_status uldor_model_get_slice_reach(const uldor_model *model, double slice_interval_mm, int32_t *slices);

/* ------------------------------------------------------------------------------------------------ Session */

/* Scratch memory and settings of one stream of work. */
typedef struct uldor_session uldor_session;

enum {
    ULDOR_INSTRUCTIONS_BEST = 0, /* the best that this CPU has */
    ULDOR_INSTRUCTIONS_PORTABLE = 1, ULDOR_INSTRUCTIONS_AVX2 = 2, ULDOR_INSTRUCTIONS_AVX512 = 3
};

typedef struct uldor_session_options {
    size_t struct_size;
    const uldor_allocator *allocator; /* NULL: the model's. Copied */
    uldor_log_fn log;                 /* NULL: silent */
    void *log_user;
    uldor_progress_fn progress;       /* NULL: none */
    void *progress_user;
    int32_t threads;                  /* 1..1024; 0: all cores that the process may use */
    int32_t instructions;             /* ULDOR_INSTRUCTIONS_*: AVX2 and AVX512 (UNSUPPORTED where the CPU lacks them) give the
                                         same bits, PORTABLE others in the last places */
    float score_threshold;            /* 0..1; negative: the model's */
    float nms_threshold;              /* 0..1, of the box head; negative: the model's */
    int32_t detections;               /* at most, 1..1000; 0: the model's */
    int32_t proposals;                /* per level and over all, 1..4096; 0: the model's */
    int32_t class_rule;               /* ULDOR_CLASS_RULE_* */
    int32_t no_resampling;            /* non-zero: pixels are taken as they are; needs no spacing. max_size holds still */
    int32_t no_body_crop;             /* non-zero: the whole slice */
    /*
     * Non-zero: every convolution is computed directly. Zero: 3 x 3 convolutions by Winograd and long sums by Strassen where
     * that is faster, which rounds a few times as much (docs/accuracy.md).
     */
    int32_t exact;
    /*
     * Bytes of scratch memory that the session may hold, the detections' masks not counted; 0: no limit. An input that takes more
     * (uldor_session_estimate_memory()) is NOMEM before anything is allocated for it.
     */
    int64_t memory_limit;
    int32_t keep_false_positives; /* non-zero: detections of class ULDOR_CLASS_FALSE_POSITIVE are returned, too; zero: dropped */
    int32_t reserved;             /* 0 */
} uldor_session_options;

ULDOR_API uldor_status uldor_session_options_init(uldor_session_options *options, size_t struct_size);

/* `options` may be NULL. The session holds the model. Free with uldor_session_free(). */
ULDOR_API uldor_status uldor_session_create(uldor_model *model, const uldor_session_options *options,
                                            uldor_session **session);
/* BUSY, and nothing freed, while a call on the session runs (so also from its own callbacks). */
ULDOR_API uldor_status uldor_session_free(uldor_session *session);
/*
 * Makes the call that runs on this session, if one does, return ULDOR_ERROR_CANCELLED within milliseconds; with none
 * running nothing happens. The session stays usable. From any thread, but not from a signal handler, and not while
 * another thread frees the session. (Inputs beyond 1024 x 1024 or images beyond 4096 x 4096: tens of milliseconds.)
 */
ULDOR_API uldor_status uldor_session_cancel(uldor_session *session);
/*
 * Message of the last failed call on this session, whichever thread made it (but for BUSY, which is noted for the thread
 * only). "" for NULL; never NULL. Valid until the session's next failed call, and as long as the session.
 */
ULDOR_API const char *uldor_session_last_error(const uldor_session *session);

typedef struct uldor_session_info {
    size_t struct_size;
    int32_t threads;          /* at most; 1 where a foreign OpenMP runtime forbids more (docs/threading.md) */
    int32_t reserved;
    const char *instructions; /* "avx512", "avx2" or "portable"; static storage */
    int64_t memory_bytes;     /* held by the session now */
} uldor_session_info;

ULDOR_API uldor_status uldor_session_get_info(const uldor_session *session, uldor_session_info *info);

/*
 * Bytes that the session will hold once it has seen a network input of this size (1..4096; that of ULDOR_INPUT_NORMALISED, padding
 * is added here): what it holds now, or more. Nothing is allocated. Holds for any number of sizes and calls: memory is that
 * of the largest input. The detections' masks take more: for each thread up to 5 bytes a pixel of the largest box in the image and 48
 * a point of the longest outline, and up to 32 for each point of all outlines together. Errors: INVALID_ARGUMENT, BUSY.
 */
ULDOR_API uldor_status uldor_session_estimate_memory(uldor_session *session, int32_t height, int32_t width, int64_t *bytes);

/* ---------------------------------------------------------------------------------------------- Detection */

typedef struct uldor_result uldor_result;

/*
 * Finds lesions in the key slice. The image becomes the network input (see uldor_session_get_input()), boxes and masks come
 * back in pixels of the image. Errors: IMAGE, INVALID_ARGUMENT, NOMEM, CANCELLED, BUSY. Free with uldor_result_free().
 */
ULDOR_API uldor_status uldor_session_detect(uldor_session *session, const uldor_image *image, uldor_result **result);

/*
 * The network alone: `tensor` is channels x height x width float32, dense, already normalised; zero padding to the
 * model's divisor is done here. `channels` must be the model's input_channels; sides 1..4096. Coordinates of the
 * result are those of the tensor; there are no millimetres.
 */
ULDOR_API uldor_status uldor_session_forward(uldor_session *session, const float *tensor, int32_t channels,
                                             int32_t height, int32_t width, uldor_result **result);

/* Steps from the image to the network's input, in their order (docs/input.md). */
enum {
    ULDOR_INPUT_HU = 0,         /* the slices, neighbours interpolated, Hounsfield units; full size */
    ULDOR_INPUT_WINDOWED = 1,   /* window_hu mapped to range, clipped */
    ULDOR_INPUT_CROPPED = 2,    /* cut to the body */
    ULDOR_INPUT_SCALED = 3,     /* resampled to spacing_mm, at most max_size */
    ULDOR_INPUT_NORMALISED = 4, /* (x - mean) / std */
    ULDOR_INPUT_PADDED = 5      /* zeros at right and bottom up to the divisor: what the network sees */
};

typedef struct uldor_input_info {
    size_t struct_size;
    int32_t channels, height, width;       /* of the step asked for */
    int32_t crop_left, crop_top;           /* in image pixels */
    int32_t crop_width, crop_height;
    int32_t input_width, input_height;     /* before padding */
    double scale_x, scale_y;               /* x_input = (x_image - crop_left) * scale_x */
} uldor_input_info;

/*
 * Reads a step back. `out` gets channels x height x width floats; NULL with capacity 0: only `info`. `capacity` counts
 * floats. `info` may be NULL where `out` is not.
 */
ULDOR_API uldor_status uldor_session_get_input(uldor_session *session, const uldor_image *image, int32_t step, float *out,
                                               size_t capacity, uldor_input_info *info);

/* ------------------------------------------------------------------------------------------------- Result */

typedef struct uldor_result_info {
    size_t struct_size;
    int32_t count;               /* detections, best score first */
    int32_t width, height;       /* of the image (or tensor) they refer to */
    int32_t missing_neighbours;  /* input channels in whose place a nearer slice stands */
} uldor_result_info;

enum {
    ULDOR_DETECTION_HAS_RECIST = 1, /* the mask is not empty: diameters and area are set */
    ULDOR_DETECTION_HAS_MM = 2      /* the image had a spacing: mm fields are set */
};

/*
 * One finding. Diameters are measured on the largest piece of the mask: the long one is the greatest distance
 * between two points of its contour, the short one the longest chord inside the contour that crosses the long one at a
 * right angle (both in mm where there is a spacing). Fields that are not set are 0.
 */
typedef struct uldor_detection {
    size_t struct_size;
    int32_t class_index;              /* ULDOR_CLASS_LESION or ULDOR_CLASS_FALSE_POSITIVE */
    int32_t flags;                    /* ULDOR_DETECTION_* */
    float score;                      /* probability of class_index */
    float lesion_probability;
    float false_positive_probability; /* 0 for models of 2 classes */
    float reserved;
    double x1, y1, x2, y2;
    double area_px, area_mm2;         /* set pixels of the bitmap */
    double long_x1, long_y1, long_x2, long_y2, long_px, long_mm;
    double short_x1, short_y1, short_x2, short_y2, short_px, short_mm;
} uldor_detection;

ULDOR_API uldor_status uldor_result_get_info(const uldor_result *result, uldor_result_info *info);
/* `index` 0..count-1. */
ULDOR_API uldor_status uldor_result_get(const uldor_result *result, int32_t index, uldor_detection *detection);

/*
 * Mask of a detection as height x width bytes, 0 or 1, at the image's size. `row_stride_bytes` >= width, 0: width.
 * `capacity_bytes` must reach the last pixel.
 */
ULDOR_API uldor_status uldor_result_get_mask(const uldor_result *result, int32_t index, uint8_t *out, size_t capacity_bytes,
                                             size_t row_stride_bytes);
/* COCO's uncompressed run lengths: column by column, beginning with a run of zeros. */
ULDOR_API uldor_status uldor_result_get_mask_rle(const uldor_result *result, int32_t index, uint32_t *counts,
                                                 size_t capacity, size_t *count);
/* Number of closed contours of the mask, outer ones and holes, largest area first; 0 for an empty mask. */
ULDOR_API uldor_status uldor_result_get_contour_count(const uldor_result *result, int32_t index, int32_t *count);
/*
 * One contour as x, y pairs; `capacity` and `points` count pairs. The polygon runs where the mask's probability crosses
 * the threshold, so it encloses exactly the centres of set pixels. Outer contours have positive area
 * (sum of x[i] * y[i+1] - x[i+1] * y[i]), holes negative.
 */
ULDOR_API uldor_status uldor_result_get_contour(const uldor_result *result, int32_t index, int32_t contour, double *xy,
                                                size_t capacity, size_t *points);
/* The mask head's probabilities for the detection's class: mask_size x mask_size floats over the box; `capacity` in floats. */
ULDOR_API uldor_status uldor_result_get_mask_probabilities(const uldor_result *result, int32_t index, float *out,
                                                           size_t capacity);
ULDOR_API uldor_status uldor_result_free(uldor_result *result);

/* -------------------------------------------------------------------------------------------- Pseudo mask */

/*
 * The paper's pseudo mask (section 2.1): the union of four quarters of ellipses spanned by the end points of the two RECIST
 * diameters around the point where they cross. `recist` holds x11, y11, x12, y12 (long), x21, y21, x22, y22 (short) in the
 * header's coordinates. Where the diameters do not cross, the centre is the mean of their mid-points. Finite
 * coordinates within +-1e6 are accepted, outside the image too. DEGENERATE: a diameter of length 0, or all four points on a
 * line. The functions hold no memory and are thread-safe.
 */
typedef struct uldor_pseudo_mask_info {
    size_t struct_size;
    int32_t diameters_cross;   /* 1: on both segments; 0: the fallback centre was used */
    int32_t polygon_points;
    double centre_x, centre_y;
    double area_px;            /* exact area; pi / 4 * long * short * sin(angle) where they cross */
    double angle_degrees;      /* between the diameters, 0..90 */
    double x1, y1, x2, y2;     /* bounding box of the mask */
} uldor_pseudo_mask_info;

ULDOR_API uldor_status uldor_pseudo_mask_get_info(const double recist[8], uldor_pseudo_mask_info *info);
/* width x height bytes, 0 or 1; strides as in uldor_result_get_mask(). */
ULDOR_API uldor_status uldor_pseudo_mask_get_bitmap(const double recist[8], int32_t width, int32_t height, uint8_t *out,
                                                    size_t capacity_bytes, size_t row_stride_bytes);
/* x, y pairs around the mask; `capacity` and `points` count pairs. */
ULDOR_API uldor_status uldor_pseudo_mask_get_polygon(const double recist[8], double *xy, size_t capacity, size_t *points);

/* --------------------------------------------------------------------------------------------- Evaluation */

/*
 * Free-response ROC (FROC) and average precision, image by image: docs/evaluation.md has the definitions. At most 24 bytes a
 * detection, 16 a lesion and 64 a patient are kept, and 64 KiB of slack for each kind; boxes are not. The results are the
 * same bits for any order of images, lesions and detections and for any number of threads. Not thread-safe.
 */
typedef struct uldor_froc uldor_froc;

enum {
    /*
     * Hit: IoU > threshold. A detection hits the one lesion, of those not hit yet, that it overlaps most; one that overlaps only
     * lesions that were hit is a repeat, neither true nor false. A level that the curve does not reach has no sensitivity.
     */
    ULDOR_FROC_PAPER = 0,
    /*
     * The DeepLesion field's code: IoU >= threshold of inclusive pixel boxes (width x2 - x1 + 1, which the header's boxes are
     * converted to). A detection hits every lesion that it overlaps; repeats as above. Past its end the curve goes on level.
     */
    ULDOR_FROC_DEEPLESION = 1
};

/* What becomes of detections of class ULDOR_CLASS_FALSE_POSITIVE. */
enum {
    ULDOR_FROC_APPEND_BY_LESION_SCORE = 0, /* they follow the last lesion detection, by their probability of lesion ("+ FP") */
    ULDOR_FROC_APPEND_BY_SCORE = 1,        /* they follow it by their own score */
    ULDOR_FROC_IGNORE = 2                  /* only counted */
};

typedef struct uldor_froc_options {
    size_t struct_size;
    const uldor_allocator *allocator; /* NULL: the C library's. Copied */
    int32_t convention;               /* ULDOR_FROC_PAPER (default), ULDOR_FROC_DEEPLESION */
    int32_t false_positives;          /* ULDOR_FROC_APPEND_BY_LESION_SCORE (default) ... */
    double iou_threshold;             /* 0 <= t < 1; default 0.5 */
    int32_t bootstrap_samples;        /* 0 (default): no intervals; at most 100000 */
    int32_t threads;                  /* of uldor_froc_compute(); 1..1024; 0: all cores that the process may use */
    uint64_t seed;                    /* of the bootstrap; default 0 */
    double confidence;                /* of the intervals, 0 < c < 1; default 0.95 */
    /*
     * Bounds between size classes, in mm, ascending, 0..15 of them; NULL: 10 and 30. Classes are < 10, 10..30, > 30: a lesion on a
     * bound belongs to the class above it, but to the class below the last bound where there are two or more. Copied.
     */
    const double *size_bounds_mm;
    size_t size_bound_count;
} uldor_froc_options;

ULDOR_API uldor_status uldor_froc_options_init(uldor_froc_options *options, size_t struct_size);
/* `options` may be NULL. Free with uldor_froc_free(). */
ULDOR_API uldor_status uldor_froc_create(const uldor_froc_options *options, uldor_froc **froc);
ULDOR_API uldor_status uldor_froc_free(uldor_froc *froc);

/* The lesions and the detections of one image; either may be none. All arrays are only read during the call. */
typedef struct uldor_froc_image {
    size_t struct_size;
    uint64_t patient;               /* any number of the caller's: what the bootstrap draws */
    const double *lesion_boxes;     /* x1, y1, x2, y2 of each lesion: finite, within +-1e9, no negative side */
    const int32_t *lesion_types;    /* NULL: none has a type; INT32_MIN: this one has none */
    const double *lesion_sizes_mm;  /* long diameters, > 0; NULL: none is known; NaN: this one is not */
    const int32_t *lesion_groups;   /* any grouping of the caller's; NULL and INT32_MIN as for types */
    size_t lesion_count;
    const double *boxes;            /* of each detection, as lesion_boxes */
    const double *scores;           /* 0..1: the probability of the detection's class */
    const double *lesion_scores;    /* 0..1: its probability of lesion; read for false positives appended by it, may be NULL else */
    const int32_t *classes;         /* ULDOR_CLASS_LESION or ULDOR_CLASS_FALSE_POSITIVE; NULL: all are lesions */
    size_t detection_count;
} uldor_froc_image;

ULDOR_API uldor_status uldor_froc_image_init(uldor_froc_image *image, size_t struct_size);

/* What a detection is, in `matches`: the index of the lesion that it hits (of the largest IoU), or one of these. */
enum { ULDOR_FROC_FALSE_POSITIVE = -1, ULDOR_FROC_REPEAT = -2, ULDOR_FROC_IGNORED = -3 };

/*
 * Adds an image. `matches` gets detection_count values, or is NULL. Errors: INVALID_ARGUMENT names the image (its number
 * in the order of the calls, from 0) and the detection or lesion; NOMEM. Nothing is added then.
 */
ULDOR_API uldor_status uldor_froc_add_image(uldor_froc *froc, const uldor_froc_image *image, int32_t *matches);

/*
 * Computes everything that the functions below read, at these levels (false positives an image, finite, >= 0, any order; at most
 * 1024, 0 of them are fine). Takes 64 bytes a detection, 64 a lesion and 128 a patient meanwhile. Images may be added afterwards;
 * results are then gone until the next call. Errors: INVALID_ARGUMENT (also where no image was added), NOMEM.
 */
ULDOR_API uldor_status uldor_froc_compute(uldor_froc *froc, const double *levels, size_t level_count);

typedef struct uldor_froc_info {
    size_t struct_size;
    int64_t images, patients, lesions, detections;
    int64_t hits;              /* lesions that a detection hits */
    int64_t false_positives;   /* detections */
    int64_t repeats, ignored;  /* detections */
    int64_t memory_bytes;      /* held now */
    int32_t subsets;           /* of lesions; 0 before uldor_froc_compute() */
    int32_t levels;
    /*
     * Average precision, with COCO's matching (one to one, IoU >= threshold, repeats are false) in both conventions; ties in
     * score enter together. At iou_threshold, precision at 101 recalls and over all; at 0.5, 0.55 ... 0.95, 101 recalls, mean. NaN
     * before uldor_froc_compute() and without lesions.
     */
    double average_precision, average_precision_all_points, average_precision_50_95;
    /* Their intervals, over the samples with a lesion (`samples` of subset 0); NaN without a bootstrap. */
    double average_precision_low, average_precision_high;
    double average_precision_all_points_low, average_precision_all_points_high;
    double average_precision_50_95_low, average_precision_50_95_high;
} uldor_froc_info;

ULDOR_API uldor_status uldor_froc_get_info(const uldor_froc *froc, uldor_froc_info *info);

enum { ULDOR_FROC_ALL = 0, ULDOR_FROC_TYPE = 1, ULDOR_FROC_SIZE = 2, ULDOR_FROC_GROUP = 3 };

/*
 * Some of the lesions: all (index 0), those of a type, of a size class, of a group, each ascending. Detections are never left out: a
 * subset's curve counts the false positives of all images.
 */
typedef struct uldor_froc_subset {
    size_t struct_size;
    int32_t kind;              /* ULDOR_FROC_ALL ... */
    int32_t value;             /* type, index of the size class, group */
    double low_mm, high_mm;    /* of a size class; 0 and infinity at the ends */
    int64_t lesions, hits;
    double sensitivity;        /* hits / lesions: the curve's maximum; NaN without lesions */
    double low, high;          /* interval; NaN without a bootstrap */
    int32_t samples;           /* of the bootstrap that have such a lesion */
    int32_t reserved;
} uldor_froc_subset;

/* `index` 0..subsets-1. */
ULDOR_API uldor_status uldor_froc_get_subset(const uldor_froc *froc, int32_t index, uldor_froc_subset *subset);

typedef struct uldor_froc_sensitivity {
    size_t struct_size;
    double level;            /* as it was given */
    double sensitivity;      /* NaN where not reached, or without lesions */
    double low, high;        /* percentiles over the samples that reach the level; NaN without a bootstrap or where not reached */
    int32_t reached;         /* 0: ULDOR_FROC_PAPER, and the curve ends before */
    int32_t samples;         /* of the bootstrap that reach the level and have such a lesion */
} uldor_froc_sensitivity;

ULDOR_API uldor_status uldor_froc_get_sensitivity(const uldor_froc *froc, int32_t subset, int32_t level,
                                                  uldor_froc_sensitivity *sensitivity);

/*
 * The curve: score, false positives an image, sensitivity, best score first. For each score that a detection has there is a point where
 * lesions are hit at it, and one where there are false positives at it. `capacity` and `points` count points of three
 * numbers. Appended false-positive detections have the score that they are appended by. Sensitivities are NaN without lesions.
 */
ULDOR_API uldor_status uldor_froc_get_curve(const uldor_froc *froc, double *points, size_t capacity, size_t *count);

typedef struct uldor_mask_overlap_info {
    size_t struct_size;
    int64_t area_a, area_b, intersection; /* pixels */
    double iou, dice;                     /* 0 where both masks are empty */
} uldor_mask_overlap_info;

/* Overlap of two height x width bitmaps, any byte but 0 is set. Strides as in uldor_result_get_mask(). */
ULDOR_API uldor_status uldor_mask_overlap(const uint8_t *a, size_t a_stride_bytes, const uint8_t *b, size_t b_stride_bytes,
                                          int32_t width, int32_t height, uldor_mask_overlap_info *info);
/* The same of run lengths as uldor_result_get_mask_rle() gives them; both must cover the same number of pixels. */
ULDOR_API uldor_status uldor_mask_overlap_rle(const uint32_t *a, size_t a_count, const uint32_t *b, size_t b_count,
                                              uldor_mask_overlap_info *info);
/* ------------------------------------------------------------------------------------------------ Dataset */

/*
 * Annotated slices: what a detector is trained on and measured against (docs/data.md). An image is a key slice with its
 * neighbours and the lesions annotated in it; an image without any lesion is a valid one. Pixels are read when they are
 * asked for. Immutable once opened: any number of threads may use it at once.
 */
typedef struct uldor_dataset uldor_dataset;

/* DeepLesion's Train_Val_Test. */
enum { ULDOR_SPLIT_TRAIN = 1, ULDOR_SPLIT_VALIDATION = 2, ULDOR_SPLIT_TEST = 3 };

/* Which mask a lesion has. One that has none takes no part in the mask loss. */
enum {
    ULDOR_MASKS_PSEUDO = 0,          /* the pseudo mask of its RECIST diameters; a lesion with a box only has none */
    ULDOR_MASKS_GIVEN = 1,           /* from mask_directory or uldor_source.read_mask */
    ULDOR_MASKS_GIVEN_OR_PSEUDO = 2, /* the pseudo mask where there is no given one */
    ULDOR_MASKS_NONE = 3
};

/* What is done with bad data. */
enum {
    ULDOR_BAD_ERROR = 0, /* the call fails; the message names file, line, field and value */
    ULDOR_BAD_SKIP = 1   /* left out, logged as a warning and counted */
};

/* Images without a lesion, from the slices that are stored of a series with an annotated one. They get its split and spacing. */
enum {
    ULDOR_NEGATIVES_NONE = 0,
    ULDOR_NEGATIVES_UNMASKED = 1 /* slices without a row and without a file in mask_directory, which must be given */
};

typedef struct uldor_dataset_options {
    size_t struct_size;
    const uldor_allocator *allocator; /* NULL: the C library's. Copied; called from background threads while a run is on */
    uldor_log_fn log;                 /* NULL: silent. Called on the thread that calls the library */
    void *log_user;
    const char *csv_path;             /* NULL: DIRECTORY/DL_info.csv */
    const char *image_directory;      /* NULL: DIRECTORY/Images_png */
    /*
     * Given masks: 8-bit grey PNG, 0 or 255, names and sizes of the images. A lesion's mask is the 8-connected component whose
     * bounds overlap its box most (IoU). NULL: none.
     */
    const char *mask_directory;
    /*
     * Further boxes without diameters: a CSV with the columns File_name and Bounding_boxes. Their series must have a row in the
     * first CSV, whose split, spacing and size they get. A box that has an IoU above 0.5 with a lesion of its slice is
     * that lesion, and left out. NULL: none.
     */
    const char *boxes_path;
    /*
     * A window for each series: a CSV with the columns series, x1, y1, x2, y2 (pixels, 1-based, both ends included). The image is
     * cut to it before anything else; what the library tells of an image is then in pixels of the window. A lesion of
     * whose box less than half lies in the window is left out, and so is an image that has only such lesions. NULL: whole
     * images.
     */
    const char *windows_path;
    int32_t masks;        /* ULDOR_MASKS_* */
    int32_t keep_noisy;   /* non-zero: rows with Possibly_noisy = 1 count, too */
    int32_t on_bad_row;   /* ULDOR_BAD_*: a row that is malformed, degenerate RECIST diameters, points outside of the image */
    /*
     * ULDOR_BAD_*: a key slice's PNG that is missing, damaged, of another size or not 16-bit grey. SKIP looks at every file's
     * header on opening; what is damaged further on is found when it is read.
     */
    int32_t on_bad_image;
    int32_t negatives;    /* ULDOR_NEGATIVES_* */
    int32_t reserved;     /* 0 */
} uldor_dataset_options;

ULDOR_API uldor_status uldor_dataset_options_init(uldor_dataset_options *options, size_t struct_size);

/*
 * Opens a data set of DeepLesion's layout: DL_info.csv with its published columns (1-based coordinates, quoted fields), and
 * Images_png/<patient>_<study>_<series>/<slice>.png, 16-bit grey, HU = pixel - 32768. Rows of one slice become one image.
 * `options` may be NULL. Errors: IO (a file cannot be opened or read), FORMAT (a malformed row: "FILE:LINE: FIELD ..."),
 * IMAGE, INVALID_ARGUMENT, NOMEM. Free with uldor_dataset_free().
 */
ULDOR_API uldor_status uldor_dataset_open_deeplesion(const char *directory, const uldor_dataset_options *options,
                                                     uldor_dataset **dataset);

/* A lesion as a host's source annotates it, in the header's coordinates. */
typedef struct uldor_source_lesion {
    size_t struct_size;
    int32_t has_box;    /* zero: the extent of the RECIST diameters and 5 pixels around, clipped to the image */
    int32_t has_recist;
    double x1, y1, x2, y2;
    double recist[8];   /* x11, y11, x12, y12 (long), x21, y21, x22, y22 (short) */
    int32_t has_mask;   /* non-zero: uldor_source.read_mask gives one */
    int32_t type;       /* 1..8 as in DeepLesion, -1: not known */
    int32_t class_index; /* ULDOR_CLASS_* */
    int32_t reserved;   /* 0 */
} uldor_source_lesion;

/* An image of a host's source, without its pixels. */
typedef struct uldor_source_image {
    size_t struct_size;
    const char *name;   /* unique in the source; copied during opening. NULL: the index */
    int64_t patient;
    int32_t split;      /* ULDOR_SPLIT_* */
    int32_t width, height;
    int32_t lesions;
    double spacing_x_mm, spacing_y_mm, slice_interval_mm; /* used where the uldor_image leaves its own at 0 */
} uldor_source_image;

/*
 * A host's archive. Functions return 0, or another number, with which the call fails (IO, the message has the number).
 * `describe` and `annotate` are called while the data set is opened, on the thread that opens it. `read`, `release` and
 * `read_mask` are called whenever pixels are needed: while a trainer runs FROM BACKGROUND THREADS, several at once, for
 * different images or the same. They must not call the library. Structs arrive with defaults and their size set.
 */
typedef struct uldor_source {
    size_t struct_size;
    void *user;
    int64_t count; /* images */
    int32_t (*describe)(void *user, int64_t index, uldor_source_image *image);
    int32_t (*annotate)(void *user, int64_t index, int32_t lesion, uldor_source_lesion *annotation);
    /* Fills `image`, whose memory stays the host's and valid until `release` is called with the same `token`. */
    int32_t (*read)(void *user, int64_t index, uldor_image *image, void **token);
    void (*release)(void *user, int64_t index, void *token); /* may be NULL */
    /* Writes height x width bytes, 0 or 1, of the image's size; may be NULL where no lesion has a mask. */
    int32_t (*read_mask)(void *user, int64_t index, int32_t lesion, uint8_t *out, int32_t width, int32_t height);
} uldor_source;

ULDOR_API uldor_status uldor_source_init(uldor_source *source, size_t struct_size);

/*
 * Opens a host's own source. `source` is copied; of the options, those about paths, noisy rows and negatives must be at their
 * defaults. Errors: INVALID_ARGUMENT and FORMAT (an annotation that cannot be used: "source image INDEX ..."), IO (a
 * callback's refusal), NOMEM.
 */
ULDOR_API uldor_status uldor_dataset_open_callbacks(const uldor_source *source, const uldor_dataset_options *options,
                                                    uldor_dataset **dataset);
/* Sessions and trainers that use the data set keep it; the last one frees the memory. */
ULDOR_API uldor_status uldor_dataset_free(uldor_dataset *dataset);

typedef struct uldor_dataset_info {
    size_t struct_size;
    int64_t images, lesions;
    int64_t images_of_split[4], lesions_of_split[4]; /* by ULDOR_SPLIT_*; [0] is 0 */
    int64_t negatives;        /* images without a lesion, counted in `images` */
    int64_t rows;             /* of the CSV, without its header */
    int64_t noisy_rows;       /* left out: Possibly_noisy */
    int64_t bad_rows;         /* left out: on_bad_row */
    int64_t bad_images;       /* left out: on_bad_image */
    int64_t repeated_boxes;   /* of boxes_path that are a lesion of the CSV */
    int64_t lesions_outside_window, images_outside_window;
} uldor_dataset_info;

ULDOR_API uldor_status uldor_dataset_get_info(const uldor_dataset *dataset, uldor_dataset_info *info);

typedef struct uldor_dataset_image {
    size_t struct_size;
    const char *name;         /* "000001_03_01/088", or the source's; owned by the data set */
    int64_t patient;
    int64_t csv_line;         /* of its first row, in boxes_path where csv_path has none; 0: it has none */
    int32_t split;            /* ULDOR_SPLIT_* */
    int32_t lesions;
    int32_t width, height;    /* of the window */
    int32_t window_left, window_top; /* pixels cut off at the left and the top of the stored image */
    double spacing_x_mm, spacing_y_mm, slice_interval_mm; /* 0: not known */
} uldor_dataset_image;

/* `index` 0..images-1: in the order of the CSV, then those of boxes_path, then negatives, series by series. */
ULDOR_API uldor_status uldor_dataset_get_image(const uldor_dataset *dataset, int64_t index, uldor_dataset_image *image);

typedef struct uldor_dataset_lesion {
    size_t struct_size;
    double x1, y1, x2, y2;    /* clipped to the image */
    double recist[8];         /* x11, y11, x12, y12 (long), x21, y21, x22, y22 (short); zeros where there is none */
    int32_t has_recist, has_mask; /* has_mask: uldor_dataset_get_mask() can be asked; a given mask may turn out not to be there */
    int32_t type;             /* Coarse_lesion_type, 1..8; -1: not known */
    int32_t class_index;      /* ULDOR_CLASS_* */
    int64_t csv_line;         /* in csv_path, or in boxes_path where it has no diameters; 0: a source's */
    double long_px, short_px, long_mm, short_mm; /* lengths of the diameters; 0 where there are none or no spacing */
} uldor_dataset_lesion;

ULDOR_API uldor_status uldor_dataset_get_lesion(const uldor_dataset *dataset, int64_t index, int32_t lesion,
                                                uldor_dataset_lesion *info);
/*
 * A lesion's mask at the image's size, height x width bytes, 0 or 1, as the option `masks` says; strides as in
 * uldor_result_get_mask(). `pixels` (may be NULL) gets how many are set; 0: it has none, `out` is all 0.
 */
ULDOR_API uldor_status uldor_dataset_get_mask(const uldor_dataset *dataset, int64_t index, int32_t lesion, uint8_t *out,
                                              size_t capacity_bytes, size_t row_stride_bytes, int64_t *pixels);
/*
 * Index of the image of this name; DeepLesion's spellings are the same: "000001_03_01/088", "000001_03_01/088.png",
 * "000001_03_01_088.png". INVALID_ARGUMENT where there is none.
 */
ULDOR_API uldor_status uldor_dataset_find(const uldor_dataset *dataset, const char *name, int64_t *index);

/* Pixels of one image of a data set. */
typedef struct uldor_slices uldor_slices;

/*
 * Reads an image: its key slice and up to `reach` (0..1024; uldor_model_get_slice_reach() of its slice_interval_mm) slices
 * before and behind it, as far as they are stored. uldor_slices_get_image() describes them for
 * uldor_session_detect(); the description points into the handle and is valid until uldor_slices_free(). A source's image is
 * described as `read` gave it. Errors: IO, FORMAT and IMAGE (the message names the file), NOMEM.
 */
ULDOR_API uldor_status uldor_dataset_read_image(const uldor_dataset *dataset, int64_t index, int32_t reach,
                                                uldor_slices **slices);
ULDOR_API uldor_status uldor_slices_get_image(const uldor_slices *slices, uldor_image *image);
ULDOR_API uldor_status uldor_slices_free(uldor_slices *slices);

/* One problem, one line; a non-zero return ends the check (ULDOR_ERROR_CANCELLED). */
typedef int32_t (*uldor_report_fn)(void *user, const char *message);

/*
 * Looks at all data before it is used: every key slice is decoded (missing, damaged, of another size, not 16-bit grey), masks
 * likewise, neighbours are looked for. `report` (may be NULL) gets a line for each problem, naming file and CSV line, and one
 * with the counts at the end; rows and images left out when the data set was opened count as problems. `reach` as above.
 * Takes as long as decoding everything does. `problems` gets their number, warnings (a missing neighbour) not counted.
 */
ULDOR_API uldor_status uldor_dataset_check(const uldor_dataset *dataset, int32_t reach, uldor_report_fn report, void *user,
                                           int64_t *problems);

/*
 * How training images are varied. Draws are keyed by (seed, epoch, image): they depend on nothing else. Boxes, masks and
 * diameters move with the pixels.
 */
typedef struct uldor_augmentation {
    size_t struct_size;
    double scale_low, scale_high; /* factor on the scale, uniform; before the long side is capped. 0.8, 1.2 */
    int32_t position_px;          /* left and top edge of the crop move by -n..n image pixels, within the image. 8 */
    int32_t reserved;             /* 0 */
    /*
     * The key slice moves by up to this part of the smallest lesion's short diameter / 2, whole slices, nearer ones
     * likelier, as far as they are stored; annotations stay. 0.5; 0: never.
     */
    double slice_part;
    double flip_x, flip_y;        /* probability of mirroring left-right and top-bottom. 0 */
} uldor_augmentation;

/* DeepLesion's usual augmentation; scale 1, 1 and zeros are none. */
ULDOR_API uldor_status uldor_augmentation_init(uldor_augmentation *augmentation, size_t struct_size);

/* ------------------------------------------------------------------------------------------------- Mining */

/* What happens with a file of an unfinished run: a trainer's checkpoint, or what uldor_mine() had written. */
enum {
    ULDOR_RESUME_IF_THERE = 0, /* the run goes on from it */
    ULDOR_RESUME_NEVER = 1,    /* the run begins anew, and overwrites it in time */
    ULDOR_RESUME_ALWAYS = 2    /* that there is none is an error (IO) */
};

/*
 * Hard negative example mining (the paper's section 2.2; docs/mining.md). Every image of the split that has lesions is looked at. Of
 * its detections of class lesion, S1 is the probability of lesion, S2 the largest IoU of the predicted mask (above 0.5, at the
 * resolution of the network's input) with the mask of one of its lesions; an empty mask has S2 = 0, and for a lesion
 * without a mask the boxes are compared. A detection is good where S2 > good_iou.
 * (a) Some are good: candidates are those not good that score higher than the best-scoring good one.
 * (b) None is: candidates are those with S1 > min_score.
 * Of more than `most` candidates, so many are drawn; draws are keyed by (seed, epoch, image).
 */
typedef struct uldor_mining_options {
    size_t struct_size;
    const uldor_allocator *allocator; /* NULL: the C library's. Copied; called from several threads at once */
    uldor_log_fn log;                 /* NULL: silent. Called on the thread that calls the library, as is `progress` */
    void *log_user;
    uldor_progress_fn progress;       /* NULL: none. The stage is the name of an image. A trainer has its own */
    void *progress_user;
    double good_iou;           /* 0..1. 0.3 */
    double min_score;          /* 0..1. 0.7 */
    int32_t most;              /* m, 0..1000. 3 */
    int32_t boxes_only;        /* non-zero: mined examples are learnt from without their masks: no part in the mask loss */
    /*
     * Not in the paper: spares what scores so high that it may be a lesion nobody annotated. Where it is below 1, candidates
     * are left out whose S1 is above this quantile of the S1 of all images' best-scoring good detections. 0..1. 1: none
     */
    double spare_quantile;
    double score_threshold;    /* detections that score lower are not looked at; 0..1. 0.05 */
    uint64_t seed;             /* 0. A trainer puts its own seed and epoch in their place */
    int64_t epoch;             /* 0..1000000000. 0 */
    int32_t split;             /* ULDOR_SPLIT_*. 1; a trainer: its train_split */
    int32_t first_epoch;       /* of a trainer: the epoch, from 0, before which it mines first. 1 */
    int32_t every;             /* of a trainer: again after so many epochs; 0: only once. 1 */
    int32_t resume;            /* ULDOR_RESUME_*: uldor_mine() with what an earlier call left at PATH.part */
    int32_t on_bad_image;      /* ULDOR_BAD_*: an image that cannot be read */
    int32_t threads;           /* 1..1024; 0: all cores that the process may use. A trainer: its own */
    int32_t streams;           /* images looked at side by side, 1..64, each with its own memory; 0: one a thread, at most 8 */
    int32_t instructions;      /* ULDOR_INSTRUCTIONS_* */
    int32_t exact;             /* non-zero: every convolution is computed directly */
    int32_t reserved;          /* 0 */
} uldor_mining_options;

/* Fills `options` with the defaults that are named behind the fields; the others are 0 or NULL. */
ULDOR_API uldor_status uldor_mining_options_init(uldor_mining_options *options, size_t struct_size);

typedef struct uldor_mining_info {
    size_t struct_size;
    int64_t images;            /* looked at, those of an earlier, interrupted call included */
    int64_t images_found;      /* case (a) */
    int64_t resumed;           /* images that an earlier call had looked at */
    int64_t skipped_images;    /* on_bad_image */
    int64_t detections;        /* of class lesion */
    int64_t good;              /* of them */
    int64_t spared;            /* candidates that spare_quantile left out */
    int64_t candidates;        /* the others */
    int64_t mined;             /* drawn from them */
} uldor_mining_info;

/*
 * Mines the images of a data set with a model, and writes what it found to `path` (JSON lines, docs/mining.md), whole or not at
 * all: images are written to PATH.part as they come, from which the next call goes on where this one is cancelled or killed; it
 * ends with the same bytes. `options` and `info` may be NULL. Errors: INVALID_ARGUMENT (no image with lesions; PATH.part is of
 * another model, data set or options), FORMAT (a damaged PATH.part: file and line), IO, CANCELLED, NOMEM, and what reading an
 * image fails with.
 */
ULDOR_API uldor_status uldor_mine(uldor_model *model, const uldor_dataset *dataset, const char *path,
                                  const uldor_mining_options *options, uldor_mining_info *info);

/* ----------------------------------------------------------------------------------------------- Training */

/*
 * One training run: a detector learns from a data set (docs/training.md). SGD as in the paper (section 2.3); losses, samplers
 * and targets are torchvision's. The run goes epoch by epoch, looks at the validation images after each, keeps the best
 * weights in output_path, and everything it needs to go on in checkpoint_path. Where that file is there when the trainer is
 * created, the run goes on from it and ends with the same bits as one that was never interrupted: every draw is keyed by
 * (seed, epoch, image), and every sum is formed in a fixed order, whatever the number of threads. The best weights are in
 * output_path alone: a run that goes on looks for them in its first call of uldor_trainer_run(), and puts them there if it was
 * killed before it could.
 */
typedef struct uldor_trainer uldor_trainer;

enum {
    ULDOR_TRAINING_CALIBRATION = 0, /* the batch norms' statistics are being taken (random start) */
    ULDOR_TRAINING_STEP = 1,        /* a step was taken: the losses are this step's */
    ULDOR_TRAINING_VALIDATION = 2,  /* a validation image was looked at: `step` of `steps`, losses: the mean so far */
    ULDOR_TRAINING_EPOCH = 3,       /* an epoch is over: the losses are the epoch's means, validation_loss is its own */
    ULDOR_TRAINING_MINING = 4       /* images were mined: `step` of `steps` */
};

/* What progress gets. Losses are torchvision's five, of the whole batch (over all processes). */
typedef struct uldor_training_event {
    size_t struct_size;
    int32_t kind;              /* ULDOR_TRAINING_* */
    int32_t epoch, epochs;     /* from 0 */
    int32_t is_best;           /* EPOCH: its validation loss is the least so far, the weights were written */
    int64_t step, steps;       /* done of this epoch (or of its validation), and how many it has */
    int64_t total_steps;       /* done since the beginning of the run */
    int64_t skipped_images;    /* since the beginning of the run, because they could not be read (on_bad_image) */
    double objectness, rpn_box, classifier, box, mask;
    double loss;               /* their sum */
    double lr;
    double gradient_norm;      /* before clipping */
    double images_per_second;  /* of all processes */
    double seconds_left;       /* until the last epoch's end as things go; negative: not known yet */
    double validation_loss;    /* of the last epoch that has one; NaN: none yet */
    double best_loss;          /* the least so far; NaN: none yet */
} uldor_training_event;

/* Called only on the thread that called uldor_trainer_run(). A non-zero return cancels the run (CANCELLED). */
typedef int32_t (*uldor_training_fn)(void *user, const uldor_training_event *event);

/*
 * Sums over processes, for a run on several machines: each process has a trainer with the same options and data, its own
 * `rank` of `size`, and takes `batch` images of each step's size x batch. Both functions replace the values by their sums over
 * all processes, the same bits in each, and return 0, or another number, with which the run fails (IO). They are called by
 * the thread that called uldor_trainer_run(), by all processes in the same order: in a step the losses' normalisers before the
 * backward pass (doubles; of each batch that accumulation adds), and after it the gradients with the losses behind them (floats);
 * a few doubles at the start of a run and after validation. When one process is cancelled or fails, all of them stop at the same
 * step. Rank 0 alone writes files; checkpoint_path must be readable by all. The update is that of one process with size x batch images (but for rounding).
 */
typedef struct uldor_reduction {
    size_t struct_size;
    void *user;
    int32_t rank, size; /* 0..size-1 of 1..65536 */
    int32_t (*sum_doubles)(void *user, double *values, int64_t count);
    int32_t (*sum_floats)(void *user, float *values, int64_t count);
} uldor_reduction;

enum {
    ULDOR_OPTIMISER_SGD = 0,  /* with momentum, as in the paper */
    ULDOR_OPTIMISER_ADAMW = 1 /* torch.optim.AdamW, eps 1e-8: learns faster from random weights */
};
enum {
    ULDOR_RATE_STEPS = 0, /* times lr_factor every lr_epochs epochs */
    ULDOR_RATE_COSINE = 1 /* half a cosine, from lr to 0 at the end of the last epoch */
};

typedef struct uldor_trainer_options {
    size_t struct_size;
    const uldor_allocator *allocator; /* NULL: the C library's. Copied; called from background threads, too */
    uldor_log_fn log;                 /* NULL: silent. Called on the thread that calls the library */
    void *log_user;
    uldor_training_fn progress;       /* NULL: none */
    void *progress_user;
    const uldor_reduction *reduction; /* NULL: one process. Copied */
    const uldor_augmentation *augmentation; /* NULL: the usual one (uldor_augmentation_init()). Copied */

    /*
     * What the run begins with. `init_path`: weights (docs/weights.md), F32, F16 or BF16. `architecture`: the network to build:
     * "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", or "narrow" (the demo's: a ResNet-18 a quarter as wide);
     * widths behind a colon where they differ, "resnet18:stem=16,fpn=64,fc=128,mask=64". Given alone, all is
     * random as torchvision initialises it; with init_path, tensors of it that have the right name and shape are taken, the others
     * stay random (uldor_trainer_report() names each); then "conv1.weight" of a classification network is
     * taken for "backbone.body.conv1.weight". init_path alone: its own network, nothing may be missing. One must be given.
     */
    const char *init_path;
    const char *architecture;
    /* Configuration (JSON, docs/weights.md). NULL: that of init_path, or the field's: anchors of 16, 24, 32, 48, 96 pixels. */
    const char *config;
    int32_t classes;           /* 2 or 3; 0: as configured. 3 where init_path has 2: the class of false positives is added, with
                                  a bias of -12, so that nothing changes yet */

    int32_t epochs;            /* 1..100000. 12 */
    const char *output_path;   /* where the best weights go (init_path's file may be replaced by them); NULL: nowhere */
    const char *checkpoint_path; /* NULL: none */
    const char *log_path;      /* a line for each step and epoch: CSV, or JSON lines where the name ends in .jsonl. A file that is
                                  no such log is not overwritten. NULL: none */
    int64_t checkpoint_steps;  /* a checkpoint every so many steps, and before and after each validation. 0: only then. 200 */
    int32_t resume;            /* ULDOR_RESUME_*: with checkpoint_path */
    int32_t half;              /* non-zero: output_path is written as F16 */

    uint64_t seed;             /* of all draws. 0 */
    int32_t batch;             /* images of a step, of this process: 1..1024. 2 */
    int32_t accumulation;      /* batches whose gradients' mean makes one step: 1..1024. 1 */
    double lr;                 /* 0..1000. 1e-3 */
    double momentum;           /* 0..1, less than 1. 0.9 */
    double weight_decay;       /* 0..1. 1e-4 */
    double lr_factor;          /* the rate is multiplied by this every lr_epochs epochs; 0..1. 0.1 */
    int32_t lr_epochs;         /* 0: never. 4 */
    int32_t warmup_steps;      /* the rate rises linearly over the first steps. 0 */
    double clip_norm;          /* gradients are scaled down to this norm; 0: never. 0 */
    int64_t epoch_images;      /* an epoch's length in images over all processes; 0: all of the split. 0 */
    int64_t validation_images; /* at most so many validation images; 0: all of the split. 0 */
    int32_t patience;          /* stop when the validation loss has not fallen for so many epochs; 0: never. 4 */
    int32_t trainable_layers;  /* of the backbone, from the top: 0..5; -1: 3, or 5 where its weights are random. -1 */
    int32_t train_split, validation_split; /* ULDOR_SPLIT_*; 0 for the second: no validation. 1, 2 */
    int32_t rpn_samples, roi_samples; /* anchors and regions of an image that the losses look at: 1..4096. 256, 512 */
    double rpn_positive, roi_positive; /* at most this part of them are lesions: 0..1. 0.5, 0.25 */
    int32_t proposals;         /* in training, per level before and over all after NMS: 1..4096. 2000 */
    int32_t no_mask_loss;      /* non-zero: the mask branch is not trained */
    int32_t calibration_images; /* for batch-norm statistics at a random start: 0..256; -1: 16 where they are random. -1 */
    int32_t on_bad_image;      /* ULDOR_BAD_*: an image that cannot be read when its turn comes */

    int32_t threads;           /* 1..1024; 0: all cores that the process may use */
    int32_t loader_threads;    /* that decode images ahead of need: 1..64. 1 */
    int32_t instructions;      /* ULDOR_INSTRUCTIONS_* */
    int32_t exact;             /* non-zero: every convolution is computed directly */

    /*
     * Hard negatives. `mining`: before epochs as its fields say, the images to train on are mined with the weights as they
     * are; NULL: never. Each set takes the place of the last. The network gets the class of false positives where it lacks it.
     * `mined_path`: a file of uldor_mine() for these images, learnt from until the first mining; its model must be init_path unless
     * mined_by_any_model is not 0. `mined_output_path`: where each set is written as uldor_mine() writes it.
     */
    const uldor_mining_options *mining;
    const char *mined_path, *mined_output_path;
    int32_t mined_by_any_model;
    int32_t optimiser;         /* ULDOR_OPTIMISER_* */
    double second_momentum;    /* ADAMW: of the squares; 0..1, less than 1. 0.999. `momentum` is that of the gradients */
    int32_t lr_schedule;       /* ULDOR_RATE_* */
    int32_t reserved;          /* 0 */
} uldor_trainer_options;

/* Fills `options` with the defaults that are named behind the fields; the others are 0 or NULL. */
ULDOR_API uldor_status uldor_trainer_options_init(uldor_trainer_options *options, size_t struct_size);

/*
 * Makes a trainer on images of `train`; the validation split is that of `validation`, NULL: of `train`, too. Weights, gradients
 * and momentum are allocated, a checkpoint is read. The trainer keeps the data sets. Errors: INVALID_ARGUMENT (a
 * field; no image of the split; a file to write that is an input; a checkpoint made with other options, data or initial weights:
 * the message names the first that differs), IO, FORMAT, MODEL, UNSUPPORTED, NOMEM. Free with uldor_trainer_free().
 */
ULDOR_API uldor_status uldor_trainer_create(const uldor_dataset *train, const uldor_dataset *validation,
                                            const uldor_trainer_options *options, uldor_trainer **trainer);
/* BUSY, and nothing freed, while a call on the trainer runs. */
ULDOR_API uldor_status uldor_trainer_free(uldor_trainer *trainer);

/*
 * Trains: at most `steps` further steps, or to the end of the run where it is 0; a run that is over does nothing. The
 * validation of an epoch whose last step was taken belongs to the same call. Errors: CANCELLED, BUSY, INVALID_ARGUMENT (the best
 * weights that the checkpoint tells of are not at output_path), IO (a file could not be written: the old one is still there), what
 * reading an image fails with, NOMEM. After an error the trainer stands where its last whole step left it: a further call goes on.
 */
ULDOR_API uldor_status uldor_trainer_run(uldor_trainer *trainer, int64_t steps);
/*
 * Makes the call that runs on this trainer, if one does, return CANCELLED within milliseconds; the step that it was in is
 * forgotten. No checkpoint is written for it: uldor_trainer_write_checkpoint(). From any thread, but not from a signal
 * handler, and not while another thread frees the trainer.
 */
ULDOR_API uldor_status uldor_trainer_cancel(uldor_trainer *trainer);

enum {
    ULDOR_TRAINER_RUNNING = 0,  /* there are steps left */
    ULDOR_TRAINER_FINISHED = 1, /* all epochs are done */
    ULDOR_TRAINER_STOPPED = 2   /* the validation loss did not fall for `patience` epochs */
};

typedef struct uldor_trainer_state {
    size_t struct_size;
    int32_t status;            /* ULDOR_TRAINER_* */
    int32_t resumed;           /* non-zero: it went on from a checkpoint */
    int32_t epoch, epochs;     /* the running epoch, from 0; `epochs` where all are done */
    int64_t step, steps;       /* taken in it, and how many it has */
    int64_t total_steps;
    int64_t train_images, validation_images; /* of the splits, after epoch_images and validation_images */
    int64_t skipped_images;
    int64_t parameters, trained_parameters;
    int64_t memory_bytes;      /* held now */
    double validation_loss, best_loss; /* NaN: none yet */
    int32_t best_epoch;        /* -1: none yet */
    int32_t threads;
} uldor_trainer_state;

ULDOR_API uldor_status uldor_trainer_get_state(uldor_trainer *trainer, uldor_trainer_state *state);
/*
 * One line for each tensor that the run did not begin with as init_path has it: missing there, of another shape, grown, or not
 * needed; then one with the counts. Nothing for a trainer that goes on from a checkpoint.
 */
ULDOR_API uldor_status uldor_trainer_report(uldor_trainer *trainer, uldor_report_fn report, void *user);
/* Writes the weights as they are now (not the best ones), as F16 where `half` is non-zero. Whole or not at all. */
ULDOR_API uldor_status uldor_trainer_save(uldor_trainer *trainer, const char *path, int32_t half);
/* Writes a checkpoint to `path`, NULL: to checkpoint_path. Whole or not at all. */
ULDOR_API uldor_status uldor_trainer_write_checkpoint(uldor_trainer *trainer, const char *path);
/* Message of the last failed call on this trainer; as uldor_session_last_error(). */
ULDOR_API const char *uldor_trainer_last_error(const uldor_trainer *trainer);

/* ---------------------------------------------------------------------------------------- Stages, to verify */

/* An ordered set of named float32 tensors, dense, row-major (N x C x H x W for feature maps). Not thread-safe. */
typedef struct uldor_tensors uldor_tensors;

/* `allocator` may be NULL. */
ULDOR_API uldor_status uldor_tensors_create(const uldor_allocator *allocator, uldor_tensors **tensors);
ULDOR_API uldor_status uldor_tensors_free(uldor_tensors *tensors);
/* Appends a copy. `name` has 1..63 bytes and is not in the set yet; rank 1..4; dims >= 0. */
ULDOR_API uldor_status uldor_tensors_add(uldor_tensors *tensors, const char *name, const float *data, int32_t rank,
                                         const int64_t *dims);

typedef struct uldor_tensor {
    size_t struct_size;
    const char *name;  /* owned by the set, as is data */
    const float *data;
    int32_t rank;
    int32_t reserved;
    int64_t dims[4];   /* those past rank are 1 */
} uldor_tensor;

ULDOR_API uldor_status uldor_tensors_get_count(const uldor_tensors *tensors, int32_t *count);
ULDOR_API uldor_status uldor_tensors_get(const uldor_tensors *tensors, int32_t index, uldor_tensor *tensor);

/* Stages of the network. Inputs -> outputs, by name; R = regions, K = classes, A = anchors per location. */
enum {
    ULDOR_STAGE_C2 = 0,    /* input (1xCxHxW, H and W multiples of the divisor) -> c2 */
    ULDOR_STAGE_C3 = 1,    /* c2 -> c3 */
    ULDOR_STAGE_C4 = 2,    /* c3 -> c4 */
    ULDOR_STAGE_C5 = 3,    /* c4 -> c5 */
    ULDOR_STAGE_FPN = 4,   /* c2..c5 -> p2..p6 */
    ULDOR_STAGE_RPN = 5,   /* p2..p6 -> objectness.0..4 (1xAxHxW), deltas.0..4 (1x4AxHxW) */
    ULDOR_STAGE_PROPOSALS = 6,      /* objectness.0..4, deltas.0..4, size (height, width, padded height, padded width)
                                       -> proposals (Rx4), proposal_scores (R) */
    ULDOR_STAGE_BOX_FEATURES = 7,   /* p2..p5, proposals, size -> box_features (RxCx7x7) */
    ULDOR_STAGE_BOX_HEAD = 8,       /* box_features -> box_logits (RxK), box_deltas (Rx4K) */
    ULDOR_STAGE_DETECTIONS = 9,     /* box_logits, box_deltas, proposals, size -> boxes (Rx4), scores (R), labels (R) */
    ULDOR_STAGE_MASK_FEATURES = 10, /* p2..p5, boxes, size -> mask_features (RxCx14x14) */
    ULDOR_STAGE_MASK_HEAD = 11,     /* mask_features -> mask_logits (RxKx28x28) */
    ULDOR_STAGE_PASTE = 12          /* masks (Rx28x28, probabilities), boxes, size -> pasted (RxHxW) */
};

/*
 * Runs one stage on tensors of the caller: how the parity with other implementations is measured, stage by stage. `outputs`
 * is a new set. Inputs of wrong names, ranks or sizes are INVALID_ARGUMENT.
 */
ULDOR_API uldor_status uldor_session_run_stage(uldor_session *session, int32_t stage, const uldor_tensors *inputs,
                                               uldor_tensors **outputs);

typedef struct uldor_gradients_options {
    size_t struct_size;
    const uldor_allocator *allocator; /* NULL: the C library's. Copied */
    const char *config;               /* as in uldor_model_options */
    int32_t trainable_layers;         /* stages of the backbone that learn, counted from the last, 0..5; 5: the stem, too */
    int32_t threads;                  /* 1..1024; 0: all cores that the process may use */
    int32_t instructions;             /* ULDOR_INSTRUCTIONS_* */
    int32_t exact;                    /* non-zero: every convolution is computed directly */
    int32_t steps;                    /* 0: gradients; 1..1000: so many steps of SGD on the same batch */
    float rate, momentum, decay;      /* of those steps; 1e-3, 0.9, 1e-4 */
} uldor_gradients_options;

ULDOR_API uldor_status uldor_gradients_options_init(uldor_gradients_options *options, size_t struct_size);

/*
 * Losses and gradients of one batch, with everything that is random given by the caller: how training is compared with torchvision.
 * Inputs for image i = 0, 1 ...: image.i (1xCxHxW, normalised, not padded), boxes.i (Rx4), labels.i (R), masks.i (RxHxW, 0 or
 * 1), proposals.i (Px4), anchors.i (indices of the sampled anchors: levels, rows, columns, anchors) and regions.i (indices of the
 * sampled regions among the proposals with the true boxes behind them). Outputs: losses (objectness, RPN box, class, box, mask) and, by
 * its name, each trained parameter's gradient, or its value after `steps`. Errors: those of uldor_model_load_file(), INVALID_ARGUMENT.
 */
ULDOR_API uldor_status uldor_run_gradients(const char *path, const uldor_gradients_options *options,
                                           const uldor_tensors *inputs, uldor_tensors **outputs);

/*
 * The example that training sees of an image: "input" (1 x channels x padded height x padded width, normalised), "size"
 * (height, width before padding), "boxes" (L x 4, of the input, clipped to it), "labels" (L), "lesions" (L: index in the
 * image), "has_mask" (L) and "masks" (L x padded height x padded width, 0 or 1). `augmentation` may be NULL: none. Lesions that
 * fall out of the input are left out. The model says how its input is made.
 */
ULDOR_API uldor_status uldor_dataset_get_example(const uldor_dataset *dataset, const uldor_model *model, int64_t index,
                                                 const uldor_augmentation *augmentation, uint64_t seed, int64_t epoch,
                                                 uldor_tensors **tensors);

#ifdef __cplusplus
}
#endif

#endif /* ULDOR_H */
