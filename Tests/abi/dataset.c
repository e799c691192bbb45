/*
 * dataset.c - data sets: arguments, a failing allocator, many threads, a host's source
 *
 * Files are written here, byte by byte, into a folder of their own.
 */
#define _GNU_SOURCE
#include "support.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WIDTH = 80, HEIGHT = 64, SLICES = 5, THREADS = 8 };

static char folder[256], path[512], masks[300], windows[300], boxes[300];
static uldor_model *model;
static struct meter meter;

/* ------------------------------------------------------------------------------------------------ Files */

static uint32_t crc(const uint8_t *bytes, size_t count) {
    uint32_t c = 0xffffffffu;
    for (size_t i = 0; i < count; i++) {
        c ^= bytes[i];
        for (int k = 0; k < 8; k++) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
    }
    return c ^ 0xffffffffu;
}

static void big_endian(uint8_t *to, uint32_t value) {
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void chunk(FILE *file, const char *name, const uint8_t *data, size_t count) {
    uint8_t *all = malloc(count + 12);
    if (!all) exit(2);
    big_endian(all, (uint32_t)count);
    memcpy(all + 4, name, 4);
    if (count) memcpy(all + 8, data, count);
    big_endian(all + 8 + count, crc(all + 4, count + 4));
    fwrite(all, 1, count + 12, file);
    free(all);
}

/* Grey pixels, most significant byte first; deflate's "stored" blocks, which shrink nothing. */
static void write_png(const char *name, const uint8_t *pixels, int bits) {
    size_t row = (size_t)WIDTH * (size_t)bits / 8, count = (row + 1) * HEIGHT;
    uint8_t header[13] = {0}, *data = malloc(count + 16), *to = data + 7;
    if (!data) exit(2);
    big_endian(header, WIDTH);
    big_endian(header + 4, HEIGHT);
    header[8] = (uint8_t)bits;
    uint8_t low = (uint8_t)count, high = (uint8_t)(count >> 8);
    memcpy(data, (const uint8_t[]){0x78, 1, 1, low, high, (uint8_t)~low, (uint8_t)~high}, 7);
    uint32_t a = 1, b = 0;
    for (int y = 0; y < HEIGHT; y++) {
        *to++ = 0;
        memcpy(to, pixels + (size_t)y * row, row);
        to += row;
    }
    for (size_t i = 0; i < count; i++) {
        a = (a + data[7 + i]) % 65521;
        b = (b + a) % 65521;
    }
    big_endian(to, b << 16 | a);
    FILE *file = fopen(name, "wb");
    if (!file) exit(2);
    fwrite("\x89PNG\r\n\x1a\n", 1, 8, file);
    chunk(file, "IHDR", header, sizeof header);
    chunk(file, "IDAT", data, count + 11);
    chunk(file, "IEND", NULL, 0);
    fclose(file);
    free(data);
}

static void write_text(const char *name, const char *text) {
    FILE *file = fopen(name, "wb");
    if (!file) exit(2);
    fputs(text, file);
    fclose(file);
}

static void write_files(void) {
    static int16_t hu[WIDTH * HEIGHT];
    static uint8_t stored[2 * WIDTH * HEIGHT], mask[WIDTH * HEIGHT];
    snprintf(folder, sizeof folder, "/tmp/uldor-abi-dataset-XXXXXX");
    if (!mkdtemp(folder)) exit(2);
    snprintf(masks, sizeof masks, "%s/Masks_png", folder);
    snprintf(windows, sizeof windows, "%s/crops.csv", folder);
    snprintf(boxes, sizeof boxes, "%s/boxes.csv", folder);
    const char *const directories[] = {"Images_png", "Images_png/1_1_1", "Masks_png", "Masks_png/1_1_1"};
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, directories[i]);
        if (mkdir(path, 0700)) exit(2);
    }
    draw_slice(hu, WIDTH, HEIGHT);
    for (int i = 0; i < WIDTH * HEIGHT; i++) {
        uint16_t value = (uint16_t)(hu[i] + 32768);
        stored[2 * i] = (uint8_t)(value >> 8);
        stored[2 * i + 1] = (uint8_t)value;
        int x = i % WIDTH, y = i / WIDTH;
        mask[i] = x >= 20 && x < 40 && y >= 22 && y < 36 ? 255 : 0;
    }
    for (int n = 1; n <= SLICES; n++) {
        snprintf(path, sizeof path, "%s/Images_png/1_1_1/%03d.png", folder, n);
        write_png(path, stored, 16);
    }
    snprintf(path, sizeof path, "%s/1_1_1/003.png", masks);
    write_png(path, mask, 8);
    write_text(windows, "series,x1,y1,x2,y2\n1_1_1,5,4,78,60\n");
    write_text(boxes, "File_name,Bounding_boxes\n1_1_1_003.png,\"50, 40, 60, 50\"\n1_1_1_004.png,\"50, 40, 60, 50\"\n");
    snprintf(path, sizeof path, "%s/DL_info.csv", folder);
    write_text(path, "File_name,Measurement_coordinates,Bounding_boxes,Spacing_mm_px_,Image_size,Train_Val_Test\r\n"
                     "1_1_1_003.png,\"21, 29, 39, 29, 30, 24, 30, 35\",\"16, 19, 44, 40\",\"0.8, 0.8, 2\",\"64, 80\",1\r\n"
                     "1_1_1_003.png,bad,\"16, 19, 44, 40\",\"0.8, 0.8, 2\",\"64, 80\",1\r\n");
}

static void remove_files(void) {
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command)) printf("%s: not removed\n", folder);
}

static uldor_dataset_options everything(void) {
    uldor_dataset_options options;
    CHECK_OK(uldor_dataset_options_init(&options, sizeof options));
    options.mask_directory = masks;
    options.windows_path = windows;
    options.boxes_path = boxes;
    options.masks = ULDOR_MASKS_GIVEN_OR_PSEUDO;
    options.on_bad_row = options.on_bad_image = ULDOR_BAD_SKIP;
    options.negatives = ULDOR_NEGATIVES_UNMASKED;
    return options;
}

/* --------------------------------------------------------------------------------------- A host's source */

static int16_t pixels[3 * WIDTH * HEIGHT];
static int32_t lent, refuse_read, refuse_describe;

static int32_t describe(void *user, int64_t index, uldor_source_image *image) {
    CHECK(user == &lent);
    CHECK_INT(image->struct_size, sizeof *image);
    image->width = WIDTH;
    image->height = HEIGHT;
    image->lesions = index == 0 ? 2 : 0;
    image->spacing_x_mm = image->spacing_y_mm = 0.8;
    image->slice_interval_mm = 2;
    return refuse_describe;
}

static int32_t annotate(void *user, int64_t index, int32_t lesion, uldor_source_lesion *annotation) {
    (void)user;
    CHECK_INT(index, 0);
    if (lesion == 0) {
        const double recist[8] = {20, 28, 38, 28, 29, 23, 29, 34};
        annotation->has_recist = 1;
        memcpy(annotation->recist, recist, sizeof recist);
    } else {
        annotation->has_box = annotation->has_mask = 1;
        annotation->x1 = annotation->y1 = 10;
        annotation->x2 = annotation->y2 = 20;
    }
    return 0;
}

static int32_t read_pixels(void *user, int64_t index, uldor_image *image, void **token) {
    (void)index;
    if (refuse_read) return refuse_read;
    image->data = pixels;
    image->data_bytes = sizeof pixels;
    image->width = WIDTH;
    image->height = HEIGHT;
    image->depth = 3;
    image->key_slice = 1;
    *token = user;
    __atomic_add_fetch((int32_t *)user, 1, __ATOMIC_SEQ_CST);
    return 0;
}

static void give_back(void *user, int64_t index, void *token) {
    (void)index;
    CHECK(token == user);
    __atomic_add_fetch((int32_t *)user, -1, __ATOMIC_SEQ_CST);
}

static int32_t read_mask(void *user, int64_t index, int32_t lesion, uint8_t *out, int32_t width, int32_t height) {
    (void)user;
    (void)index;
    CHECK_INT(lesion, 1);
    CHECK(width == WIDTH && height == HEIGHT);
    for (int y = 12; y < 18; y++) memset(out + y * width + 11, 1, 7);
    return 0;
}

static uldor_source the_source(void) {
    uldor_source source;
    CHECK_OK(uldor_source_init(&source, sizeof source));
    source.user = &lent;
    source.count = 2;
    source.describe = describe;
    source.annotate = annotate;
    source.read = read_pixels;
    source.release = give_back;
    source.read_mask = read_mask;
    return source;
}

/* -------------------------------------------------------------------------------------------------- Cases */

static uldor_dataset *opened(void) {
    uldor_dataset_options options = everything();
    uldor_dataset *dataset = NULL;
    CHECK_OK(uldor_dataset_open_deeplesion(folder, &options, &dataset));
    return dataset;
}

static void what_is_read(void) {
    uldor_dataset *dataset = opened();
    uldor_dataset_info info = {.struct_size = sizeof info};
    NEED(dataset);
    CHECK_OK(uldor_dataset_get_info(dataset, &info));
    CHECK_INT(info.images, 5); /* 3; 4, which only boxes.csv names; 1, 2 and 5 without a mask */
    CHECK_INT(info.lesions, 3);
    CHECK_INT(info.negatives, 3);
    CHECK_INT(info.rows, 2);
    CHECK_INT(info.bad_rows, 1);
    CHECK_INT(info.images_of_split[ULDOR_SPLIT_TRAIN], 5);
    uldor_dataset_image image = {.struct_size = sizeof image};
    CHECK_OK(uldor_dataset_get_image(dataset, 0, &image));
    CHECK(strcmp(image.name, "1_1_1/003") == 0);
    CHECK(image.width == 74 && image.height == 57 && image.window_left == 4 && image.window_top == 3);
    static uint8_t mask[80 * 64];
    int64_t count = 0, index = 0;
    CHECK_OK(uldor_dataset_get_mask(dataset, 0, 0, mask, sizeof mask, 80, &count));
    CHECK_INT(count, 20 * 14);
    CHECK_INT(mask[(22 - 3) * 80 + 20 - 4], 1);
    CHECK_ERROR(uldor_dataset_get_mask(dataset, 0, 0, mask, 100, 0, NULL), ULDOR_ERROR_BUFFER_TOO_SMALL, "out");
    CHECK_OK(uldor_dataset_find(dataset, "1_1_1_004.png", &index));
    CHECK_INT(index, 1);
    CHECK_OK(uldor_dataset_free(dataset));
}

#define REFUSED(call, names) CHECK_ERROR(call, ULDOR_ERROR_INVALID_ARGUMENT, names)

static void null_pointers(void) {
    uldor_dataset *dataset = opened(), *d = UNTOUCHED(uldor_dataset);
    uldor_slices *s = UNTOUCHED(uldor_slices);
    uldor_tensors *t = UNTOUCHED(uldor_tensors);
    uldor_dataset_info info = {.struct_size = sizeof info};
    uldor_dataset_image image = {.struct_size = sizeof image};
    uldor_dataset_lesion lesion = {.struct_size = sizeof lesion};
    uldor_image pixel_image = {.struct_size = sizeof pixel_image};
    uldor_source source = the_source();
    uint8_t byte;
    int64_t number = 77;
    NEED(dataset);
    REFUSED(uldor_dataset_options_init(NULL, sizeof(uldor_dataset_options)), "options");
    REFUSED(uldor_source_init(NULL, sizeof(uldor_source)), "source");
    REFUSED(uldor_augmentation_init(NULL, sizeof(uldor_augmentation)), "augmentation");
    REFUSED(uldor_dataset_open_deeplesion(NULL, NULL, &d), "directory");
    REFUSED(uldor_dataset_open_deeplesion(folder, NULL, NULL), "dataset");
    REFUSED(uldor_dataset_open_callbacks(NULL, NULL, &d), "source");
    REFUSED(uldor_dataset_open_callbacks(&source, NULL, NULL), "dataset");
    REFUSED(uldor_dataset_get_info(NULL, &info), "dataset");
    REFUSED(uldor_dataset_get_info(dataset, NULL), "info");
    REFUSED(uldor_dataset_get_image(NULL, 0, &image), "dataset");
    REFUSED(uldor_dataset_get_image(dataset, 0, NULL), "image");
    REFUSED(uldor_dataset_get_lesion(NULL, 0, 0, &lesion), "dataset");
    REFUSED(uldor_dataset_get_lesion(dataset, 0, 0, NULL), "info");
    REFUSED(uldor_dataset_get_mask(NULL, 0, 0, &byte, 1, 0, NULL), "dataset");
    REFUSED(uldor_dataset_get_mask(dataset, 0, 0, NULL, 1, 0, NULL), "out");
    REFUSED(uldor_dataset_find(NULL, "a", &number), "dataset");
    REFUSED(uldor_dataset_find(dataset, NULL, &number), "name");
    REFUSED(uldor_dataset_find(dataset, "1_1_1/003", NULL), "index");
    REFUSED(uldor_dataset_read_image(NULL, 0, 1, &s), "dataset");
    REFUSED(uldor_dataset_read_image(dataset, 0, 1, NULL), "slices");
    REFUSED(uldor_slices_get_image(NULL, &pixel_image), "slices");
    REFUSED(uldor_dataset_check(NULL, 1, NULL, NULL, &number), "dataset");
    REFUSED(uldor_dataset_check(dataset, 1, NULL, NULL, NULL), "problems");
    REFUSED(uldor_dataset_get_example(NULL, model, 0, NULL, 0, 0, &t), "dataset");
    REFUSED(uldor_dataset_get_example(dataset, NULL, 0, NULL, 0, 0, &t), "model");
    REFUSED(uldor_dataset_get_example(dataset, model, 0, NULL, 0, 0, NULL), "tensors");
    CHECK_OK(uldor_dataset_free(NULL));
    CHECK_OK(uldor_slices_free(NULL));
    CHECK(d == UNTOUCHED(uldor_dataset) && s == UNTOUCHED(uldor_slices) && t == UNTOUCHED(uldor_tensors));
    CHECK_INT(number, 77);
    CHECK_OK(uldor_dataset_free(dataset));
}

static void values_out_of_range(void) {
    uldor_dataset *dataset = opened(), *d = UNTOUCHED(uldor_dataset);
    uldor_dataset_image image = {.struct_size = sizeof image};
    uldor_dataset_lesion lesion = {.struct_size = sizeof lesion};
    uldor_slices *s;
    uldor_tensors *t;
    NEED(dataset);
    const int64_t bad[] = {-1, 5, INT64_MAX, INT64_MIN};
    for (int i = 0; i < 4; i++) {
        REFUSED(uldor_dataset_get_image(dataset, bad[i], &image), "index");
        REFUSED(uldor_dataset_get_lesion(dataset, bad[i], 0, &lesion), "index");
        REFUSED(uldor_dataset_read_image(dataset, bad[i], 0, &s), "index");
        REFUSED(uldor_dataset_get_example(dataset, model, bad[i], NULL, 0, 0, &t), "index");
    }
    REFUSED(uldor_dataset_get_lesion(dataset, 0, 2, &lesion), "lesion");
    REFUSED(uldor_dataset_get_lesion(dataset, 0, -1, &lesion), "lesion");
    REFUSED(uldor_dataset_get_lesion(dataset, 4, 0, &lesion), "lesion");
    REFUSED(uldor_dataset_read_image(dataset, 0, -1, &s), "reach");
    REFUSED(uldor_dataset_read_image(dataset, 0, 1025, &s), "reach");
    REFUSED(uldor_dataset_get_info((uldor_dataset *)model, NULL), "dataset");
    REFUSED(uldor_dataset_free((uldor_dataset *)model), "dataset");
    uldor_dataset_options options;
#define REFUSED_OPTION(field, value)                                                                                   \
    do {                                                                                                               \
        options = everything();                                                                                        \
        options.field = value;                                                                                         \
        REFUSED(uldor_dataset_open_deeplesion(folder, &options, &d), #field);                                          \
    } while (0)
    REFUSED_OPTION(masks, 4);
    REFUSED_OPTION(masks, -1);
    REFUSED_OPTION(on_bad_row, 2);
    REFUSED_OPTION(on_bad_image, 2);
    REFUSED_OPTION(negatives, 2);
    REFUSED_OPTION(reserved, 1);
    REFUSED_OPTION(mask_directory, NULL);
    uldor_source source = the_source();
    options = everything();
    REFUSED(uldor_dataset_open_callbacks(&source, &options, &d), "paths");
    source.count = -1;
    REFUSED(uldor_dataset_open_callbacks(&source, NULL, &d), "count");
    source = the_source();
    source.read = NULL;
    REFUSED(uldor_dataset_open_callbacks(&source, NULL, &d), "read");
    CHECK(d == UNTOUCHED(uldor_dataset));
    CHECK_OK(uldor_dataset_free(dataset));
}

/* Programs of other ages: a shorter options struct, and a longer one whose tail asks for something. */
static void struct_sizes(void) {
    struct {
        uldor_dataset_options options;
        uint8_t tail[32];
    } later;
    uldor_dataset *dataset = NULL;
    memset(&later, 0xff, sizeof later);
    CHECK_OK(uldor_dataset_options_init(&later.options, offsetof(uldor_dataset_options, csv_path)));
    CHECK_ERROR(uldor_dataset_open_deeplesion(folder, &later.options, &dataset), ULDOR_ERROR_FORMAT, "DL_info.csv:3");
    CHECK_OK(uldor_dataset_options_init(&later.options, sizeof later));
    later.options.on_bad_row = ULDOR_BAD_SKIP;
    CHECK_OK(uldor_dataset_open_deeplesion(folder, &later.options, &dataset));
    CHECK_OK(uldor_dataset_free(dataset));
    later.tail[20] = 1;
    REFUSED(uldor_dataset_open_deeplesion(folder, &later.options, &dataset), "options");
}

static uint64_t digest_of(const uldor_tensors *tensors) {
    uint64_t digest = 14695981039346656037u;
    int32_t count = 0;
    CHECK_OK(uldor_tensors_get_count(tensors, &count));
    for (int32_t i = 0; i < count; i++) {
        uldor_tensor tensor = {.struct_size = sizeof tensor};
        CHECK_OK(uldor_tensors_get(tensors, i, &tensor));
        size_t bytes = 4 * (size_t)(tensor.dims[0] * tensor.dims[1] * tensor.dims[2] * tensor.dims[3]);
        for (size_t b = 0; b < bytes; b++) digest = (digest ^ ((const uint8_t *)tensor.data)[b]) * 1099511628211u;
    }
    return digest;
}

static uint64_t example_digest(const uldor_dataset *dataset, int64_t index, int64_t epoch) {
    uldor_augmentation augmentation;
    uldor_tensors *tensors = NULL;
    CHECK_OK(uldor_augmentation_init(&augmentation, sizeof augmentation));
    augmentation.flip_x = 0.5;
    CHECK_OK(uldor_dataset_get_example(dataset, model, index, &augmentation, 7, epoch, &tensors));
    uint64_t digest = tensors ? digest_of(tensors) : 0;
    CHECK_OK(uldor_tensors_free(tensors));
    return digest;
}

enum { ROUNDS = 10 };
static uint64_t expected[2][ROUNDS];
static uldor_dataset *shared[2];

static void *use(void *argument) {
    long first = (long)argument;
    for (int k = 0; k < ROUNDS; k++) {
        int epoch = (int)(first + k) % ROUNDS;
        for (int i = 0; i < 2; i++) CHECK(example_digest(shared[i], 0, epoch) == expected[i][epoch]);
        uldor_slices *slices = NULL;
        uldor_image image = {.struct_size = sizeof image};
        CHECK_OK(uldor_dataset_read_image(shared[0], 0, 2, &slices));
        CHECK_OK(uldor_slices_get_image(slices, &image));
        CHECK_INT(image.depth, 5);
        CHECK_OK(uldor_slices_free(slices));
    }
    return NULL;
}

static void many_threads(void) {
    uldor_source source = the_source();
    shared[0] = opened();
    CHECK_OK(uldor_dataset_open_callbacks(&source, NULL, &shared[1]));
    NEED(shared[0] && shared[1]);
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < ROUNDS; k++) expected[i][k] = example_digest(shared[i], 0, k);
    CHECK(expected[0][0] != expected[0][1] && expected[1][0] != expected[1][1]);
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++) CHECK_INT(pthread_create(&threads[i], NULL, use, (void *)i), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    CHECK_INT(lent, 0);
    for (int i = 0; i < 2; i++) CHECK_OK(uldor_dataset_free(shared[i]));
}

static void a_source_that_refuses(void) {
    uldor_source source = the_source();
    uldor_dataset *dataset = NULL;
    uldor_slices *slices = UNTOUCHED(uldor_slices);
    refuse_describe = 42;
    CHECK_ERROR(uldor_dataset_open_callbacks(&source, NULL, &dataset), ULDOR_ERROR_IO, "source.describe returned 42");
    refuse_describe = 0;
    CHECK_OK(uldor_dataset_open_callbacks(&source, NULL, &dataset));
    NEED(dataset);
    refuse_read = 5;
    CHECK_ERROR(uldor_dataset_read_image(dataset, 1, 0, &slices), ULDOR_ERROR_IO, "source image 1");
    CHECK_ERROR(uldor_dataset_read_image(dataset, 1, 0, &slices), ULDOR_ERROR_IO, "source.read returned 5");
    CHECK(slices == UNTOUCHED(uldor_slices));
    refuse_read = 0;
    CHECK_OK(uldor_dataset_read_image(dataset, 1, 0, &slices));
    CHECK_INT(lent, 1);
    CHECK_OK(uldor_dataset_free(dataset)); /* what was read keeps it */
    CHECK_OK(uldor_slices_free(slices));
    CHECK_INT(lent, 0);
}

static int32_t end_it(void *user, const char *message) {
    CHECK(message && *message);
    return ++*(int32_t *)user >= 2;
}

static void a_check_that_is_ended(void) {
    uldor_dataset *dataset = opened();
    int64_t problems = 77;
    int32_t lines = 0;
    NEED(dataset);
    CHECK_ERROR(uldor_dataset_check(dataset, 1, end_it, &lines, &problems), ULDOR_ERROR_CANCELLED, "cancelled");
    CHECK_INT(problems, 77);
    CHECK_OK(uldor_dataset_check(dataset, 1, NULL, NULL, &problems));
    CHECK_INT(problems, 1);
    CHECK_OK(uldor_dataset_free(dataset));
}

/* ------------------------------------------------------------------------------- An allocator that fails */

enum { SANE = 20000 };
/* As in alloc_fail.c: the step that fails must succeed when it is tried again. */
#define STEP(call)                                                                                                     \
    do {                                                                                                               \
        uldor_status step_status = (call);                                                                             \
        if (step_status == ULDOR_ERROR_NOMEM && meter.fail_at && meter.allocations >= meter.fail_at) {                 \
            CHECK(*uldor_last_error());                                                                                \
            meter.fail_at = 0;                                                                                         \
            step_status = (call);                                                                                      \
        }                                                                                                              \
        if (step_status != ULDOR_OK) FAIL("%s: %s: %s", #call, uldor_status_name(step_status), uldor_last_error());    \
        CHECK(!meter.fail_at || meter.allocations < meter.fail_at); /* a failure that was swallowed */                 \
    } while (0)

static void use_everything(uldor_dataset *dataset) {
    uldor_slices *slices = NULL;
    uldor_tensors *tensors = NULL;
    static uint8_t mask[WIDTH * HEIGHT];
    int64_t problems = 0;
    STEP(uldor_dataset_read_image(dataset, 0, 1, &slices));
    STEP(uldor_dataset_get_mask(dataset, 0, 0, mask, sizeof mask, 0, NULL));
    STEP(uldor_dataset_get_mask(dataset, 0, 1, mask, sizeof mask, 0, NULL));
    STEP(uldor_dataset_check(dataset, 1, NULL, NULL, &problems));
    STEP(uldor_dataset_get_example(dataset, model, 0, NULL, 0, 0, &tensors));
    CHECK_OK(uldor_slices_free(slices));
    CHECK_OK(uldor_tensors_free(tensors));
}

static void life(bool is_source) {
    uldor_dataset *dataset = NULL;
    uldor_source source = the_source();
    uldor_dataset_options options = everything();
    if (is_source) {
        uldor_dataset_options_init(&options, sizeof options);
        options.masks = ULDOR_MASKS_GIVEN_OR_PSEUDO;
    }
    options.allocator = &meter.allocator;
    if (is_source) STEP(uldor_dataset_open_callbacks(&source, &options, &dataset));
    else STEP(uldor_dataset_open_deeplesion(folder, &options, &dataset));
    if (dataset) use_everything(dataset);
    CHECK_OK(uldor_dataset_free(dataset));
    CHECK_INT(meter.live_blocks, 0);
    CHECK_INT(meter.live_bytes, 0);
    CHECK_INT(meter.damaged, 0);
    CHECK_INT(meter.misused, 0);
    CHECK_INT(lent, 0);
}

static void search(bool is_source) {
    meter_init(&meter);
    life(is_source);
    long total = meter.allocations;
    CHECK(total > 20 && total < SANE);
    for (long n = 1; n <= total + 1 && n < SANE; n++) {
        meter_init(&meter);
        meter.fail_at = n;
        CONTEXT("allocation %ld of %ld fails", n, total);
        life(is_source);
    }
}

static void allocations_fail_with_files(void) { search(false); }
static void allocations_fail_with_a_source(void) { search(true); }

int main(void) {
    open_fixture(&model, NULL, 1);
    write_files();
    for (int i = 0; i < 3; i++) draw_slice(pixels + i * WIDTH * HEIGHT, WIDTH, HEIGHT);
    RUN(what_is_read);
    RUN(null_pointers);
    RUN(values_out_of_range);
    RUN(struct_sizes);
    RUN(many_threads);
    RUN(a_source_that_refuses);
    RUN(a_check_that_is_ended);
    RUN(allocations_fail_with_files);
    RUN(allocations_fail_with_a_source);
    remove_files();
    CHECK_OK(uldor_model_free(model));
    return check_finish("dataset");
}
