/* Where a convolution's Winograd tiles lie, what the map's edges leave of each, and which rows of a block they become. */

typedef struct place {
    int64_t n;
    int32_t y, x;
} place;

/* Top left output pixel of a tile. */
UK_INLINE place place_of(const int side, const uk_conv *conv, int64_t tile_index)
{
    int64_t across = (conv->output.width + side - 1) / side, down = (conv->output.height + side - 1) / side;
    return (place){tile_index / (across * down), (int32_t)(tile_index / across % down) * side, (int32_t)(tile_index % across) * side};
}

/* The tile after it. */
UK_INLINE place place_after(const int side, const uk_conv *conv, place at)
{
    at.x += side;
    if (at.x < conv->output.width) return at;
    at.x = 0;
    at.y += side;
    if (at.y < conv->output.height) return at;
    return (place){at.n + 1, 0, 0};
}

/* Input pixels of a tile, [y][x]. */
typedef struct tile_inputs {
    const float *from[36];  /* uk_zeros outside of the input */
    const float *ahead[36]; /* to ask for: the tile's first output pixel, which is inside, in the place of zeros, which do not lie in groups */
    bool has_zeros;
} tile_inputs;

UK_INLINE void find_tile(const int side, const uk_conv *conv, place at, tile_inputs *tile)
{
    const float *first = pixel(&conv->input, at.n, at.y, at.x);
    tile->has_zeros = false;
    for (int32_t y = 0; y < side + 2; y++)
        for (int32_t x = 0; x < side + 2; x++) {
            int32_t iy = at.y - 1 + y, ix = at.x - 1 + x;
            bool inside = iy >= 0 && iy < conv->input.height && ix >= 0 && ix < conv->input.width;
            const float *there = inside ? pixel(&conv->input, at.n, iy, ix) : NULL;
            tile->from[y * (side + 2) + x] = there ? there : uk_zeros;
            tile->ahead[y * (side + 2) + x] = there ? there : first;
            tile->has_zeros |= !inside;
        }
}

/*
 * Tiles by the edges that they are short at (winograd_edges.h). A block's rows are its tiles in this order: so those that have a place
 * follow each other, whether short widths, short heights, both or neither are without it.
 */
enum tile_kind { SHORT_WIDTH, WHOLE, SHORT_HEIGHT, SHORT_BOTH, TILE_KINDS };

typedef struct tile_shape {
    enum tile_kind kind;
    int32_t height, width; /* of its output */
} tile_shape;

UK_INLINE tile_shape shape_at(const int side, const uk_conv *conv, place at)
{
    if (side != 4) return (tile_shape){WHOLE, side, side};
    int32_t height = conv->output.height - at.y, width = conv->output.width - at.x;
    enum tile_kind kind = height < side ? (width < side ? SHORT_BOTH : SHORT_HEIGHT) : (width < side ? SHORT_WIDTH : WHOLE);
    return (tile_shape){kind, height < side ? height : side, width < side ? width : side};
}

/* First row of each kind; the last is how many rows there are. */
typedef struct tile_rows {
    int32_t first[TILE_KINDS + 1];
} tile_rows;

UK_INLINE tile_rows order_tiles(const int side, const uk_conv *conv, int64_t begin, int32_t count)
{
    tile_rows rows = {{0}};
    place at = place_of(side, conv, begin);
    for (int32_t t = 0; t < count; t++, at = place_after(side, conv, at)) rows.first[shape_at(side, conv, at).kind + 1]++;
    for (int kind = 0; kind < TILE_KINDS; kind++) rows.first[kind + 1] += rows.first[kind];
    return rows;
}

/* Rows [begin, end) of the tiles that have a place. */
typedef struct row_range {
    int32_t begin, end;
} row_range;

UK_INLINE row_range rows_at(const int side, const uk_conv *conv, const tile_rows *rows, int32_t point)
{
    bool in_width = side != 4 || has_point(conv->output.width % 4, point % 6);
    bool in_height = side != 4 || has_point(conv->output.height % 4, point / 6);
    return (row_range){in_width ? 0 : rows->first[WHOLE],
                       rows->first[!in_height ? SHORT_HEIGHT : !in_width ? SHORT_BOTH : TILE_KINDS]};
}
