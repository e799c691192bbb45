/* The register tile of Strassen's products (strassen.h): what it sums up goes to one quarter of the result or to two. */
typedef enum strassen_way { SETS, ADDS, SUBTRACTS, COMPLETES } strassen_way; /* the last adds, too */

/* What register tiles do with a product: at most two of these. */
typedef struct strassen_target {
    float *to;         /* a quarter's first row; rows TILE_WIDTH apart */
    strassen_way way;
    const ending *end; /* of a quarter that is complete: its first row, too; a row whose `out` is NULL has no pixel */
} strassen_target;

/* Completes a row of a register tile that begins at `row`. */
UK_INLINE void complete_row(const ending *end, int32_t row, const float *to, const vec *sum)
{
    float *out = end->out[row];
    if (!out) return;
    vec floor = floor_of(end->relu);
    UK_UNROLL for (int v = 0; v < TILE_VECTORS; v++) {
        vec x = load(to + v * UK_LANES) + sum[v] + load(end->bias + v * UK_LANES);
        if (end->residual) x += load(end->residual[row] + end->residual_place + place_of_vector(end->residual_apart, v));
        store(out + end->place + place_of_vector(end->apart, v), at_least(x, floor));
    }
}

/* `value`, of r, v and what is `at` the place, to each vector of a quarter's rows. */
#define UK_STORE_ROWS(value)                                \
    UK_UNROLL for (int r = 0; r < rows; r++)                \
        UK_UNROLL for (int v = 0; v < TILE_VECTORS; v++) {  \
            float *at = to + r * TILE_WIDTH + v * UK_LANES; \
            store(at, value);                               \
        }

UK_INLINE void strassen_tile(const int rows, int32_t k, const float *a, int64_t block, const float *const *weights,
                             const strassen_target *targets, int32_t count, int32_t row, const expected *soon)
{
    vec sum[UK_ROWS][TILE_VECTORS];
    multiply_tile(rows, UK_PANELS, k, a, block, weights, soon, sum);
    for (int32_t t = 0; t < count; t++) {
        float *to = targets[t].to + row * TILE_WIDTH;
        switch (targets[t].way) {
        case SETS: UK_STORE_ROWS(sum[r][v]) break;
        case ADDS: UK_STORE_ROWS(load(at) + sum[r][v]) break;
        case SUBTRACTS: UK_STORE_ROWS(load(at) - sum[r][v]) break;
        case COMPLETES:
            UK_UNROLL for (int r = 0; r < rows; r++) complete_row(targets[t].end, row + r, to + r * TILE_WIDTH, sum[r]);
        }
    }
}

#undef UK_STORE_ROWS

typedef void strassen_tile_function(int32_t k, const float *a, int64_t block, const float *const *weights,
                                    const strassen_target *targets, int32_t count, int32_t row, const expected *soon);

#define UK_STRASSEN_TILE(R)                                                                                            \
    static __attribute__((noinline)) void strassen_tile_##R(int32_t k, const float *a, int64_t block,                  \
                                                            const float *const *weights,                               \
                                                            const strassen_target *targets, int32_t count,             \
                                                            int32_t row, const expected *soon)                         \
    {                                                                                                                  \
        strassen_tile(R, k, a, block, weights, targets, count, row, soon);                                             \
    }
#define UK_STRASSEN_ENTRY(R) strassen_tile_##R,

UK_HEIGHTS(UK_STRASSEN_TILE)

static strassen_tile_function *const strassen_tiles[UK_ROWS] = {UK_HEIGHTS(UK_STRASSEN_ENTRY)};
