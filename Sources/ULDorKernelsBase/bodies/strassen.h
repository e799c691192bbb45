/*
 * A matrix product of seven eighths of the multiplications (Strassen 1969), one level: rows, products and panels are halved, and seven
 * products of sums of quarters take the place of eight of quarters. As in Huang et al. 2016 the sums of rows are made where rows are
 * packed, and what a product adds to which quarter of the result happens in registers. A row's partner is its neighbour: what
 * becomes of a pair depends on nothing else.
 */
enum { UK_QUARTERS = 4 };

/* Where a product goes: quarter = 2 * (is it the odd rows'?) + (is it the right panels'?). */
typedef struct strassen_share {
    int32_t quarter; /* less than 0: none */
    strassen_way way;
} strassen_share;

/*
 * With rows' quarters a (even rows, first half of the products), b (even, second), c (odd, first), d (odd, second), and those of the
 * weights likewise (first half and left, first and right, second and left, second and right), in this order:
 */
static const strassen_share strassen_shares[UK_STRASSEN_PRODUCTS][2] = {
    {{0, SETS}, {3, SETS}},           /* (a + d) (A + D) */
    {{2, SETS}, {3, SUBTRACTS}},      /* (c + d) A */
    {{1, SETS}, {3, ADDS}},           /* a (B - D) */
    {{0, ADDS}, {2, COMPLETES}},      /* d (C - A) */
    {{0, SUBTRACTS}, {1, COMPLETES}}, /* (a + b) D */
    {{3, COMPLETES}, {-1, ADDS}},     /* (c - a) (A + B) */
    {{0, COMPLETES}, {-1, ADDS}},     /* (b - d) (C + D) */
};
/* Which of strassen_sum_weights()'s sums a product has, or A or D as they are. */
enum { WEIGHTS_A = -1, WEIGHTS_D = -2 };
static const int8_t strassen_weights[UK_STRASSEN_PRODUCTS] = {0, WEIGHTS_A, 1, 2, WEIGHTS_D, 3, 4};

/* The same of one panel's two halves and its partner's. */
static void strassen_sum_weights(const float *left, const float *right, int32_t half, float *to)
{
    int64_t count = (int64_t)half * UK_PANEL;
    for (int64_t i = 0; i < count; i += UK_LANES) {
        vec a = load(left + i), c = load(left + count + i), b = load(right + i), d = load(right + count + i);
        store(to + i, a + d);
        store(to + count + i, b - d);
        store(to + 2 * count + i, c - a);
        store(to + 3 * count + i, a + b);
        store(to + 4 * count + i, c + d);
    }
}

/* Even pixels of [2 * begin, 2 * (begin + pairs)), then their odd neighbours; where the last is not there, its partner stands in for it. */
static void find_pairs(const uk_conv *conv, int64_t begin, int32_t pairs, job_pixels *at)
{
    job_pixels all;
    int64_t pixels = (int64_t)conv->batch * conv->output.height * conv->output.width;
    int32_t there = 2 * (begin + pairs) > pixels ? 2 * pairs - 1 : 2 * pairs;
    find_pixels(conv, 2 * begin, there, &all);
    for (int32_t r = 0; r < 2 * pairs; r++) {
        int32_t to = r % 2 * pairs + r / 2;
        bool is_there = r < there;
        at->origin[to] = source_of(conv, &all, is_there ? r : r - 1, 0, 0);
        at->out[to] = is_there ? all.out[r] : NULL;
        at->residual[to] = is_there ? all.residual[r] : NULL;
    }
}

/* Both halves of products [first, first + 2 * half) of a job's rows to the seven factors, each as gemm.h wants it. */
static void pack_pairs(const uk_conv *conv, const job_pixels *at, int32_t pairs, int32_t first, int32_t half, float *packed)
{
    int64_t plane = (int64_t)pairs * half, group = uk_group_stride(&conv->input), second = half / 16 * group;
    int64_t from = uk_channel(&conv->input, first);
    for (int32_t r = 0; r < pairs; r++) {
        const float *even = at->origin[r] + from, *odd = at->origin[pairs + r] + from;
        /* A dense map's rows lie far apart: what the hardware has not noticed of the next pair but one is asked for here. */
        int32_t next = r + 2 < pairs ? r + 2 : r;
        const float *next_even = at->origin[next] + from, *next_odd = at->origin[pairs + next] + from;
        for (int32_t i = 0; i < half; i += 16) {
            int64_t group_at = i / 16 * group;
            __builtin_prefetch(next_even + group_at), __builtin_prefetch(next_even + second + group_at);
            __builtin_prefetch(next_odd + group_at), __builtin_prefetch(next_odd + second + group_at);
            float *to = packed + ((int64_t)i / 16 * pairs + r) * 16;
            UK_UNROLL for (int v = 0; v < VECTORS; v++, to += UK_LANES) {
                int64_t k = group_at + v * UK_LANES;
                vec a = load(even + k), b = load(even + second + k), c = load(odd + k), d = load(odd + second + k);
                store(to, a + d);
                store(to + plane, c + d);
                store(to + 2 * plane, a);
                store(to + 3 * plane, d);
                store(to + 4 * plane, a + b);
                store(to + 5 * plane, c - a);
                store(to + 6 * plane, b - d);
            }
        }
    }
}

/* Weights of product `m` for the register tile that begins at panel `panel` of the left half. */
UK_INLINE void strassen_panels(const uk_conv *conv, const uk_strassen_pass *pass, int32_t panel, int32_t first, int32_t half, int m,
                               const float **weights)
{
    int64_t products = uk_products(conv);
    int32_t partner = uk_all_panels(conv) / 2;
    for (int32_t p = panel; p < panel + UK_PANELS; p++) {
        int8_t which = strassen_weights[m];
        *weights++ = which == WEIGHTS_A   ? conv->packed + (p * products + first) * UK_PANEL
                     : which == WEIGHTS_D ? conv->packed + ((p + partner) * products + first + half) * UK_PANEL
                                          : uk_summed_weights(conv, pass, first, p) + which * (int64_t)half * UK_PANEL;
    }
}

/* What a job is at: `half` products from `first` on and as many after them, the register tile of panels that begins at `panel`. */
typedef struct strassen_piece {
    int32_t pairs, first, half, panel;
    bool is_first, is_last; /* of all products */
    float *sums;            /* four quarters, pairs x TILE_WIDTH each */
    ending ends[UK_QUARTERS];
} strassen_piece;

/* The end of a quarter's panels, its first row. */
UK_INLINE void find_ending(const uk_conv *conv, const job_pixels *at, const strassen_piece *piece, int quarter, ending *end)
{
    whole_ending(conv, at, piece->panel + quarter % 2 * (uk_all_panels(conv) / 2), UK_PANELS, end);
    int32_t row = quarter / 2 * piece->pairs;
    end->out = at->out + row;
    if (end->residual) end->residual = at->residual + row;
}

/* Where product m goes. */
UK_INLINE int32_t find_targets(const strassen_piece *piece, int m, strassen_target *targets)
{
    int32_t count = 0;
    for (; count < 2 && strassen_shares[m][count].quarter >= 0; count++) {
        int32_t quarter = strassen_shares[m][count].quarter;
        strassen_way way = strassen_shares[m][count].way;
        if (way == SETS && !piece->is_first) way = ADDS;
        if (way == COMPLETES && !piece->is_last) way = ADDS;
        targets[count] = (strassen_target){piece->sums + quarter * (int64_t)piece->pairs * TILE_WIDTH, way, &piece->ends[quarter]};
    }
    return count;
}

/* Asks for what the completion of rows [row, row + rows) will read and write. */
UK_INLINE void expect_rows(const ending *end, int32_t row, int32_t rows)
{
    for (int32_t r = row; r < row + rows && end->out[r]; r++)
        for (int32_t p = 0; p < UK_PANELS; p++) {
            __builtin_prefetch(end->out[r] + end->place + p * end->apart, 1);
            if (end->residual) __builtin_prefetch(end->residual[r] + end->residual_place + p * end->residual_apart);
        }
}

/* Product m of a piece; `next`: weights of the one after it. */
UK_INLINE void multiply_quarters(const uk_conv *conv, const uk_strassen_pass *pass, const strassen_piece *piece, const cut *rows_cut,
                                 int m, const float *packed, const next_weights *next)
{
    const float *weights[UK_PANELS];
    strassen_panels(conv, pass, piece->panel, piece->first, piece->half, m, weights);
    const float *rows = packed + m * (int64_t)piece->pairs * piece->half;
    strassen_target targets[2];
    int32_t count = find_targets(piece, m, targets);
    for (int32_t t = 0, row = 0; t < rows_cut->tiles; t++) {
        int32_t height = cut_height(rows_cut, t);
        for (int32_t i = 0; i < count; i++)
            if (targets[i].way == COMPLETES) expect_rows(targets[i].end, row, height);
        expected soon = expect_weights(next, t, rows_cut->tiles, piece->half);
        strassen_tiles[height - 1](piece->half, rows + row * 16, (int64_t)piece->pairs * 16, weights, targets, count, row, &soon);
        row += height;
    }
}

/* Pairs of output pixels [begin, begin + pairs), the products of a pass. `scratch` as uk_plan_convolution() says. */
static void strassen_job(const uk_exec *exec, const uk_conv *conv, const uk_strassen_pass *pass, int64_t begin, int32_t pairs,
                         float *scratch)
{
    job_pixels at;
    find_pairs(conv, begin, pairs, &at);
    int32_t panels = uk_all_panels(conv) / 2, end = pass->first + pass->count;
    float *packed = scratch, *local = packed + UK_STRASSEN_PACKED(pairs);
    float *kept = pass->sums ? pass->sums + begin * UK_QUARTERS * panels * UK_PANEL : local;
    cut rows_cut = cut_rows(pairs);

    strassen_piece piece = {.pairs = pairs, .first = pass->first};
    for (; piece.first < end; piece.first += 2 * piece.half) {
        piece.half = uk_strassen_half(pass, piece.first);
        piece.is_first = piece.first == 0;
        piece.is_last = piece.first + 2 * piece.half == uk_products(conv);
        pack_pairs(conv, &at, pairs, piece.first, piece.half, packed);
        for (piece.panel = 0; piece.panel < panels; piece.panel += UK_PANELS) {
            if (uk_is_stopping(exec)) return;
            piece.sums = piece.is_first && piece.is_last ? local : kept + (int64_t)piece.panel * UK_PANEL * UK_QUARTERS * pairs;
            for (int q = 0; q < UK_QUARTERS && piece.is_last; q++) find_ending(conv, &at, &piece, q, &piece.ends[q]);
            for (int m = 0; m < UK_STRASSEN_PRODUCTS; m++) {
                int32_t next_panel = m + 1 < UK_STRASSEN_PRODUCTS ? piece.panel : piece.panel + UK_PANELS;
                next_weights next = {.panels = next_panel < panels ? UK_PANELS : 0, .products = piece.half};
                if (next.panels > 0)
                    strassen_panels(conv, pass, next_panel, piece.first, piece.half, (m + 1) % UK_STRASSEN_PRODUCTS, next.panel);
                multiply_quarters(conv, pass, &piece, &rows_cut, m, packed, &next);
            }
        }
    }
}
