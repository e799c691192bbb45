/* Long arrays are cut into pieces of fixed length, and so are sums over them: nothing depends on the number of threads. */
#ifndef UK_PIECES_H
#define UK_PIECES_H

#include "ULDorKernels.h"

enum { PIECE = 1 << 15 };

static inline int64_t pieces(int64_t count) { return (count + PIECE - 1) / PIECE; }
static inline int64_t end_of(int64_t piece, int64_t count) { return (piece + 1) * PIECE < count ? (piece + 1) * PIECE : count; }

#endif
