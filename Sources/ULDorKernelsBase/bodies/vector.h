/* Vectors of UK_LANES floats; a panel of UK_PANEL channels is VECTORS of them. */
enum { VECTORS = UK_PANEL / UK_LANES };
typedef float vec __attribute__((vector_size(UK_LANES * 4), aligned(4)));
typedef int32_t vec_bits __attribute__((vector_size(UK_LANES * 4), aligned(4)));

#define UK_INLINE static inline __attribute__((always_inline))
#define UK_UNROLL _Pragma("clang loop unroll(full)")
/* The compiler forgets what it knows of a pointer. */
#define UK_HIDDEN(pointer) __asm__("" : "+r"(pointer))

UK_INLINE vec load(const float *p) { return *(const vec *)p; }
UK_INLINE void store(float *p, vec v) { *(vec *)p = v; }
/* The larger of each; `floor` where x is NaN. ReLU with a floor of 0, nothing much with one of -infinity. */
UK_INLINE vec at_least(vec x, vec floor)
{
    vec_bits larger = x > floor;
    return (vec)(((vec_bits)x & larger) | ((vec_bits)floor & ~larger));
}

UK_INLINE vec floor_of(bool relu) { return (vec){} + (relu ? 0.0f : -INFINITY); }
