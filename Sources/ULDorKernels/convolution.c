#include "integers.h"

typedef struct work {
    const uk_exec *exec;
    const uk_table *table;
    const uk_conv *conv;
    const uk_conv_plan *plan;
    int64_t rows;
    int32_t panel_begin, panel_end; /* of this pass */
    float *shared, *scratch;
    uk_strassen_pass pass;
} work;

static int32_t lesser(int32_t a, int32_t b) { return a < b ? a : b; }

typedef struct piece {
    int64_t begin;
    int32_t count, panel_begin, panel_end;
} piece;

/* The first row of a block: whole register tiles, but for the last one's. */
static int64_t first_row(const work *w, int64_t block)
{
    int64_t row = uk_block_begin(&w->plan->blocks, block) * w->table->tile_rows;
    return row < w->rows ? row : w->rows;
}

/* Jobs that share panels follow each other, so that threads read the same weights at about the same time. */
static piece piece_of(const work *w, int64_t index)
{
    int64_t split = index / w->plan->blocks.count, block = index % w->plan->blocks.count;
    int64_t begin = first_row(w, block), end = first_row(w, block + 1);
    int32_t panels = w->panel_end - w->panel_begin;
    return (piece){begin, (int32_t)(end - begin), w->panel_begin + part(panels, w->plan->splits, split),
                   w->panel_begin + part(panels, w->plan->splits, split + 1)};
}

static void direct(const void *context, int64_t index, int32_t worker)
{
    const work *w = context;
    piece p = piece_of(w, index);
    w->table->direct_job(w->exec, w->conv, p.begin, p.count, p.panel_begin, p.panel_end,
                         w->scratch + worker * w->plan->worker_floats);
}

static const uk_winograd *winograd_of(const work *w)
{
    return w->plan->winograd_side == 4 ? &w->table->winograd_4 : &w->table->winograd_2;
}

/* Floats of one panel's transformed filters. */
static int64_t filter_floats(const work *w)
{
    return UK_WINOGRAD_PLACES(w->plan->winograd_side) * UK_WINOGRAD_PLANE(w->conv->channels);
}

/* A panel's channels are transformed in four jobs: few panels are work for many threads, too. */
enum { FILTER_PARTS = 4 };

static void filters(const void *context, int64_t index, int32_t worker)
{
    (void)worker;
    const work *w = context;
    int32_t panel = (int32_t)(index / FILTER_PARTS), channels = w->conv->channels;
    int32_t first = part(channels, FILTER_PARTS, index % FILTER_PARTS);
    int32_t end = part(channels, FILTER_PARTS, index % FILTER_PARTS + 1);
    winograd_of(w)->filters(w->conv, w->panel_begin + panel, first, end - first, w->shared + panel * filter_floats(w));
}

static void winograd(const void *context, int64_t index, int32_t worker)
{
    const work *w = context;
    piece p = piece_of(w, index);
    const float *transformed = w->shared + (p.panel_begin - w->panel_begin) * filter_floats(w);
    winograd_of(w)->job(w->exec, w->conv, p.begin, p.count, p.panel_begin, p.panel_end, transformed,
                        w->scratch + worker * w->plan->worker_floats);
}

static int convolve_by_blocks(work *w)
{
    int32_t panels = w->panel_end;
    for (w->panel_begin = 0; w->panel_begin < panels; w->panel_begin += w->plan->pass_panels) {
        w->panel_end = lesser(panels, w->panel_begin + w->plan->pass_panels);
        int status = uk_parallel_for(w->exec, (int64_t)(w->panel_end - w->panel_begin) * FILTER_PARTS, filters, w);
        if (status == UK_OK) status = uk_parallel_for(w->exec, (int64_t)w->plan->blocks.count * w->plan->splits, winograd, w);
        if (status != UK_OK) return status;
    }
    return UK_OK;
}

/* Tiles that are transformed by a job, where all are before any is multiplied. */
enum { TILES_A_JOB = 4 };

static void all_tiles(const void *context, int64_t index, int32_t worker)
{
    (void)worker;
    const work *w = context;
    int32_t tiles = (int32_t)w->rows, begin = (int32_t)index * TILES_A_JOB;
    winograd_of(w)->tiles(w->exec, w->conv, tiles, begin, lesser(tiles - begin, TILES_A_JOB), w->shared);
}

static void winograd_panels(const void *context, int64_t index, int32_t worker)
{
    const work *w = context;
    int32_t panel = (int32_t)index * w->plan->pass_panels;
    winograd_of(w)->panels(w->exec, w->conv, (int32_t)w->rows, panel, lesser(w->panel_end - panel, w->plan->pass_panels), w->shared,
                           w->scratch + worker * w->plan->worker_floats);
}

static int convolve_by_panels(work *w)
{
    int status = uk_parallel_for(w->exec, (w->rows + TILES_A_JOB - 1) / TILES_A_JOB, all_tiles, w);
    return status == UK_OK ? uk_parallel_for(w->exec, w->plan->splits, winograd_panels, w) : status;
}

/* For each two chains of products, each panel of the left half. */
static void summed_weights(const void *context, int64_t index, int32_t worker)
{
    (void)worker;
    const work *w = context;
    int32_t panels = w->panel_end / 2, panel = (int32_t)(index % panels), products = uk_products(w->conv);
    int32_t first = w->pass.first + (int32_t)(index / panels) * 2 * UK_STRASSEN_CHAIN;
    const float *weights = w->conv->packed + ((int64_t)panel * products + first) * UK_PANEL;
    w->table->strassen_sum_weights(weights, weights + (int64_t)panels * products * UK_PANEL,
                                   uk_strassen_half(&w->pass, first), uk_summed_weights(w->conv, &w->pass, first, panel));
}

static void strassen(const void *context, int64_t index, int32_t worker)
{
    const work *w = context;
    piece p = piece_of(w, index);
    w->table->strassen_job(w->exec, w->conv, &w->pass, p.begin, p.count, w->scratch + worker * w->plan->worker_floats);
}

static int convolve_by_strassen(work *w)
{
    int32_t products = uk_products(w->conv);
    w->pass = (uk_strassen_pass){.weights = w->shared, .sums = w->plan->kept_floats > 0 ? w->scratch : NULL};
    w->scratch += w->plan->kept_floats;
    for (; w->pass.first < products; w->pass.first += w->pass.count) {
        w->pass.count = lesser(products - w->pass.first, w->plan->pass_products);
        int64_t chains = (w->pass.count + 2 * UK_STRASSEN_CHAIN - 1) / (2 * UK_STRASSEN_CHAIN);
        int status = uk_parallel_for(w->exec, chains * (w->panel_end / 2), summed_weights, w);
        if (status == UK_OK) status = uk_parallel_for(w->exec, w->plan->blocks.count, strassen, w);
        if (status != UK_OK) return status;
    }
    return UK_OK;
}

int uk_convolve(const uk_exec *exec, const uk_table *table, const uk_conv *conv, const uk_conv_plan *plan, float *scratch)
{
    work w = {exec, table, conv, plan, plan->rows, 0, uk_all_panels(conv), scratch, scratch + plan->shared_floats, {0}};
    if (plan->is_strassen) return convolve_by_strassen(&w);
    if (plan->is_by_panels) return convolve_by_panels(&w);
    if (plan->winograd_side > 0) return convolve_by_blocks(&w);
    return uk_parallel_for(exec, (int64_t)plan->blocks.count * plan->splits, direct, &w);
}
