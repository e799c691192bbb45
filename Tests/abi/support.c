/* support.c - see support.h */
#define _GNU_SOURCE
#include "support.h"

int message_names(const char *message, const char *alternatives) {
    char copy[512];
    if (!message || !*message || strchr(message, '\n')) return 0;
    snprintf(copy, sizeof copy, "%s", alternatives);
    for (char *save = NULL, *word = strtok_r(copy, "|", &save); word; word = strtok_r(NULL, "|", &save))
        if (strcasestr(message, word)) return 1;
    return 0;
}

uint32_t random_next(uint32_t *state) {
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

uint8_t *read_file(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        printf("cannot open %s\n", path);
        exit(2);
    }
    fseek(file, 0, SEEK_END);
    *bytes = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(*bytes + 1);
    if (!data || fread(data, 1, *bytes, file) != *bytes) exit(2);
    data[*bytes] = 0;
    fclose(file);
    return data;
}

const char *fixture_path(void) {
    const char *path = getenv("ULDOR_FIXTURE");
    return path ? path : "../fixtures/tiny_2class.safetensors";
}

void open_fixture(uldor_model **model, uldor_session **session, int32_t threads) {
    uldor_session_options options = eager_options();
    options.threads = threads;
    if (uldor_model_load_file(fixture_path(), NULL, model) < 0 ||
        (session && uldor_session_create(*model, &options, session) < 0)) {
        printf("cannot open the fixture: %s\n", uldor_last_error());
        exit(2);
    }
}

uldor_session_options eager_options(void) {
    uldor_session_options options;
    if (uldor_session_options_init(&options, sizeof options) < 0) exit(2);
    options.score_threshold = 0;
    options.detections = 10;
    options.threads = 1;
    return options;
}

void draw_slice(int16_t *pixels, int width, int height) {
    double cx = width * 0.5, cy = height * 0.5;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            double dx = (x + 0.5 - cx) / (0.45 * width), dy = (y + 0.5 - cy) / (0.4 * height);
            double lx = (x + 0.5 - 0.6 * width) / (0.12 * width), ly = (y + 0.5 - 0.45 * height) / (0.1 * height);
            double hu = dx * dx + dy * dy > 1 ? -1000 : lx * lx + ly * ly < 1 ? 150 : 40 + (x * 7 + y * 13) % 11;
            pixels[(size_t)y * (size_t)width + (size_t)x] = (int16_t)hu;
        }
}

uldor_image slice_image(const int16_t *pixels, int width, int height) {
    uldor_image image;
    if (uldor_image_init(&image, sizeof image) < 0) exit(2);
    image.type = ULDOR_INT16;
    image.width = width;
    image.height = height;
    image.data = pixels;
    image.data_bytes = (size_t)width * (size_t)height * 2;
    image.spacing_x_mm = image.spacing_y_mm = 0.8;
    return image;
}

float *draw_tensor(int32_t channels, int32_t height, int32_t width) {
    size_t count = (size_t)channels * (size_t)height * (size_t)width;
    float *tensor = malloc(count * sizeof *tensor);
    uint32_t state = 12345;
    if (!tensor) exit(2);
    for (size_t i = 0; i < count; i++) tensor[i] = (float)(random_next(&state) >> 8) * (2.0f / 16777216) - 1;
    return tensor;
}

static uint64_t mix(uint64_t digest, const void *data, size_t bytes) {
    const uint8_t *p = data;
    for (size_t i = 0; i < bytes; i++) digest = (digest ^ p[i]) * 1099511628211u;
    return digest;
}

uint64_t result_digest(const uldor_result *result) {
    uldor_result_info info = {.struct_size = sizeof info};
    uint64_t digest = 14695981039346656037u;
    if (uldor_result_get_info(result, &info) < 0) return 0;
    digest = mix(digest, &info, sizeof info);
    size_t area = (size_t)info.width * (size_t)info.height;
    uint8_t *mask = malloc(area);
    for (int32_t i = 0; i < info.count && mask; i++) {
        uldor_detection d;
        memset(&d, 0, sizeof d);
        d.struct_size = sizeof d;
        if (uldor_result_get(result, i, &d) < 0 || uldor_result_get_mask(result, i, mask, area, 0) < 0) return 0;
        digest = mix(mix(digest, &d, sizeof d), mask, area);
    }
    free(mask);
    return digest;
}

/* ------------------------------------------------------------------------------------------------- meter */

/* Volatile: a compiler that knows posix_memalign() may think that nobody reads it meanwhile. */
_Thread_local volatile int meter_inside;

/* Before each block: its size and alignment, and a canary that ends right before the bytes that the library gets. */
struct block {
    void *base;
    size_t bytes;
    uint64_t canary;
};
static const uint64_t canary_live = 0x1d0c0ffee0ddba11, canary_dead = 0xdeadbeefdeadbeef;

static void *meter_allocate(void *user, size_t bytes, size_t alignment) {
    struct meter *meter = user;
    if (!bytes || !alignment || alignment > 4096 || (alignment & (alignment - 1)))
        __atomic_fetch_add(&meter->misused, 1, __ATOMIC_RELAXED);
    long number = __atomic_add_fetch(&meter->allocations, 1, __ATOMIC_RELAXED);
    if (number == __atomic_load_n(&meter->fail_at, __ATOMIC_RELAXED)) return NULL;
    if (bytes > SIZE_MAX / 4) return NULL;
    if (alignment < sizeof(struct block)) alignment = sizeof(struct block) > 16 ? 32 : 16;
    meter_inside++;
    /* The pointer is aligned to what was asked for and to no more, so that code that relies on more fails. */
    char *base = NULL;
    if (posix_memalign((void **)&base, 2 * alignment, bytes + 2 * alignment + sizeof(uint64_t))) base = NULL;
    meter_inside--;
    if (!base) return NULL;
    char *pointer = base + alignment;
    memcpy(pointer - sizeof(struct block), &(struct block){base, bytes, canary_live}, sizeof(struct block));
    memcpy(pointer + bytes, &canary_live, sizeof canary_live);
    memset(pointer, 0xa5, bytes < 4096 ? bytes : 4096); /* memory is not zero by chance */
    __atomic_fetch_add(&meter->live_blocks, 1, __ATOMIC_RELAXED);
    long live = __atomic_add_fetch(&meter->live_bytes, (long)bytes, __ATOMIC_RELAXED);
    if (live > meter->peak_bytes) meter->peak_bytes = live;
    return pointer;
}

static void meter_deallocate(void *user, void *pointer, size_t bytes) {
    struct meter *meter = user;
    struct block block;
    if (!pointer) {
        __atomic_fetch_add(&meter->damaged, 1, __ATOMIC_RELAXED);
        return;
    }
    memcpy(&block, (char *)pointer - sizeof block, sizeof block);
    if (block.canary != canary_live || block.bytes != bytes || memcmp((char *)pointer + bytes, &canary_live, 8)) {
        __atomic_fetch_add(&meter->damaged, 1, __ATOMIC_RELAXED);
        return; /* leaked rather than handed to free() with a header that cannot be trusted */
    }
    memcpy((char *)pointer - sizeof(uint64_t), &canary_dead, sizeof canary_dead);
    memset(pointer, 0xdb, bytes < 4096 ? bytes : 4096);
    __atomic_fetch_sub(&meter->live_blocks, 1, __ATOMIC_RELAXED);
    __atomic_fetch_sub(&meter->live_bytes, (long)bytes, __ATOMIC_RELAXED);
    meter_inside++;
    free(block.base);
    meter_inside--;
}

void meter_init(struct meter *meter) {
    memset(meter, 0, sizeof *meter);
    meter->allocator = (uldor_allocator){sizeof(uldor_allocator), meter, meter_allocate, meter_deallocate};
}

uint64_t detection_digest(uldor_session *session, const uldor_image *image) {
    uldor_result *result;
    if (uldor_session_detect(session, image, &result) < 0) return 0;
    uint64_t digest = result_digest(result);
    uldor_result_free(result);
    return digest;
}
