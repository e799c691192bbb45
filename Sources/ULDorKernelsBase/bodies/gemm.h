/*
 * The one matrix product: a block of rows times panels of weights. Rows lie [k / 16][row][16], so that every row
 * of a tile is a constant away from the first and one pointer reaches them all; weights are [k][UK_PANEL] a panel.
 * A direct convolution packs its pixels' neighbourhoods like this, or finds a map in groups of channels; Winograd writes its transformed tiles like this, a register tile after another.
 */
enum { TILE_VECTORS = UK_PANELS * VECTORS, TILE_WIDTH = UK_PANELS * UK_PANEL };

/* What becomes of the sums of whole panels: row r is written at out[r] + place, plus bias and residual[r] + residual_place. */
typedef struct ending {
    float *const *out;
    const float *const *residual; /* NULL: none */
    const float *bias;
    int64_t place, apart; /* of the first panel; from a panel to the next */
    int64_t residual_place, residual_apart;
    bool relu;
} ending;

/* Where vector v of a tile's row lies. */
UK_INLINE int64_t place_of_vector(int64_t apart, int v) { return v / VECTORS * apart + v % VECTORS * UK_LANES; }

/* sum += a row's float in all lanes * weights. UK_MULTIPLY_ADD does it in one instruction, with a read for each vector of weights. */
#ifdef UK_MULTIPLY_ADD
/* Of seven rows three: reads and instructions are both few then. */
UK_INLINE bool is_read_per_vector(const int row) { return row % 7 == 2 || row % 7 == 4 || row % 7 == 6; }
#else
#define UK_MULTIPLY_ADD(sum, weights, p) (sum) += UK_BROADCAST(p) * (weights)
UK_INLINE bool is_read_per_vector(const int row) { return row < 0; }
#endif

/* The row that the others are reached from: displacements, and with them instructions, are short. */
UK_INLINE int middle(const int rows) { return rows / 2; }

/* One k of a register tile: the factor of row middle + r is at from + r * 16, each panel's at w. */
UK_INLINE void multiply_step(const int rows, const int panels, const float *from, const float *const w[UK_PANELS], int k,
                             vec sum[UK_ROWS][TILE_VECTORS])
{
    vec b[TILE_VECTORS];
    UK_UNROLL for (int v = 0; v < panels * VECTORS; v++) b[v] = load(w[v / VECTORS] + k * UK_PANEL + v % VECTORS * UK_LANES);
    UK_UNROLL for (int r = 0; r < rows; r++) {
        const float *factor = from + (r - middle(rows)) * 16 + k;
        if (is_read_per_vector(r)) {
            UK_UNROLL for (int v = 0; v < panels * VECTORS; v++) UK_MULTIPLY_ADD(sum[r][v], b[v], factor);
        } else {
            vec x = UK_BROADCAST(factor);
            UK_UNROLL for (int v = 0; v < panels * VECTORS; v++) sum[r][v] += x * b[v];
        }
    }
}

/*
 * A tile of one panel asks for few of the next weights: at once. Where they are asked for bit by bit it is every second line, whose
 * neighbour comes to the second cache with it.
 */
enum { SPREADS_WEIGHTS = UK_PANELS > 1, LINES_APART = 2 };

/*
 * What is asked for while a tile is computed, some every 16 k's: what its end reads and writes, and weights of the next product. A core
 * waits for no more than ten lines or so at once, and all together would hold it up.
 */
typedef struct expected {
    int32_t places, lines;           /* how many of both; of each panel as many lines, LINES_APART from each other */
    const float *place[2 * UK_ROWS]; /* as many lines as a tile is wide */
    int64_t apart[2];                /* from a panel's lines to the next one's: of places 0, 2, ... and of places 1, 3, ... */
    const float *weights[UK_PANELS];
} expected;

/* Asks for some of the `left` places, or lines of weights, that come last; how many are left then. */
UK_INLINE int32_t ask_for(const expected *soon, const bool are_weights, int32_t left, int32_t some)
{
    int32_t end = left > some ? left - some : 0;
    _Pragma("clang loop unroll(disable)") while (left > end)
    {
        left--;
        UK_UNROLL for (int p = 0; p < UK_PANELS; p++)
            __builtin_prefetch(are_weights ? soon->weights[p] + left * LINES_APART * UK_PANEL : soon->place[left] + p * soon->apart[left % 2]);
    }
    return left;
}

/* Sums of a register tile: rows x (panels * 16) of the product over k; `block` floats lead from 16 k's of the rows to the next 16. */
UK_INLINE void multiply_tile(const int rows, const int panels, int32_t k, const float *a, int64_t block, const float *const *weights,
                             const expected *soon, vec sum[UK_ROWS][TILE_VECTORS])
{
    int32_t places = soon ? soon->places : 0, lines = soon && SPREADS_WEIGHTS ? soon->lines : 0;
    /* Without a division: small tiles have places, too. */
    const int32_t some_places = k >= 256 ? 2 : k >= 128 ? 4 : 8, some_lines = lines > 0 ? (16 * lines + k - 1) / k : 0;
    const float *w[UK_PANELS];
    UK_UNROLL for (int p = 0; p < panels; p++) w[p] = weights[p];
    UK_UNROLL for (int r = 0; r < rows; r++)
        UK_UNROLL for (int v = 0; v < panels * VECTORS; v++) sum[r][v] = (vec){};
    a += middle(rows) * 16;
    for (; k >= 16; k -= 16, a += block) {
        if (places > 0) places = ask_for(soon, false, places, some_places);
        if (lines > 0) lines = ask_for(soon, true, lines, some_lines);
        for (const float *step = a; step != a + 16; step += 4) {
            UK_HIDDEN(step); /* or they would be indexed, and a read that is indexed is an instruction of its own */
            UK_UNROLL for (int i = 0; i < 4; i++) multiply_step(rows, panels, step, w, i, sum);
            UK_UNROLL for (int p = 0; p < panels; p++) w[p] += 4 * UK_PANEL;
        }
    }
    for (int i = 0; i < k; i++) multiply_step(rows, panels, a, w, i, sum);
}

/* The product of a tile is stored at `to`, or added to what is there (`add`), or that is finished (`end`); `soon`: NULL for nothing. */
UK_INLINE void tile(const int rows, const int panels, int32_t k, const float *a, int64_t block, const float *const *weights,
                    float *to, int64_t to_stride, bool add, const ending *end, const expected *soon)
{
    vec sum[UK_ROWS][TILE_VECTORS];
    multiply_tile(rows, panels, k, a, block, weights, soon, sum);
    if (add)
        UK_UNROLL for (int r = 0; r < rows; r++)
            UK_UNROLL for (int v = 0; v < panels * VECTORS; v++) sum[r][v] = load(to + r * to_stride + v * UK_LANES) + sum[r][v];
    if (!end) {
        UK_UNROLL for (int r = 0; r < rows; r++)
            UK_UNROLL for (int v = 0; v < panels * VECTORS; v++) store(to + r * to_stride + v * UK_LANES, sum[r][v]);
        return;
    }
    vec floor = floor_of(end->relu);
    UK_UNROLL for (int v = 0; v < panels * VECTORS; v++) {
        vec bias = load(end->bias + v * UK_LANES);
        UK_UNROLL for (int r = 0; r < rows; r++) sum[r][v] += bias;
    }
    if (end->residual)
        UK_UNROLL for (int r = 0; r < rows; r++)
            UK_UNROLL for (int v = 0; v < panels * VECTORS; v++) sum[r][v] += load(end->residual[r] + end->residual_place + place_of_vector(end->residual_apart, v));
    UK_UNROLL for (int r = 0; r < rows; r++)
        UK_UNROLL for (int v = 0; v < panels * VECTORS; v++) store(end->out[r] + end->place + place_of_vector(end->apart, v), at_least(sum[r][v], floor));
}

typedef void tile_function(int32_t k, const float *a, int64_t block, const float *const *weights, float *to,
                           int64_t to_stride, bool add, const ending *end, const expected *soon);

/* X for each height of a register tile. */
#if UK_ROWS >= 14
#define UK_HEIGHTS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#elif UK_ROWS >= 6
#define UK_HEIGHTS(X) X(1) X(2) X(3) X(4) X(5) X(6)
#else
#define UK_HEIGHTS(X) X(1) X(2)
#endif

#define UK_TILE(R, P)                                                                                                  \
    static __attribute__((noinline)) void tile_##R##_##P(int32_t k, const float *a, int64_t block,                     \
                                                         const float *const *weights, float *to, int64_t to_stride,    \
                                                         bool add, const ending *end, const expected *soon)            \
    {                                                                                                                  \
        tile(R, P, k, a, block, weights, to, to_stride, add, end, soon);                                               \
    }
#if UK_PANELS == 2
#define UK_TILES(R) UK_TILE(R, 1) UK_TILE(R, 2)
#define UK_ENTRY(R) {tile_##R##_1, tile_##R##_2},
#else
#define UK_TILES(R) UK_TILE(R, 1)
#define UK_ENTRY(R) {tile_##R##_1},
#endif

UK_HEIGHTS(UK_TILES)

static tile_function *const tiles[UK_ROWS][UK_PANELS] = {UK_HEIGHTS(UK_ENTRY)};

/* A job's rows in tiles of nearly equal height: 64 rows are 13, 13, 13, 13, 12 rather than four of 14 and one of 8. */
typedef struct cut {
    int32_t tiles, height, taller;
} cut;

static cut cut_rows(int32_t rows)
{
    cut c = {.tiles = (rows + UK_ROWS - 1) / UK_ROWS};
    c.height = rows / c.tiles;
    c.taller = rows % c.tiles;
    return c;
}

UK_INLINE int32_t cut_height(const cut *c, int32_t index) { return c->height + (index < c->taller); }

/* Where a row lies among rows that are packed a register tile after another: each tile is [k / 16][row of the tile][16]. */
typedef struct packed_row {
    int64_t offset, block; /* in floats: of its first 16 products; from those to the next 16 */
    int32_t tile, left;    /* its tile; rows that this tile has from it on */
} packed_row;

/* `k` is a multiple of 16. */
UK_INLINE packed_row packed_row_of(const cut *c, int32_t row, int32_t k)
{
    int32_t taller_rows = c->taller * (c->height + 1);
    bool is_taller = row < taller_rows;
    int32_t height = c->height + is_taller, before = is_taller ? 0 : taller_rows;
    int32_t index = (row - before) / height, first = before + index * height;
    return (packed_row){.offset = (int64_t)first * k + (row - first) * 16,
                        .block = height * 16,
                        .tile = index + (is_taller ? 0 : c->taller),
                        .left = first + height - row};
}

/* Of `panels`, those that one register tile takes. */
UK_INLINE int32_t panels_of_tile(int32_t panels) { return panels < UK_PANELS ? panels : UK_PANELS; }

/* Weights of the next product: its panels, and how many of each; no panels: there is none. */
typedef struct next_weights {
    const float *panel[UK_PANELS];
    int32_t panels, products;
} next_weights;

/* Panels that lie together. */
UK_INLINE next_weights weights_from(const float *first, int64_t panel_floats, int32_t panels, int32_t products)
{
    next_weights next = {.panels = panels, .products = products < UK_CHAIN ? products : UK_CHAIN};
    for (int32_t p = 0; p < panels; p++) next.panel[p] = first + p * panel_floats;
    return next;
}

/*
 * Asks for them, a `part` of `parts` with each tile of the product before, of k: the first tile that reads them would wait for the last
 * cache. At once, where they are few; or else while that tile is computed, as what is returned says: no places yet.
 */
UK_INLINE expected expect_weights(const next_weights *next, int32_t part, int32_t parts, int32_t k)
{
    expected soon;
    soon.places = 0;
    int32_t begin = next->products * part / parts, end = next->products * (part + 1) / parts;
    bool are_few = !SPREADS_WEIGHTS || next->panels < UK_PANELS || (end - begin) * UK_PANELS * 8 <= k;
    for (int32_t p = 0; p < next->panels; p++) {
        soon.weights[p] = next->panel[p] + begin * UK_PANEL;
        if (are_few)
            for (int32_t i = begin; i < end; i++) __builtin_prefetch(next->panel[p] + i * UK_PANEL);
    }
    soon.lines = are_few ? 0 : (end - begin) / LINES_APART;
    return soon;
}
