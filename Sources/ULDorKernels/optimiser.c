#include <math.h>

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

typedef struct adamw_step {
    float *weights, *momentum, *squares;
    const float *gradients;
    int64_t count;
    float factor;
    float old_momentum, new_momentum, old_squares, new_squares; /* parts of the two means */
    float kept, rate, deviation;
} adamw_step;

static void adamw_piece(const void *context, int64_t piece, int32_t worker)
{
    (void)worker;
    const adamw_step *s = context;
    const float *restrict gradients = s->gradients;
    float *restrict weights = s->weights, *restrict momentum = s->momentum, *restrict squares = s->squares;
    float factor = s->factor, old_m = s->old_momentum, new_m = s->new_momentum, old_v = s->old_squares, new_v = s->new_squares;
    float kept = s->kept, rate = s->rate, deviation = s->deviation;
    for (int64_t i = piece * PIECE, end = end_of(piece, s->count); i < end; i++) {
        float d = gradients[i] * factor;
        float m = old_m * momentum[i] + new_m * d;
        float v = old_v * squares[i] + new_v * (d * d);
        momentum[i] = m;
        squares[i] = v;
        weights[i] = kept * weights[i] - rate * m / (sqrtf(v) * deviation + 1e-8f);
    }
}

/* 1 - base^exponent by squaring: pow() differs between C libraries. */
static double missing(double base, int64_t exponent)
{
    double power = 1;
    for (; exponent > 0; exponent >>= 1, base *= base)
        if (exponent & 1) power *= base;
    return 1 - power;
}

int uk_adamw(const uk_exec *exec, float *weights, const float *gradients, float *momentum, float *squares, int64_t count,
             const uk_adamw_rates *r)
{
    adamw_step s = {
        .weights = weights, .momentum = momentum, .squares = squares, .gradients = gradients, .count = count,
        .factor = (float)r->factor,
        /* Differences in double: 1 - 0.999f is off in the fifth digit. */
        .old_momentum = (float)r->momentum, .new_momentum = (float)(1 - r->momentum),
        .old_squares = (float)r->squares, .new_squares = (float)(1 - r->squares),
        .kept = (float)(1 - r->rate * r->decay), .rate = (float)(r->rate / missing(r->momentum, r->step)),
        .deviation = (float)(1 / sqrt(missing(r->squares, r->step)))};
    return uk_parallel_for(exec, pieces(count), adamw_piece, &s);
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
