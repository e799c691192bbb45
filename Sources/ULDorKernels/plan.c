#include "integers.h"

/* Tiles of a Winograd job at most (docs/performance.md). */
#ifndef UK_WINOGRAD_TILES
enum { UK_WINOGRAD_TILES = 84 };
#endif

static bool has_avx512(const uk_table *table) { return table->tile_rows == 14; }

/* Of so many rows those that are whole register tiles: a block begins with a whole one (convolution.c) and is not larger then. */
static int32_t whole_tiles(const uk_table *table, int32_t rows) { return rows / table->tile_rows * table->tile_rows; }

static int64_t tiles_of(const uk_conv *conv, int32_t side)
{
    return (int64_t)conv->batch * up(conv->output.height, side) * up(conv->output.width, side);
}

/*
 * Time of Winograd and direct convolution in units of one register tile's step (a row times a panel of 16). Transforms are counted in the
 * same unit, as measured with AVX2 and AVX-512 (docs/performance.md; those of 2 x 2 tiles with AVX2 alone); what matters is the
 * small maps, where the filters' own transform outweighs what it saves.
 */
static bool is_winograd_faster(const uk_table *table, const uk_conv *conv, int32_t side)
{
    double tiles = (double)tiles_of(conv, side), channels = conv->channels, panels = uk_panels(conv->out_channels);
    double pixels = (double)conv->batch * conv->output.height * conv->output.width;
    int64_t places = conv->batch * uk_winograd_points(side, conv->output.height) * uk_winograd_points(side, conv->output.width);
    double filter = side == 4 ? 80 : 60, tile = side == 4 ? 12 : 4;
    double filters = filter * channels * panels, around = tile * tiles * (channels + 16 * panels);
    /* A register tile of few rows waits for its own sums: it takes the time of four rows at least. */
    if (table->tile_rows >= 4) places = most(places, 4 * UK_WINOGRAD_PLACES(side));
    return (double)places * channels * panels + 2 * (filters + around) < 9 * pixels * channels * panels;
}

/* With very long sums, fewer passes over the weights count for more. */
static bool is_long(int32_t products) { return products > 4096; }

/* Register tiles of a block at least, where blocks shrink: they alone pay for reading the weights, of which Winograd has the most. */
static int32_t least_tiles(const uk_table *table, const uk_conv_plan *plan)
{
    enum { WINOGRAD_ROWS = 36 };
    return plan->winograd_side > 0 ? (int32_t)up(WINOGRAD_ROWS, table->tile_rows) : 2;
}

/*
 * Cuts rows into blocks of at most `largest`, whole register tiles, and panels where there are too few rows for all threads. With
 * rows enough, blocks shrink towards the end: what holds up one core is evened out by the others.
 */
static void cut(uk_conv_plan *plan, const uk_table *table, int32_t panels, int32_t largest, int32_t threads)
{
    enum { FEWEST_TILES = 2, ENOUGH_TILES = 8 }; /* of an even block; for each thread, to shrink */
    int64_t tiles = up(plan->rows, table->tile_rows), blocks = up(plan->rows, largest);
    plan->splits = 1;
    if (threads > 1 && tiles >= ENOUGH_TILES * (int64_t)threads) {
        plan->blocks = uk_shrinking_blocks(tiles, largest / table->tile_rows, least_tiles(table, plan), threads);
        return;
    }
    if (blocks > 0 && blocks < 4 * threads) { /* none: no regions */
        int64_t even = up(blocks, threads) * threads;
        if (plan->rows / even >= FEWEST_TILES * table->tile_rows) blocks = even;
        else plan->splits = (int32_t)least(up(threads, blocks), up(panels, table->tile_panels));
    }
    plan->blocks = uk_equal_blocks(tiles, blocks);
}

/* Jobs that run at once at most; as cut() makes them, and no fewer for more rows. */
static int64_t workers(int64_t rows, const uk_table *table, int32_t panels, int32_t threads)
{
    return least(threads, up(rows, 2 * table->tile_rows) * up(panels, table->tile_panels));
}

/*
 * Scratch memory is that of the largest job there could be, not of those that there are: a pass is planned for the most regions
 * that it may find, and fewer must not need more.
 */
static uk_conv_plan plan_direct(const uk_table *table, const uk_conv *conv, int32_t threads)
{
    uk_conv_plan plan = {0};
    int32_t products = uk_products(conv), panels = uk_all_panels(conv);
    plan.rows = (int64_t)conv->batch * conv->output.height * conv->output.width;
    /* The rows' piece stays in the second cache, which is larger where there is AVX-512. */
    int32_t largest = whole_tiles(table, is_long(products) ? 250 : has_avx512(table) ? 224 : 112);
    cut(&plan, table, panels, largest, threads);
    int64_t rows = least(plan.rows, largest);
    plan.worker_floats = rows * UK_CHAIN + (products > UK_CHAIN ? rows * panels * UK_PANEL : 0);
    plan.scratch_floats = workers(plan.rows, table, panels, threads) * plan.worker_floats;
    return plan;
}

static uk_conv_plan plan_winograd_blocks(const uk_table *table, const uk_conv *conv, int32_t threads, int32_t side)
{
    /* Transformed filters at a time, in floats: what the last cache holds beside the rest. */
    enum { FILTERS = 2600000 };
    uk_conv_plan plan = {.winograd_side = side, .rows = tiles_of(conv, side)};
    int32_t panels = uk_panels(conv->out_channels), places = UK_WINOGRAD_PLACES(side);
    int64_t panel_floats = places * UK_WINOGRAD_PLANE(conv->channels);
    plan.pass_panels = (int32_t)least(panels, most(FILTERS / panel_floats / table->tile_panels, 1) * table->tile_panels);
    int32_t passes = (int32_t)up(panels, plan.pass_panels);
    plan.pass_panels = (int32_t)up(up(panels, passes), table->tile_panels) * table->tile_panels;
    int32_t largest = whole_tiles(table, UK_WINOGRAD_TILES);
    cut(&plan, table, plan.pass_panels, largest, threads);
    int64_t rows = least(plan.rows, largest);
    plan.shared_floats = plan.pass_panels * panel_floats;
    plan.worker_floats = places * (UK_WINOGRAD_ROWS(rows, conv->channels) + UK_WINOGRAD_ROWS(rows, UK_WINOGRAD_PANELS * UK_PANEL));
    plan.scratch_floats = plan.shared_floats + workers(plan.rows, table, plan.pass_panels, threads) * plan.worker_floats;
    return plan;
}

/* Most tiles of maps that are cut into panels: a panel's products, 288 KiB, or those of AVX-512's two stay in the second cache. */
static int64_t most_tiles_by_panels(int32_t side)
{
    enum { PRODUCTS = 73728 };
    return PRODUCTS / (UK_PANEL * UK_WINOGRAD_PLACES(side));
}

/* Scratch memory is that of as many tiles at most. */
static uk_conv_plan plan_winograd_panels(const uk_table *table, const uk_conv *conv, int32_t threads, int32_t side)
{
    uk_conv_plan plan = {.winograd_side = side, .is_by_panels = true, .rows = tiles_of(conv, side), .pass_panels = table->tile_panels};
    int64_t rows = least(plan.rows, most_tiles_by_panels(side)), places = UK_WINOGRAD_PLACES(side);
    plan.blocks = uk_equal_blocks(up(plan.rows, table->tile_rows), 1);
    plan.splits = (int32_t)up(uk_panels(conv->out_channels), plan.pass_panels);
    plan.shared_floats = places * UK_WINOGRAD_ROWS(rows, conv->channels);
    plan.worker_floats = places * UK_WINOGRAD_ROWS(rows, plan.pass_panels * UK_PANEL) +
                         plan.pass_panels * (side + 2) * UK_WINOGRAD_PLANE(conv->channels);
    plan.scratch_floats = plan.shared_floats + least(threads, plan.splits) * plan.worker_floats;
    return plan;
}

/* Scratch memory is enough for the one as for the other: which of them it is may differ where there are fewer regions. */
static uk_conv_plan plan_winograd(const uk_table *table, const uk_conv *conv, int32_t threads, int32_t side)
{
    uk_conv_plan blocks = plan_winograd_blocks(table, conv, threads, side), panels = plan_winograd_panels(table, conv, threads, side);
    bool is_small = panels.rows > 0 && panels.rows <= most_tiles_by_panels(side) && panels.splits >= threads;
    uk_conv_plan plan = is_small ? panels : blocks;
    plan.scratch_floats = most(blocks.scratch_floats, panels.scratch_floats);
    return plan;
}

/*
 * Whether Strassen's seven products of quarters are faster than eight, in the unit of is_winograd_faster(): rows and weights are summed, too,
 * and more is stored. What that comes to has to be less than the eighth that is saved, by a third or so: the eight read rows
 * where they lie, and take less time each (docs/performance.md).
 */
static bool is_strassen_faster(const uk_conv *conv)
{
    double pixels = (double)conv->batch * conv->output.height * conv->output.width;
    double products = uk_products(conv), panels = uk_all_panels(conv);
    double stored = pixels * panels * products / (2 * UK_STRASSEN_CHAIN);
    double around = pixels * products + 30 * products * panels + 8 * stored;
    return products >= 4 * UK_STRASSEN_CHAIN && 11 * around < pixels * products * panels;
}

/* Sums that are kept from one pass to the next, in floats: those of 4096 regions' fully connected layer. */
enum { MOST_KEPT = 4096 * 1024 };

static uk_conv_plan plan_strassen(const uk_table *table, const uk_conv *conv, int32_t threads)
{
    /* Summed weights at a time, in floats: what the last cache holds beside the rest. */
    enum { SUMS = 2700000 };
    uk_conv_plan plan = {.is_strassen = true};
    int32_t products = uk_products(conv), panels = uk_all_panels(conv);
    int64_t pixels = (int64_t)conv->batch * conv->output.height * conv->output.width;
    int64_t half = least(products / 2, UK_STRASSEN_CHAIN);
    /* Register tiles of a job: its rows' factors stay in the second cache, which is larger where there is AVX-512. */
    int64_t largest = (has_avx512(table) ? 8 : 11) * table->tile_rows;
    plan.rows = up(pixels, 2);
    /* A job has all panels: as if there were one. */
    cut(&plan, table, 1, (int32_t)largest, threads);
    int64_t of_chains = UK_STRASSEN_SUMS * (int64_t)(panels / 2) * UK_PANEL * half;
    plan.pass_products = (int32_t)least(products, most(SUMS / of_chains, 1) * 2 * half);
    plan.shared_floats = UK_STRASSEN_SUMS * (int64_t)(panels / 2) * UK_PANEL * (plan.pass_products / 2);
    /* Sums of the chains before: a job's own, or all of them where there are several passes. */
    plan.kept_floats = plan.pass_products < products ? least(2 * plan.rows * panels * UK_PANEL, MOST_KEPT) : 0;
    int64_t rows = least(plan.rows, largest), width = products > 2 * UK_STRASSEN_CHAIN ? panels : 2 * table->tile_panels;
    plan.worker_floats = UK_STRASSEN_PACKED(rows) + (plan.kept_floats > 0 ? 0 : 2 * rows * width * UK_PANEL);
    plan.scratch_floats = plan.shared_floats + plan.kept_floats + workers(plan.rows, table, 1, threads) * plan.worker_floats;
    return plan;
}

/* Whole register tiles of two halves that are multiplied alike, whatever the instruction set; a pixel of the input for each of the output's. */
static bool fits_strassen(const uk_conv *conv)
{
    bool is_inside = ((int64_t)conv->output.height - 1) * conv->stride < conv->input.height &&
                     ((int64_t)conv->output.width - 1) * conv->stride < conv->input.width;
    return conv->kernel_h == 1 && conv->kernel_w == 1 && conv->pad == 0 && conv->channels % 32 == 0 && conv->out_channels % 64 == 0 &&
           is_inside;
}

/* Scratch memory is enough for the one as for the other: which of them it is may differ where there are fewer rows. */
static uk_conv_plan plan_product(const uk_table *table, const uk_conv *conv, int32_t threads, int32_t algorithms)
{
    uk_conv_plan direct = plan_direct(table, conv, threads);
    if ((algorithms != UK_FAST && algorithms != UK_STRASSEN) || !fits_strassen(conv)) return direct;
    uk_conv_plan strassen = plan_strassen(table, conv, threads);
    bool is_wanted = algorithms == UK_STRASSEN || is_strassen_faster(conv);
    uk_conv_plan plan = is_wanted && 2 * strassen.rows * uk_all_panels(conv) * UK_PANEL <= MOST_KEPT ? strassen : direct;
    plan.scratch_floats = most(direct.scratch_floats, strassen.scratch_floats);
    return plan;
}

uk_conv_plan uk_plan_convolution(const uk_table *table, const uk_conv *conv, int32_t threads, int32_t algorithms)
{
    uk_conv_plan product = plan_product(table, conv, threads, algorithms);
    bool fits = conv->kernel_h == 3 && conv->kernel_w == 3 && conv->stride == 1 && conv->pad == 1 && conv->channels % 16 == 0 &&
                conv->places <= 1;
    if ((algorithms != UK_FAST && algorithms != UK_GENTLE) || !fits) return product;
    int32_t side = algorithms == UK_GENTLE ? 2 : 4;
    uk_conv_plan winograd = plan_winograd(table, conv, threads, side);
    uk_conv_plan plan = is_winograd_faster(table, conv, side) ? winograd : product;
    plan.scratch_floats = most(product.scratch_floats, winograd.scratch_floats);
    return plan;
}
