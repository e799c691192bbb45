#include "winograd_gradient.h"

#include "integers.h"

/*
 * A chunk's transforms and the sums of all places are what there is in memory at once. Longer chunks read the sums less often; a
 * chunk is one chain of additions.
 */
enum { CHUNK = UK_CHAIN, GROUP = 16, JOB_ROWS = 112 };

/*
 * Where one chunk is all there is, sums of so many output channels are in memory at once. Else of all: their inputs would be
 * transformed once for each such block.
 */
enum { BLOCK_CHANNELS = 64 };

/* With fewer tiles the transforms of the sums take what the products save. */
enum { LEAST_TILES = 64 };

static int64_t tiles_of_image(const uk_gradient *g)
{
    return up(g->output_gradient.height, 4) * up(g->output_gradient.width, 4);
}

static bool fits(const uk_gradient *g)
{
    return g->kernel == 3 && g->stride == 1 && g->pad == 1 && g->channels % UK_PANEL == 0 && g->out_channels % UK_PANEL == 0 &&
           tiles_of_image(g) > 0;
}

bool uk_is_winograd_gradient(const uk_gradient *g) { return fits(g) && g->batch * tiles_of_image(g) >= LEAST_TILES; }

int32_t uk_winograd_gradient_from(const uk_gradient *g)
{
    return fits(g) ? (int32_t)up(LEAST_TILES, tiles_of_image(g)) : INT32_MAX;
}

/* Strides for chunks of `tiles`, and where each part begins: a cache line more a place, so that places do not share sets. */
static uk_tile_product product_of(const uk_gradient *g, int64_t tiles, float *scratch)
{
    uk_tile_product p = {.tiles = (int32_t)tiles};
    p.conv.input = g->input, p.conv.output = g->output_gradient;
    p.conv.batch = g->batch, p.conv.channels = g->channels, p.conv.out_channels = g->out_channels;
    p.input_plane = tiles * g->channels + 16;
    p.row_plane = up(tiles, GROUP) * GROUP * g->out_channels + 16;
    p.sum_plane = (int64_t)g->channels * g->out_channels + 16;
    if (!scratch) return p;
    /* Inputs first: the next block, which may have fewer channels, finds them there. */
    p.inputs = scratch;
    p.sums = p.inputs + 36 * p.input_plane;
    p.rows = p.sums + 36 * p.sum_plane;
    return p;
}

static int64_t chunk_of(const uk_gradient *g) { return least(CHUNK, g->batch * tiles_of_image(g)); }

static int32_t channels_at_once(const uk_gradient *g)
{
    return g->batch * tiles_of_image(g) > CHUNK ? g->out_channels : (int32_t)least(BLOCK_CHANNELS, g->out_channels);
}

/* Output channels from `first` on, as many as are looked at at once. */
static uk_gradient block_of(const uk_gradient *g, int32_t first)
{
    uk_gradient block = *g;
    block.out_channels = (int32_t)least(channels_at_once(g), g->out_channels - first);
    block.output_gradient.data += first;
    block.weight_gradient += (int64_t)first * g->channels * 9;
    if (g->scale) block.scale += first;
    return block;
}

int64_t uk_winograd_gradient_floats(const uk_gradient *g)
{
    uk_gradient block = block_of(g, 0);
    uk_tile_product p = product_of(&block, chunk_of(g), NULL);
    return 36 * (p.sum_plane + p.input_plane + p.row_plane);
}

typedef struct work {
    const uk_table *table;
    const uk_gradient *gradient;
    const uk_tile_product *product;
    int64_t begin;
    int32_t row_blocks;
    int32_t kinds; /* 2: gradients and inputs; 1: inputs are there, of the block before */
} work;

/* Gradients of the chunk and inputs, 16 tiles a job: the one, then the other. */
static void transform(const void *context, int64_t index, int32_t worker)
{
    (void)worker;
    const work *w = context;
    int32_t first = (int32_t)(index / w->kinds) * GROUP, count = (int32_t)least(GROUP, w->product->tiles - first);
    if (index % w->kinds) w->table->winograd_gradient_inputs(w->product, w->begin, first, count);
    else w->table->winograd_gradient_rows(w->product, w->begin, first, count);
}

static void multiply(const void *context, int64_t index, int32_t worker)
{
    (void)worker;
    const work *w = context;
    int64_t block = index % w->row_blocks, out = w->gradient->out_channels;
    int32_t row = part(out, w->row_blocks, block), end = part(out, w->row_blocks, block + 1);
    w->table->winograd_gradient_job(w->product, (int32_t)(index / w->row_blocks), row, end - row, w->begin > 0);
}

static void finish(const void *context, int64_t out, int32_t worker)
{
    (void)worker;
    const work *w = context;
    const uk_gradient *g = w->gradient;
    w->table->winograd_gradient_finish(w->product, (int32_t)out, g->scale ? g->scale[out] : 1.0f,
                                       g->weight_gradient + out * g->channels * 9);
}

static int add_block(const uk_exec *exec, const uk_table *table, const uk_gradient *g, int32_t kinds, float *scratch)
{
    int64_t tiles = g->batch * tiles_of_image(g), chunks = up(tiles, CHUNK);
    uk_tile_product product = product_of(g, chunk_of(g), scratch);
    work w = {table, g, &product, 0, (int32_t)up(g->out_channels, JOB_ROWS), kinds};
    int status = UK_OK;
    for (int64_t chunk = 0; chunk < chunks && status == UK_OK; chunk++) {
        w.begin = part(tiles, chunks, chunk);
        product.tiles = (int32_t)(part(tiles, chunks, chunk + 1) - w.begin);
        status = uk_parallel_for(exec, kinds * up(product.tiles, GROUP), transform, &w);
        if (status == UK_OK) status = uk_parallel_for(exec, 36 * w.row_blocks, multiply, &w);
    }
    if (status == UK_OK) status = uk_parallel_for(exec, g->out_channels, finish, &w);
    return status;
}

int uk_winograd_gradient(const uk_exec *exec, const uk_table *table, const uk_gradient *g, float *scratch)
{
    int status = UK_OK;
    for (int32_t first = 0; first < g->out_channels && status == UK_OK; first += channels_at_once(g)) {
        uk_gradient block = block_of(g, first);
        status = add_block(exec, table, &block, first > 0 ? 1 : 2, scratch);
    }
    return status;
}
