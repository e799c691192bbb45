/*
 * The one matrix product: a block of rows times panels of weights. Rows are packed [k / 16][row][16], so that every row
 * of a tile is a constant away from the first and one pointer reaches them all; weights are [k][UK_PANEL] a panel.
 * A direct convolution packs its pixels' neighbourhoods like this, Winograd writes its transformed tiles like this.
 */
enum { TILE_VECTORS = UK_PANELS * VECTORS, TILE_WIDTH = UK_PANELS * UK_PANEL };

/* What becomes of the sums of whole panels: row r is written at out[r] + place, plus bias and residual[r] + first. */
typedef struct ending {
    float *const *out;
    const float *const *residual; /* NULL: none */
    const float *bias;
    int64_t place, first;
    bool relu;
} ending;

/* Sums of a register tile: rows x (panels * 16) of the product over k; `block` floats lead from 16 k's of the rows to the next 16. */
UK_INLINE void multiply_tile(const int rows, const int panels, int32_t k, const float *a, int64_t block, const float *const *weights,
                             vec sum[UK_ROWS][TILE_VECTORS])
{
    const float *w[UK_PANELS];
    UK_UNROLL for (int p = 0; p < panels; p++) w[p] = weights[p];
    UK_UNROLL for (int r = 0; r < rows; r++)
        UK_UNROLL for (int v = 0; v < panels * VECTORS; v++) sum[r][v] = (vec){};
#define UK_STEP(i)                                                                                                       \
    {                                                                                                                    \
        vec b[TILE_VECTORS];                                                                                             \
        UK_UNROLL for (int v = 0; v < panels * VECTORS; v++)                                                             \
            b[v] = load(w[v / VECTORS] + (i) * UK_PANEL + v % VECTORS * UK_LANES);                                       \
        UK_UNROLL for (int r = 0; r < rows; r++)                                                                         \
        {                                                                                                                \
            vec x = UK_BROADCAST(a + r * 16 + (i));                                                                      \
            UK_UNROLL for (int v = 0; v < panels * VECTORS; v++) sum[r][v] += x * b[v];                                  \
        }                                                                                                                \
    }
    for (; k >= 16; k -= 16, a += block) {
        _Pragma("clang loop unroll_count(4)") for (int i = 0; i < 16; i++) UK_STEP(i)
        UK_UNROLL for (int p = 0; p < panels; p++) w[p] += 16 * UK_PANEL;
    }
    for (int i = 0; i < k; i++) UK_STEP(i)
#undef UK_STEP
}

/* The product of a tile is stored at `to`, or added to what is there (`add`), or that is finished (`end`). */
UK_INLINE void tile(const int rows, const int panels, int32_t k, const float *a, int64_t block, const float *const *weights,
                    float *to, int64_t to_stride, bool add, const ending *end)
{
    vec sum[UK_ROWS][TILE_VECTORS];
    multiply_tile(rows, panels, k, a, block, weights, sum);
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
            UK_UNROLL for (int v = 0; v < panels * VECTORS; v++) sum[r][v] += load(end->residual[r] + end->first + v * UK_LANES);
    UK_UNROLL for (int r = 0; r < rows; r++)
        UK_UNROLL for (int v = 0; v < panels * VECTORS; v++) store(end->out[r] + end->place + v * UK_LANES, at_least(sum[r][v], floor));
}

typedef void tile_function(int32_t k, const float *a, int64_t block, const float *const *weights, float *to,
                           int64_t to_stride, bool add, const ending *end);

/* X for each height of a register tile. */
#if UK_ROWS >= 14
#define UK_HEIGHTS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#elif UK_ROWS >= 6
#define UK_HEIGHTS(X) X(1) X(2) X(3) X(4) X(5) X(6)
#else
#define UK_HEIGHTS(X) X(1) X(2)
#endif

#define UK_TILE(R, P)                                                                                                   \
    static __attribute__((noinline)) void tile_##R##_##P(int32_t k, const float *a, int64_t block,                     \
                                                         const float *const *weights, float *to, int64_t to_stride,    \
                                                         bool add, const ending *end)                                  \
    {                                                                                                                  \
        tile(R, P, k, a, block, weights, to, to_stride, add, end);                                                        \
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

/* Of `panels`, those that one register tile takes. */
UK_INLINE int32_t panels_of_tile(int32_t panels) { return panels < UK_PANELS ? panels : UK_PANELS; }

/* Weights of the next product: its panels, and how many of each; NULL: there is none. */
typedef struct next_weights {
    const float *weights;
    int32_t panels, products;
} next_weights;

/*
 * Asks for them, a `part` of `parts` while each tile of the product before is computed: the first tile that reads them would wait for
 * the last cache.
 */
UK_INLINE void expect_weights(next_weights next, int64_t panel_floats, int32_t part, int32_t parts)
{
    if (!next.weights) return;
    int32_t k = next.products < UK_CHAIN ? next.products : UK_CHAIN, end = k * (part + 1) / parts;
    for (int32_t p = 0; p < next.panels; p++)
        for (int32_t i = k * part / parts; i < end; i++) __builtin_prefetch(next.weights + p * panel_floats + i * UK_PANEL);
}
