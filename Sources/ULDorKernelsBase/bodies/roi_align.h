/* torchvision.ops.roi_align of one region, all channels of a sample at a time. */
/* One bilinear sample's four neighbours and weights; false where the point is outside (or NaN) and counts as zero. */
static inline bool bilinear(float y, float x, int32_t height, int32_t width, int64_t offset[4], float weight[4])
{
    if (!(y >= -1.0f && y <= (float)height && x >= -1.0f && x <= (float)width)) return false;
    y = y > 0 ? y : 0;
    x = x > 0 ? x : 0;
    int32_t y_low = (int32_t)y, x_low = (int32_t)x, y_high, x_high;
    if (y_low >= height - 1) { y_high = y_low = height - 1; y = (float)y_low; } else y_high = y_low + 1;
    if (x_low >= width - 1) { x_high = x_low = width - 1; x = (float)x_low; } else x_high = x_low + 1;
    float ly = y - (float)y_low, lx = x - (float)x_low, hy = 1.0f - ly, hx = 1.0f - lx;
    offset[0] = (int64_t)y_low * width + x_low;  weight[0] = hy * hx;
    offset[1] = (int64_t)y_low * width + x_high; weight[1] = hy * lx;
    offset[2] = (int64_t)y_high * width + x_low; weight[2] = ly * hx;
    offset[3] = (int64_t)y_high * width + x_high; weight[3] = ly * lx;
    return true;
}

static void roi_align(const uk_roi *roi, float *output)
{
    float shift = roi->aligned ? 0.5f : 0.0f;
    float x1 = roi->box[0] * roi->spatial_scale - shift, y1 = roi->box[1] * roi->spatial_scale - shift;
    float w = roi->box[2] * roi->spatial_scale - shift - x1, h = roi->box[3] * roi->spatial_scale - shift - y1;
    if (!roi->aligned) {
        w = w > 1.0f ? w : 1.0f;
        h = h > 1.0f ? h : 1.0f;
    }
    float bin_h = h / (float)roi->pooled, bin_w = w / (float)roi->pooled;
    /* The caller clips boxes to the image, so an adaptive grid is bounded by the map's size. */
    int32_t grid_h = roi->sampling_ratio > 0 ? roi->sampling_ratio : (int32_t)ceilf(bin_h);
    int32_t grid_w = roi->sampling_ratio > 0 ? roi->sampling_ratio : (int32_t)ceilf(bin_w);
    float count = (float)(grid_h * grid_w > 1 ? grid_h * grid_w : 1);
    int32_t channels = roi->channels;

    for (int32_t py = 0; py < roi->pooled; py++)
        for (int32_t px = 0; px < roi->pooled; px++, output += channels) {
            memset(output, 0, (size_t)channels * sizeof *output);
            for (int32_t iy = 0; iy < grid_h; iy++) {
                float y = y1 + (float)py * bin_h + ((float)iy + 0.5f) * bin_h / (float)grid_h;
                for (int32_t ix = 0; ix < grid_w; ix++) {
                    float x = x1 + (float)px * bin_w + ((float)ix + 0.5f) * bin_w / (float)grid_w;
                    int64_t o[4];
                    float k[4];
                    if (!bilinear(y, x, roi->height, roi->width, o, k)) continue;
                    const float *restrict a = roi->features + o[0] * channels, *restrict b = roi->features + o[1] * channels;
                    const float *restrict c = roi->features + o[2] * channels, *restrict d = roi->features + o[3] * channels;
                    for (int32_t i = 0; i < channels; i++)
                        output[i] += k[0] * a[i] + k[1] * b[i] + k[2] * c[i] + k[3] * d[i];
                }
            }
            for (int32_t i = 0; i < channels; i++) output[i] /= count;
        }
}
