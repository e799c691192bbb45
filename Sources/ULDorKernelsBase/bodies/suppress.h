/*
 * Greedy non-maximum suppression, torchvision.ops.nms in float32: a candidate against a vector of kept boxes at a time. The
 * kept ones lie coordinate by coordinate: x1, y1, x2, y2, area, each UK_LANES * blocks long.
 */
typedef struct uk_kept {
    float *x1, *y1, *x2, *y2, *area;
} uk_kept;

UK_INLINE vec at_most(vec a, vec b)
{
    vec_bits is_less = (vec_bits)(a < b);
    return (vec)((is_less & (vec_bits)a) | (~is_less & (vec_bits)b));
}

/* Whether any of the lanes is set. */
UK_INLINE bool is_any(vec_bits mask) { return __builtin_reduce_or(mask) != 0; }

static inline bool is_overlapped(const float *box, float area, const uk_kept *kept, int32_t count, float threshold)
{
    const vec zero = {0};
    vec x1 = UK_BROADCAST(box), y1 = UK_BROADCAST(box + 1), x2 = UK_BROADCAST(box + 2), y2 = UK_BROADCAST(box + 3);
    vec own = UK_BROADCAST(&area), limit = UK_BROADCAST(&threshold);
    for (int32_t i = 0; i < count; i += UK_LANES) {
        vec w = at_most(x2, load(kept->x2 + i)) - larger(x1, load(kept->x1 + i));
        vec h = at_most(y2, load(kept->y2 + i)) - larger(y1, load(kept->y1 + i));
        vec intersection = at_least(w, zero) * at_least(h, zero);
        vec both = own + load(kept->area + i);
        vec whole = both - intersection;
        /* Most do not overlap at all; where none does no division is needed. */
        if (!is_any((vec_bits)(intersection > zero))) continue;
        vec part = intersection / whole;
        if (is_any((vec_bits)(part > limit))) return true;
    }
    return false;
}

/* As the table says. */
static int32_t suppress(const uk_exec *exec, const float *boxes, int32_t *order, int32_t count, float threshold, int32_t limit,
                        float *scratch)
{
    int64_t plane = UK_SUPPRESS_PLANE(count < limit ? count : limit);
    uk_kept kept = {scratch, scratch + plane, scratch + 2 * plane, scratch + 3 * plane, scratch + 4 * plane};
    int32_t found = 0;
    for (int32_t place = 0; place < count && found < limit; place++) {
        if (place % 64 == 0 && uk_is_stopping(exec)) return -1;
        const float *box = boxes + (int64_t)order[place] * 4;
        float width = box[2] - box[0], height = box[3] - box[1], area = width * height;
        if (is_overlapped(box, area, &kept, found, threshold)) continue;
        if (found % UK_LANES == 0)
            /* Lanes that are not taken yet: boxes that overlap none. */
            for (int32_t i = found; i < found + UK_LANES; i++) {
                kept.x1[i] = kept.y1[i] = INFINITY;
                kept.x2[i] = kept.y2[i] = -INFINITY;
                kept.area[i] = 1;
            }
        kept.x1[found] = box[0];
        kept.y1[found] = box[1];
        kept.x2[found] = box[2];
        kept.y2[found] = box[3];
        kept.area[found] = area;
        order[found++] = order[place];
    }
    return found;
}
