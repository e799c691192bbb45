#include "winograd_gradient.h"

#include "integers.h"

/*
 * The jobs of a weight gradient: blocks of output channels times blocks of input panels, all taps; where these are few, the pixels
 * are split, too, and partial sums added up in their order. Splits depend on the shape alone, so the result does.
 */
enum { BLOCK_ROWS = 112, BLOCK_PANELS = 8, BLOCK_PANELS_OF_TAPS = 4, ENOUGH_JOBS = 16, LEAST_CHUNKS = 4 };

typedef struct plan {
    uk_pixel_product product;
    int32_t panels;                      /* of a phase */
    int32_t row_blocks, panel_blocks, splits;
    int64_t sums;                        /* floats of a job's, at most */
    int64_t row_floats, panel_floats;    /* packed */
    int64_t sum_floats;                  /* of all jobs that are kept at once */
} plan;

static int32_t floor_div(int32_t a, int32_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

/* Nothing but 1 x 1, and all pixels in one line: images need not be told apart. */
static bool is_flat(const uk_gradient *g)
{
    const uk_map *in = &g->input, *out = &g->output_gradient;
    return g->kernel == 1 && g->stride == 1 && g->pad == 0 && in->row_stride == in->width * in->pixel_stride &&
           out->row_stride == out->width * out->pixel_stride && in->image_stride == in->height * in->row_stride &&
           out->image_stride == out->height * out->row_stride && (int64_t)g->batch * out->height * out->width < INT32_MAX / 2;
}

static plan plan_of(const uk_gradient *g, int32_t threads)
{
    plan plan = {0};
    uk_pixel_product *p = &plan.product;
    p->gradient = g;
    p->images = g->batch;
    p->out_height = g->output_gradient.height;
    p->out_width = g->output_gradient.width;
    /* A kernel smaller than the stride reads some phases only. */
    p->phase_side = g->kernel < g->stride ? g->kernel : g->stride;
    p->first_phase = g->kernel < g->stride ? -g->pad - floor_div(-g->pad, g->stride) * g->stride : 0;
    if (p->first_phase + p->phase_side > g->stride) p->first_phase = 0, p->phase_side = g->stride;
    p->phases = p->phase_side * p->phase_side;
    p->taps = g->kernel * g->kernel;
    p->first_y = p->first_x = floor_div(-g->pad, g->stride);
    int32_t border = floor_div(g->kernel - 1 - g->pad, g->stride) - p->first_y;
    p->grid_width = p->out_width + border;
    p->grid_height = p->out_height + border;
    /* The last row's border is not summed over, but the taps of its last pixels read on. */
    p->pixels = p->out_height * p->grid_width;
    p->chunks = (int32_t)up(p->pixels, UK_CHAIN);
    p->chunk = (int32_t)up(up(p->pixels, p->chunks ? p->chunks : 1), 16) * 16;

    plan.panels = uk_panels(g->channels);
    p->image_rows = up(p->pixels, 16) * 16 * g->out_channels;
    p->image_cells = ((int64_t)p->grid_height * p->grid_width + border) * UK_PANEL;
    p->panel_floats = p->images * p->image_cells;
    p->phase_floats = plan.panels * p->panel_floats;
    for (int32_t t = 0; t < p->taps; t++) {
        int32_t y = t / g->kernel - g->pad, x = t % g->kernel - g->pad;
        int32_t step_y = floor_div(y, g->stride), step_x = floor_div(x, g->stride);
        int32_t phase_y = y - step_y * g->stride - p->first_phase, phase_x = x - step_x * g->stride - p->first_phase;
        p->tap[t] = (phase_y * p->phase_side + phase_x) * p->phase_floats +
                    ((int64_t)(step_y - p->first_y) * p->grid_width + step_x - p->first_x) * UK_PANEL;
    }

    plan.row_blocks = (int32_t)up(g->out_channels, BLOCK_ROWS);
    int32_t most_panels = p->taps > 1 ? BLOCK_PANELS_OF_TAPS : BLOCK_PANELS;
    plan.panel_blocks = (int32_t)up(plan.panels, most_panels);
    int64_t jobs = (int64_t)plan.row_blocks * plan.panel_blocks, chunks = (int64_t)p->images * p->chunks;
    plan.splits = 1;
    if (jobs < ENOUGH_JOBS) {
        int64_t splits = up(ENOUGH_JOBS, jobs), most = chunks / LEAST_CHUNKS;
        plan.splits = (int32_t)(splits < most ? splits : most > 1 ? most : 1);
    }
    int64_t rows = up(g->out_channels, plan.row_blocks), panels = up(plan.panels, plan.panel_blocks);
    plan.sums = rows * p->taps * panels * UK_PANEL;
    plan.row_floats = p->images * p->image_rows;
    plan.panel_floats = p->phases * p->phase_floats;
    plan.sum_floats = plan.sums * (plan.splits > 1 ? jobs * plan.splits : threads < jobs ? threads : jobs);
    return plan;
}

/* The same with all of its pixels as one row of one image, where it may be seen so. */
static uk_gradient flattened(const uk_gradient *g)
{
    uk_gradient flat = *g;
    if (!is_flat(g)) return flat;
    int32_t pixels = g->batch * g->output_gradient.height * g->output_gradient.width;
    flat.batch = 1;
    flat.input.height = flat.output_gradient.height = 1;
    flat.input.width = flat.output_gradient.width = pixels;
    return flat;
}

/* Pixels of such a row that are packed at a time: those of a large map are not in memory once more. */
enum { MOST_PIXELS = 4096 };

static uk_gradient piece_of(const uk_gradient *flat, int32_t begin)
{
    uk_gradient piece = *flat;
    int32_t left = flat->input.width - begin;
    piece.input.data += begin * flat->input.pixel_stride;
    piece.output_gradient.data += begin * flat->output_gradient.pixel_stride;
    piece.input.width = piece.output_gradient.width = left < MOST_PIXELS ? left : MOST_PIXELS;
    return piece;
}

static int64_t direct_floats(const uk_gradient *g, int32_t threads)
{
    uk_gradient flat = flattened(g);
    if (is_flat(g) && flat.input.width > MOST_PIXELS) flat.input.width = flat.output_gradient.width = MOST_PIXELS;
    plan plan = plan_of(&flat, threads);
    /* The most partial sums that fewer pixels could need, so that less work never takes more memory. */
    int64_t jobs = (int64_t)plan.row_blocks * plan.panel_blocks;
    int64_t least = plan.sums * (threads < jobs ? threads : jobs);
    return plan.row_floats + plan.panel_floats + (plan.sum_floats > least ? plan.sum_floats : least) + UK_PANEL;
}

int64_t uk_weight_gradient_floats(const uk_gradient *g, int32_t threads, int32_t algorithms)
{
    if (algorithms != UK_FAST || !uk_is_winograd_gradient(g)) return direct_floats(g, threads);
    /* Fewer images, for which this is not chosen, must not need more. */
    uk_gradient fewer = *g;
    fewer.batch = uk_winograd_gradient_from(g) - 1;
    int64_t direct = direct_floats(&fewer, threads), floats = uk_winograd_gradient_floats(g);
    return direct > floats ? direct : floats;
}

typedef struct work {
    const uk_exec *exec;
    const uk_table *table;
    const plan *plan;
    float *rows, *panels, *sums;
} work;

static void pack_rows(const void *context, int64_t index, int32_t worker)
{
    (void)worker;
    const work *w = context;
    const uk_pixel_product *p = &w->plan->product;
    int64_t groups = up(p->pixels, 16), image = index / groups, group = index % groups;
    w->table->gradient_rows(p, (int32_t)image, (int32_t)group,
                            w->rows + image * p->image_rows + group * 16 * p->gradient->out_channels);
}

static void pack_panels(const void *context, int64_t index, int32_t worker)
{
    (void)worker;
    const work *w = context;
    const uk_pixel_product *p = &w->plan->product;
    int32_t row = (int32_t)(index % p->grid_height), phase = (int32_t)(index / p->grid_height % p->phases);
    w->table->gradient_panels(p, (int32_t)(index / p->grid_height / p->phases), phase, row, w->panels);
}

typedef struct block {
    int32_t row, rows, panel, panels;
} block;

static block block_of(const plan *plan, int64_t job)
{
    int32_t r = (int32_t)(job % plan->row_blocks), c = (int32_t)(job / plan->row_blocks);
    int32_t out = plan->product.gradient->out_channels;
    block b = {.row = part(out, plan->row_blocks, r), .panel = part(plan->panels, plan->panel_blocks, c)};
    b.rows = part(out, plan->row_blocks, r + 1) - b.row;
    b.panels = part(plan->panels, plan->panel_blocks, c + 1) - b.panel;
    return b;
}

/* scale * (the sum of all splits) of UK_PANEL channels. */
static inline __attribute__((always_inline)) void sum_panel(const float *from, int64_t split, int32_t splits, float scale,
                                                            float *restrict sums)
{
    float sum[UK_PANEL];
    for (int32_t i = 0; i < UK_PANEL; i++) sum[i] = from[i];
    for (int32_t s = 1; s < splits; s++)
        for (int32_t i = 0; i < UK_PANEL; i++) sum[i] += from[s * split + i];
    for (int32_t i = 0; i < UK_PANEL; i++) sums[i] = scale * sum[i];
}

/*
 * Adds UK_PANEL channels of all taps, of which `count` exist: sums are [tap][channel], `width` floats from tap to tap, and `to`
 * is [channel][tap].
 */
static inline __attribute__((always_inline)) void add_taps(const float *from, int64_t width, int64_t split, int32_t splits,
                                                           float scale, int32_t taps, int32_t count, float *restrict to)
{
    float sums[UK_MOST_TAPS * UK_PANEL];
    for (int32_t tap = 0; tap < taps; tap++) sum_panel(from + tap * width, split, splits, scale, sums + tap * UK_PANEL);
    for (int32_t c = 0; c < count; c++)
        for (int32_t tap = 0; tap < taps; tap++) to[c * taps + tap] += sums[tap * UK_PANEL + c];
}

/* Adds a block's sums, over all splits, to the weights' gradient. */
static void finish(const work *w, const block *b, const float *sums)
{
    const plan *plan = w->plan;
    const uk_gradient *g = plan->product.gradient;
    int32_t taps = plan->product.taps, first = b->panel * UK_PANEL, splits = plan->splits;
    int32_t channels = b->panels * UK_PANEL < g->channels - first ? b->panels * UK_PANEL : g->channels - first;
    int64_t width = (int64_t)b->panels * UK_PANEL, row_floats = taps * width, split = plan->sums;
    for (int32_t row = 0; row < b->rows; row++) {
        int32_t o = b->row + row;
        float scale = g->scale ? g->scale[o] : 1.0f, *to = g->weight_gradient + ((int64_t)o * g->channels + first) * taps;
        const float *from = sums + row * row_floats;
        for (int32_t c = 0; c < channels; c += UK_PANEL) {
            int32_t count = channels - c < UK_PANEL ? channels - c : UK_PANEL;
            if (taps == 1 && count == UK_PANEL) add_taps(from + c, width, split, splits, scale, 1, UK_PANEL, to + c);
            else if (taps == 9 && count == UK_PANEL) add_taps(from + c, width, split, splits, scale, 9, UK_PANEL, to + c * 9);
            else add_taps(from + c, width, split, splits, scale, taps, count, to + c * taps);
        }
    }
}

static void multiply(const void *context, int64_t index, int32_t worker)
{
    const work *w = context;
    const plan *plan = w->plan;
    const uk_pixel_product *p = &plan->product;
    int64_t job = index / plan->splits, split = index % plan->splits, chunks = (int64_t)p->images * p->chunks;
    block b = block_of(plan, job);
    float *sums = w->sums + plan->sums * (plan->splits > 1 ? index : worker);
    w->table->weight_gradient_job(w->exec, p, b.row, b.rows, b.panel, b.panels, chunks * split / plan->splits,
                                  chunks * (split + 1) / plan->splits, sums);
    if (plan->splits == 1 && !uk_is_stopping(w->exec)) finish(w, &b, sums);
}

static void finish_splits(const void *context, int64_t job, int32_t worker)
{
    (void)worker;
    const work *w = context;
    block b = block_of(w->plan, job);
    finish(w, &b, w->sums + job * w->plan->splits * w->plan->sums);
}

static int direct_piece(const uk_exec *exec, const uk_table *table, const uk_gradient *g, float *scratch)
{
    plan plan = plan_of(g, exec->threads);
    uk_pixel_product *p = &plan.product;
    if (p->pixels == 0 || p->images == 0) return UK_OK;
    work w = {exec, table, &plan, scratch, scratch + plan.row_floats, scratch + plan.row_floats + plan.panel_floats};
    p->rows = w.rows;
    p->panels = w.panels;
    int64_t jobs = (int64_t)plan.row_blocks * plan.panel_blocks;
    int status = uk_parallel_for(exec, up(p->pixels, 16) * p->images, pack_rows, &w);
    if (status == UK_OK) status = uk_parallel_for(exec, (int64_t)p->images * p->phases * p->grid_height, pack_panels, &w);
    if (status == UK_OK) status = uk_parallel_for(exec, jobs * plan.splits, multiply, &w);
    if (status == UK_OK && plan.splits > 1) status = uk_parallel_for(exec, jobs, finish_splits, &w);
    return status;
}

static int direct(const uk_exec *exec, const uk_table *table, const uk_gradient *g, float *scratch)
{
    if (!is_flat(g)) return direct_piece(exec, table, g, scratch);
    uk_gradient flat = flattened(g);
    int status = UK_OK;
    for (int32_t begin = 0; begin < flat.input.width && status == UK_OK; begin += MOST_PIXELS) {
        uk_gradient piece = piece_of(&flat, begin);
        status = direct_piece(exec, table, &piece, scratch);
    }
    return status;
}

int uk_weight_gradient(const uk_exec *exec, const uk_table *table, const uk_gradient *g, int32_t algorithms, float *scratch)
{
    bool is_winograd = algorithms == UK_FAST && uk_is_winograd_gradient(g);
    int status = is_winograd ? uk_winograd_gradient(exec, table, g, scratch) : direct(exec, table, g, scratch);
    if (status == UK_OK && g->bias_gradient)
        status = uk_bias_gradient(exec, &g->output_gradient, g->batch, g->out_channels, g->bias_gradient);
    return status;
}
