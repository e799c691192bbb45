#include "pieces.h"

typedef struct step {
    float *weights, *momentum;
    const float *gradients;
    int64_t count;
    float rate, momentum_factor, decay, factor;
} step;

static void step_piece(const void *context, int64_t piece, int32_t worker)
{
    (void)worker;
    const step *s = context;
    const float *restrict gradients = s->gradients;
    float *restrict weights = s->weights, *restrict momentum = s->momentum;
    float rate = s->rate, kept = s->momentum_factor, decay = s->decay, factor = s->factor;
    for (int64_t i = piece * PIECE, end = end_of(piece, s->count); i < end; i++) {
        float d = gradients[i] * factor + decay * weights[i];
        float m = kept * momentum[i] + d;
        momentum[i] = m;
        weights[i] -= rate * m;
    }
}

int uk_sgd(const uk_exec *exec, float *weights, const float *gradients, float *momentum, int64_t count, float rate,
           float momentum_factor, float decay, float factor)
{
    step s = {weights, momentum, gradients, count, rate, momentum_factor, decay, factor};
    return uk_parallel_for(exec, pieces(count), step_piece, &s);
}

typedef struct squares {
    const float *values;
    double *sums;
    int64_t count;
} squares;

static void square_piece(const void *context, int64_t piece, int32_t worker)
{
    (void)worker;
    const squares *s = context;
    double sum = 0;
    for (int64_t i = piece * PIECE, end = end_of(piece, s->count); i < end; i++) sum += (double)s->values[i] * s->values[i];
    s->sums[piece] = sum;
}

int64_t uk_sum_squares_doubles(int64_t count) { return pieces(count); }

int uk_sum_squares(const uk_exec *exec, const float *values, int64_t count, double *scratch, double *sum)
{
    squares s = {values, scratch, count};
    int status = uk_parallel_for(exec, pieces(count), square_piece, &s);
    if (status != UK_OK) return status;
    *sum = 0;
    for (int64_t i = 0; i < pieces(count); i++) *sum += scratch[i];
    return UK_OK;
}
