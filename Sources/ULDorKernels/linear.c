#include "ULDorKernels.h"

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };
extern void cblas_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
                        const float *b, int ldb, float beta, float *c, int ldc);

/* Large enough that packing does not matter, small enough to give every thread some and to be cancelled between. */
enum { BLOCK_ROWS = 128, BLOCK_COLUMNS = 256 };

static void openblas_product(const float *input, const float *weights, int32_t rows, int32_t columns, int32_t inner,
                             int64_t stride, float *output)
{
    cblas_sgemm(ROW_MAJOR, NO_TRANS, TRANS, rows, columns, inner, 1.0f, input, inner, weights, inner, 0.0f, output,
                (int)stride);
}

typedef struct linear {
    uk_product product;
    const float *input, *weights, *bias;
    float *output;
    int64_t rows, column_blocks;
    int32_t columns, inner;
    bool relu;
} linear;

static void block(const void *context, int64_t index)
{
    const linear *l = context;
    int64_t row = index / l->column_blocks * BLOCK_ROWS;
    int32_t column = (int32_t)(index % l->column_blocks) * BLOCK_COLUMNS;
    int32_t rows = l->rows - row < BLOCK_ROWS ? (int32_t)(l->rows - row) : BLOCK_ROWS;
    int32_t columns = l->columns - column < BLOCK_COLUMNS ? l->columns - column : BLOCK_COLUMNS;
    float *out = l->output + row * l->columns + column;
    l->product(l->input + row * l->inner, l->weights + (int64_t)column * l->inner, rows, columns, l->inner, l->columns, out);
    for (int32_t r = 0; r < rows; r++, out += l->columns)
        for (int32_t c = 0; c < columns; c++) {
            float v = out[c] + l->bias[column + c];
            out[c] = l->relu && !(v > 0) ? 0 : v;
        }
}

int uk_linear(const uk_exec *exec, const uk_table *table, const float *input, const float *weights, const float *bias, int64_t rows,
              int32_t columns, int32_t inner, bool relu, float *output)
{
    linear l = {table->product ? table->product : openblas_product, input, weights, bias, output, rows,
                (columns + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS, columns, inner, relu};
    return uk_parallel_for(exec, (rows + BLOCK_ROWS - 1) / BLOCK_ROWS * l.column_blocks, block, &l);
}
