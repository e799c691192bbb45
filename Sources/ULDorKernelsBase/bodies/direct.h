/*
 * Direct convolution: a job's pixels times panels of weights, UK_CHAIN products of the sum at a time. The pixels' neighbourhoods
 * are packed once for each such piece and used by all of the job's panels, unless they lie like that already.
 */
typedef struct job_pixels {
    const float *origin[UK_MOST_JOB_ROWS]; /* input at tap (0, 0); may lie outside, see `top`, `left` */
    int32_t top[UK_MOST_JOB_ROWS], left[UK_MOST_JOB_ROWS];
    float *out[UK_MOST_JOB_ROWS];
    const float *residual[UK_MOST_JOB_ROWS];
} job_pixels;

static void find_pixels(const uk_conv *conv, int64_t begin, int32_t rows, job_pixels *at)
{
    int64_t per_image = (int64_t)conv->output.height * conv->output.width;
    int64_t n = begin / per_image;
    int32_t y = (int32_t)(begin % per_image / conv->output.width), x = (int32_t)(begin % per_image % conv->output.width);
    for (int32_t r = 0; r < rows; r++) {
        at->top[r] = y * conv->stride - conv->pad;
        at->left[r] = x * conv->stride - conv->pad;
        at->origin[r] = conv->input.data + n * conv->input.image_stride;
        at->out[r] = pixel(&conv->output, n, y, x);
        at->residual[r] = residual_of(conv, n, y, x);
        if (++x < conv->output.width) continue;
        x = 0;
        if (++y < conv->output.height) continue;
        y = 0;
        n++;
    }
}

/* Row r's inputs at a tap; NULL outside of the input. */
UK_INLINE const float *source_of(const uk_conv *conv, const job_pixels *at, int32_t r, int32_t tap_y, int32_t tap_x)
{
    int32_t y = at->top[r] + tap_y, x = at->left[r] + tap_x;
    bool inside = y >= 0 && y < conv->input.height && x >= 0 && x < conv->input.width;
    return inside ? at->origin[r] + y * conv->input.row_stride + x * conv->input.pixel_stride : NULL;
}

/* Floats of one tap: they are few, and the last vector overlaps the one before it. */
UK_INLINE void copy_tap(float *to, const float *from, int32_t count)
{
    if (count < UK_LANES) {
        memcpy(to, from, (size_t)count * sizeof *to);
        return;
    }
    for (int32_t i = 0; i < count - UK_LANES; i += UK_LANES) {
        UK_HIDDEN(from); /* or the loop would become a call, which takes longer */
        store(to + i, load(from + i));
    }
    store(to + count - UK_LANES, load(from + count - UK_LANES));
}

/* Products [first, first + count) of every row, as gemm.h wants them. */
static void pack_rows(const uk_conv *conv, const job_pixels *at, int32_t rows, int32_t first, int32_t count, float *packed)
{
    int32_t channels = conv->channels;
    int64_t group = uk_group_stride(&conv->input);
    bool whole = channels % 16 == 0 && count % 16 == 0;
    int32_t first_y = first / channels / conv->kernel_w, first_x = first / channels % conv->kernel_w;
    for (int32_t r = 0; r < rows; r++) {
        float together[UK_CHAIN + 16];
        int32_t tap_y = first_y, tap_x = first_x, c = first % channels;
        for (int32_t done = 0; done < count; c = 0) {
            int32_t length = channels - c < count - done ? channels - c : count - done;
            const float *source = source_of(conv, at, r, tap_y, tap_x);
            /* Zeros are few, and all alike. */
            int64_t step = source ? group : 0;
            const float *from = source ? source + uk_channel(&conv->input, c) : uk_zeros;
            if (whole) {
                /* A dense map's rows lie far apart; what the hardware has not noticed of a row four further on is asked for here. */
                const float *ahead = from + 4 * conv->stride * conv->input.pixel_stride;
                for (int32_t i = 0; i < length; i += 16) {
                    __builtin_prefetch(ahead + i / 16 * step);
                    float *block = packed + (int64_t)((done + i) / 16 * rows + r) * 16;
                    UK_UNROLL for (int v = 0; v < VECTORS; v++) store(block + v * UK_LANES, load(from + i / 16 * step + v * UK_LANES));
                }
            } else {
                copy_tap(together + done, from, length);
            }
            done += length;
            if (++tap_x == conv->kernel_w) tap_x = 0, tap_y++;
        }
        if (whole) continue;
        memset(together + count, 0, 16 * sizeof *together);
        for (int32_t i = 0; i < count; i += 16) memcpy(packed + (int64_t)(i / 16 * rows + r) * 16, together + i, 64);
    }
}

/* Where panel `panel` of a pixel is written, in floats from the pixel's address; its first output channel. */
UK_INLINE int64_t place_of_panel(const uk_conv *conv, int32_t panel, int32_t *first)
{
    int32_t panels = uk_panels(conv->out_channels);
    bool is_one = conv->places <= 1;
    *first = (is_one ? panel : panel % panels) * UK_PANEL;
    return (is_one ? 0 : conv->place[panel / panels]) + uk_channel(&conv->output, *first);
}

static void finish_tile(const uk_conv *conv, const job_pixels *at, int32_t row, int32_t rows, int32_t panel, int32_t panels,
                        const float *sums, int64_t stride)
{
    for (int32_t p = 0; p < panels; p++, panel++, sums += UK_PANEL) {
        int32_t first;
        int64_t place = place_of_panel(conv, panel, &first);
        int32_t channels = conv->out_channels - first < UK_PANEL ? conv->out_channels - first : UK_PANEL;
        for (int32_t r = 0; r < rows; r++) {
            const float *residual = at->residual[row + r];
            finish(sums + r * stride, conv->bias + panel * UK_PANEL,
                   residual ? residual + uk_channel(&conv->residual, first) : NULL, conv->relu,
                   at->out[row + r] + place, channels);
        }
    }
}

/* Asks for what finish_tile() will read and write, before the tile is computed. */
UK_INLINE void expect_tile(const uk_conv *conv, const job_pixels *at, int32_t row, int32_t rows, int32_t panel, int32_t panels)
{
    for (int32_t p = 0; p < panels; p++) {
        int32_t first;
        int64_t place = place_of_panel(conv, panel + p, &first);
        for (int32_t r = row; r < row + rows; r++) {
            if (at->residual[r]) __builtin_prefetch(at->residual[r] + uk_channel(&conv->residual, first));
            __builtin_prefetch(at->out[r] + place, 1);
        }
    }
}

/* The same of a tile whose panels lie together and which has residuals: there is twice as much. */
UK_INLINE void expect_residuals(const ending *end, int32_t rows, expected *soon)
{
    soon->places = 2 * rows;
    soon->apart[0] = end->residual_apart;
    soon->apart[1] = end->apart;
    for (int32_t r = 0; r < rows; r++) {
        soon->place[2 * r] = end->residual[r] + end->residual_place;
        soon->place[2 * r + 1] = end->out[r] + end->place;
    }
}

/* The end of a tile whose panels are whole and lie together; false for another. */
static bool whole_ending(const uk_conv *conv, const job_pixels *at, int32_t panel, int32_t panels, ending *end)
{
    int32_t first, last;
    int64_t place = place_of_panel(conv, panel, &first), next = place_of_panel(conv, panel + panels - 1, &last);
    int64_t apart = uk_group_stride(&conv->output);
    if (last - first != (panels - 1) * UK_PANEL || next - place != (panels - 1) * apart || last + UK_PANEL > conv->out_channels) return false;
    *end = (ending){.residual = at->residual[0] ? at->residual : NULL,
                    .bias = conv->bias + panel * UK_PANEL,
                    .place = place,
                    .apart = apart,
                    .residual_place = uk_channel(&conv->residual, first),
                    .residual_apart = uk_group_stride(&conv->residual),
                    .relu = conv->relu};
    return true;
}

/* Whether rows lie in the input as pack_rows() would pack them: one pixel of a group after another, one for each of the output's. */
UK_INLINE bool are_packed(const uk_conv *conv)
{
    const uk_map *in = &conv->input, *out = &conv->output;
    return conv->kernel_h == 1 && conv->kernel_w == 1 && conv->stride == 1 && conv->pad == 0 && conv->channels % UK_PANEL == 0 &&
           out->height == in->height && out->width == in->width && in->pixel_stride == UK_PANEL &&
           in->row_stride == (int64_t)UK_PANEL * in->width && in->image_stride == in->row_stride * in->height;
}

/* Output pixels [begin, begin + rows) of panels [panel_begin, panel_end). `scratch` as uk_plan_convolution() says. */
static void direct_job(const uk_exec *exec, const uk_conv *conv, int64_t begin, int32_t rows, int32_t panel_begin,
                       int32_t panel_end, float *scratch)
{
    job_pixels at;
    find_pixels(conv, begin, rows, &at);
    int32_t products = conv->kernel_h * conv->kernel_w * conv->channels;
    bool is_packed = are_packed(conv);
    int64_t block = is_packed ? uk_group_stride(&conv->input) : (int64_t)rows * 16;
    const float *packed = scratch;
    float *sums = scratch + (int64_t)rows * UK_CHAIN;
    float one_tile[UK_ROWS * TILE_WIDTH];
    cut rows_cut = cut_rows(rows);

    for (int32_t first = 0; first < products; first += UK_CHAIN) {
        int32_t count = products - first < UK_CHAIN ? products - first : UK_CHAIN;
        bool is_last = first + count == products;
        if (is_packed) packed = conv->input.data + begin * UK_PANEL + uk_channel(&conv->input, first);
        else pack_rows(conv, &at, rows, first, count, scratch);
        for (int32_t panel = panel_begin; panel < panel_end; panel += UK_PANELS) {
            if (uk_is_stopping(exec)) return;
            int32_t panels = panels_of_tile(panel_end - panel), left = panel_end - panel - panels;
            const float *weights[UK_PANELS];
            for (int32_t p = 0; p < panels; p++) weights[p] = conv->packed + ((int64_t)(panel + p) * products + first) * UK_PANEL;
            next_weights next = weights_from(weights[0] + panels * (int64_t)products * UK_PANEL, (int64_t)products * UK_PANEL,
                                             panels_of_tile(left), count);
            ending end = {0};
            bool is_whole = is_last && whole_ending(conv, &at, panel, panels, &end);
            for (int32_t t = 0, row = 0; t < rows_cut.tiles; t++) {
                int32_t height = cut_height(&rows_cut, t);
                bool is_only = is_last && first == 0;
                /* A tile's sums lie together: rows some KiB apart would fight for the same sets of the nearest cache. */
                int64_t stride = panels * UK_PANEL;
                float *to = is_only ? one_tile : sums + (int64_t)(panel - panel_begin) * UK_PANEL * rows + row * stride;
                ending here = end;
                if (is_whole) {
                    here.out = at.out + row;
                    here.residual = end.residual ? end.residual + row : NULL;
                }
                expected soon = expect_weights(&next, t, rows_cut.tiles, count);
                if (is_whole && here.residual) expect_residuals(&here, height, &soon);
                else if (is_last) expect_tile(conv, &at, row, height, panel, panels);
                tiles[height - 1][panels - 1](count, packed + row * 16, block, weights, to, stride, first > 0,
                                              is_whole ? &here : NULL, &soon);
                if (is_last && !is_whole) finish_tile(conv, &at, row, height, panel, panels, to, stride);
                row += height;
            }
        }
    }
}
