/* Vectors of UK_LANES floats; a panel of UK_PANEL channels is VECTORS of them. */
enum { VECTORS = UK_PANEL / UK_LANES };
typedef float vec __attribute__((vector_size(UK_LANES * 4), aligned(4)));
typedef int32_t vec_bits __attribute__((vector_size(UK_LANES * 4), aligned(4)));

#define UK_INLINE static inline __attribute__((always_inline))
#define UK_UNROLL _Pragma("clang loop unroll(full)")

UK_INLINE vec load(const float *p) { return *(const vec *)p; }
UK_INLINE void store(float *p, vec v) { *(vec *)p = v; }
/* ReLU; NaN becomes 0. */
UK_INLINE vec zero_or_more(vec v) { return (vec)((vec_bits)v & (v > 0)); }
