#include "integers.h"

uk_blocks uk_equal_blocks(int64_t tiles, int64_t count) { return (uk_blocks){.tiles = tiles, .count = (int32_t)count}; }

/* Tiles of each block of a round that has `left` before it. */
static int64_t tiles_of_block(const uk_blocks *b, int64_t left)
{
    return least(most(up(2 * left, 3 * (int64_t)b->round), b->least), b->most);
}

/* The first rounds, whose blocks are as large as they may be. */
static int64_t largest_rounds(const uk_blocks *b)
{
    int64_t round = (int64_t)b->round * b->most, enough = 3 * (round - b->round) / 2;
    return b->tiles > enough ? least(up(b->tiles - enough, round), b->tiles / round) : 0;
}

uk_blocks uk_shrinking_blocks(int64_t tiles, int32_t most_tiles, int32_t least_tiles, int32_t threads)
{
    uk_blocks b = {.tiles = tiles, .most = most_tiles, .least = least_tiles, .round = threads};
    int64_t count = largest_rounds(&b) * threads;
    for (int64_t left = tiles - count * most_tiles; left > 0;) {
        int64_t size = tiles_of_block(&b, left), blocks = least(threads, up(left, size));
        count += blocks;
        left -= blocks * size;
    }
    b.count = (int32_t)count;
    return b;
}

int64_t uk_block_begin(const uk_blocks *b, int64_t index)
{
    if (b->round == 0) return b->count > 0 ? b->tiles * index / b->count : 0;
    int64_t blocks = least(largest_rounds(b) * b->round, index), begin = blocks * b->most;
    for (index -= blocks; index > 0 && begin < b->tiles; index -= blocks) {
        int64_t size = tiles_of_block(b, b->tiles - begin);
        blocks = least(b->round, index);
        begin += blocks * size;
    }
    return least(begin, b->tiles);
}
