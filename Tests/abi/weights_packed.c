/*
 * weights_packed.c - packed weights: the same model again, however it is loaded; damaged, foreign and hostile ones are refused
 *
 * FUZZ_ROUNDS in the environment sets another number of rounds.
 */
#define _GNU_SOURCE
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"
#include "weightfile.h"

enum { HEADER = 64, LIST_BYTES = 32, CONFIG_BYTES = 40, IMAGE_BYTES = 48, TENSOR_BYTES = 56 };

static struct meter meter;
static uldor_model_options options;
static char folder[] = "/tmp/uldor-packed-XXXXXX", path[64], other[64];
static struct bytes sound;
static size_t list_end, image_begin;
static int16_t pixels[SIDE * SIDE];
static float *tensor;
static int32_t channels;
static uint64_t expected;

static uint64_t digest_of(uldor_model *model) {
    uldor_session *session;
    uldor_session_options eager = eager_options();
    uldor_image image = slice_image(pixels, SIDE, SIDE);
    if (uldor_session_create(model, &eager, &session) < 0) return 0;
    uint64_t digest = detection_digest(session, &image);
    uldor_session_free(session);
    return digest;
}

static void write_file(const char *name, const void *data, size_t bytes) {
    FILE *file = fopen(name, "wb");
    if (!file || fwrite(data, 1, bytes, file) != bytes || fclose(file)) exit(2);
}

static uint64_t field(size_t offset) {
    uint64_t value;
    memcpy(&value, sound.data + offset, sizeof value);
    return value;
}

/* What is loaded must run: odd numbers that get past the loader may not harm the network either. */
static void run(uldor_model *model) {
    uldor_session *session;
    uldor_result *result;
    uldor_session_options eager = eager_options();
    uldor_model_info info = {.struct_size = sizeof info};
    NEED_OK(uldor_model_get_info(model, &info));
    NEED_OK(uldor_session_create(model, &eager, &session));
    if (info.input_channels == channels && uldor_session_forward(session, tensor, channels, 32, 32, &result) == ULDOR_OK)
        uldor_result_free(result);
    CHECK_OK(uldor_session_free(session));
}

/* From a heap block of exactly that size, so that a sanitizer sees a read past its end. */
static uldor_status load(const uint8_t *data, size_t bytes) {
    uldor_model *model = UNTOUCHED(uldor_model);
    uint8_t *exact = malloc(bytes ? bytes : 1);
    if (!exact) exit(2);
    memcpy(exact, data, bytes);
    uldor_status status = uldor_model_load_memory(exact, bytes, &options, &model);
    free(exact); /* before the model is used: nothing of the caller's memory may be kept */
    if (status < 0) {
        CHECK(model == UNTOUCHED(uldor_model));
        CHECK(*uldor_last_error() && status != ULDOR_ERROR_INTERNAL && status != ULDOR_ERROR_NOMEM);
    } else {
        run(model);
        uldor_model_free(model);
    }
    CHECK_INT(meter.live_blocks, 0);
    return status;
}

static void same_model_every_way(void) {
    for (int way = 0; way < 3; way++) {
        uldor_model *model;
        options.memory_map = way == 1;
        CONTEXT("way %d", way);
        meter.peak_bytes = 0;
        if (way < 2) {
            NEED_OK(uldor_model_load_file(path, &options, &model));
        } else {
            uint8_t *copy = malloc(sound.size);
            NEED(copy);
            memcpy(copy, sound.data, sound.size);
            NEED_OK(uldor_model_load_memory(copy, sound.size, &options, &model));
            memset(copy, 0xff, sound.size);
            free(copy);
        }
        /* What is mapped is not allocated. */
        CHECK((meter.peak_bytes < (long)field(IMAGE_BYTES)) == (way == 1));
        CHECK(digest_of(model) == expected);
        NEED_OK(uldor_model_save_packed(model, other));
        size_t bytes;
        uint8_t *again = read_file(other, &bytes);
        CHECK(bytes == sound.size && !memcmp(again, sound.data, bytes));
        free(again);
        uldor_model_free(model);
        CHECK_INT(meter.live_blocks, 0);
    }
    options.memory_map = 0;
}

static int is_mapped(const char *name) {
    char line[512];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) found |= strstr(line, name) != NULL;
    if (maps) fclose(maps);
    return found;
}

/* The mapping lives as long as what was made from the model, whatever becomes of the file's name. */
static void mapping_outlives_model_and_name(void) {
    uldor_model *model;
    uldor_session *session;
    uldor_session_options eager = eager_options();
    uldor_image image = slice_image(pixels, SIDE, SIDE);
    write_file(other, sound.data, sound.size);
    options.memory_map = 1;
    NEED_OK(uldor_model_load_file(other, &options, &model));
    options.memory_map = 0;
    CHECK(is_mapped(other));
    NEED_OK(uldor_session_create(model, &eager, &session));
    CHECK_OK(uldor_model_save_packed(model, other)); /* over the file that is mapped */
    CHECK_OK(uldor_model_free(model));
    CHECK(!unlink(other));
    CHECK(is_mapped(other));
    CHECK(detection_digest(session, &image) == expected);
    CHECK_OK(uldor_session_free(session));
    CHECK(!is_mapped(other));
    CHECK_INT(meter.live_blocks, 0);
}

static void truncations(void) {
    /* Densely through the beginning, coarsely through the values, and around every border. */
    for (size_t bytes = 0; bytes < sound.size; bytes += bytes < HEADER + 8 ? 1 : bytes < image_begin ? 97 : sound.size / 101) {
        CONTEXT("%zu bytes", bytes);
        CHECK_INT(load(sound.data, bytes), ULDOR_ERROR_FORMAT);
    }
    for (size_t cut = 1; cut <= 70; cut++) CHECK_INT(load(sound.data, sound.size - cut), ULDOR_ERROR_FORMAT);
    uint8_t *longer = calloc(1, sound.size + 4096);
    NEED(longer);
    memcpy(longer, sound.data, sound.size);
    for (size_t more = 1; more <= 4096; more *= 2) CHECK_INT(load(longer, sound.size + more), ULDOR_ERROR_FORMAT);
    free(longer);
    for (int mapped = 0; mapped < 2; mapped++) {
        uldor_model *model = UNTOUCHED(uldor_model);
        options.memory_map = mapped;
        write_file(other, sound.data, sound.size - 64);
        CHECK_ERROR(uldor_model_load_file(other, &options, &model), ULDOR_ERROR_FORMAT, other);
    }
    options.memory_map = 0;
}

static void layouts_of_others(void) {
    uint8_t kept[4];
    for (size_t at = 8; at < 24; at += 4) {
        CONTEXT("byte %zu", at);
        memcpy(kept, sound.data + at, 4);
        for (int bit = 0; bit < 32; bit++) {
            sound.data[at + bit / 8] ^= (uint8_t)(1 << bit % 8);
            CHECK_ERROR(load(sound.data, sound.size), ULDOR_ERROR_UNSUPPORTED, "make it again with uldor pack");
            memcpy(sound.data + at, kept, 4);
        }
    }
    for (int bit = 0; bit < 64; bit++) { /* another magic: no safetensors file either */
        sound.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK_INT(load(sound.data, sound.size), ULDOR_ERROR_FORMAT);
        sound.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void sizes(void) {
    for (size_t at = LIST_BYTES; at <= TENSOR_BYTES; at += 8) {
        const uint64_t is = field(at);
        const uint64_t values[] = {0, 1, is - 1, is + 1, is - 64, is + 64, is - 4096, is + 4096, is * 2, sound.size, sound.size - 64,
                                   (uint64_t)1 << 31, (uint64_t)1 << 32, INT64_MAX, (uint64_t)1 << 63, UINT64_MAX,
                                   UINT64_MAX - 63, UINT64_MAX - 4095};
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            CONTEXT("byte %zu is %" PRIu64 " and not %" PRIu64, at, values[i], is);
            memcpy(sound.data + at, &values[i], 8);
            CHECK(load(sound.data, sound.size) < 0);
        }
        memcpy(sound.data + at, &is, 8);
    }
    /* One of the two texts longer by what the other is shorter. */
    uint64_t list = field(LIST_BYTES) + 1, config = field(CONFIG_BYTES) - 1;
    uint8_t kept[16];
    memcpy(kept, sound.data + LIST_BYTES, 16);
    memcpy(sound.data + LIST_BYTES, &list, 8);
    memcpy(sound.data + CONFIG_BYTES, &config, 8);
    CHECK_INT(load(sound.data, sound.size), ULDOR_ERROR_FORMAT);
    memcpy(sound.data + LIST_BYTES, kept, 16);
}

/* A list of other tensors than those whose values follow: a shape, a name. */
static void lists(void) {
    static const char *const changes[][2] = {
        {"\"shape\":[8,3,7,7]", "\"shape\":[7,3,8,7]"}, {"\"rpn.head.conv.0.0.bias\"", "\"rpn.head.conv.0.0.bios\""},
        {"\"backbone.body.conv1.weight\"", "\"backbone.body.conv1.waight\""}, {"\"F32\"", "\"F16\""}, {"\"F32\"", "\"I32\""},
        {"\"data_offsets\":[0,", "\"data_offsets\":[1,"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        CONTEXT("%s", changes[i][1]);
        char *at = memmem(sound.data, list_end, changes[i][0], strlen(changes[i][0]));
        NEED(at);
        memcpy(at, changes[i][1], strlen(changes[i][1]));
        CHECK(load(sound.data, sound.size) < 0);
        memcpy(at, changes[i][0], strlen(changes[i][0]));
    }
    CHECK_INT(load(sound.data, sound.size), ULDOR_OK);
}

/* A network that is smaller or larger than the image. */
static void other_networks_image(void) {
    const uint64_t image = field(IMAGE_BYTES);
    uint8_t *copy = calloc(1, sound.size + 64);
    NEED(copy);
    memcpy(copy, sound.data, sound.size);
    memcpy(copy + IMAGE_BYTES, &(uint64_t){image + 64}, 8);
    CHECK_ERROR(load(copy, sound.size + 64), ULDOR_ERROR_FORMAT, "64 of their");
    memcpy(copy + IMAGE_BYTES, &(uint64_t){image - 64}, 8);
    CHECK_ERROR(load(copy, sound.size - 64), ULDOR_ERROR_FORMAT, "end before the network");
    free(copy);
}

static void values_that_are_not_finite(void) {
    const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    const size_t floats = (sound.size - image_begin) / 4, places[] = {0, 1, floats / 2, floats - 1, (1 << 17) - 1, 1 << 17};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        for (size_t k = 0; k < 4; k++) {
            uint8_t kept[4], *at = sound.data + image_begin + places[i] * 4;
            char place[32];
            if (places[i] >= floats) continue;
            memcpy(kept, at, 4);
            memcpy(at, &bad[k], 4);
            CONTEXT("value %zu is %g", places[i], (double)bad[k]);
            snprintf(place, sizeof place, "at byte %zu", image_begin + places[i] * 4);
            CHECK_ERROR(load(sound.data, sound.size), ULDOR_ERROR_MODEL, place);
            for (int mapped = 0; mapped < 2; mapped++) {
                uldor_model *model = UNTOUCHED(uldor_model);
                options.memory_map = mapped;
                write_file(other, sound.data, sound.size);
                CHECK_ERROR(uldor_model_load_file(other, &options, &model), ULDOR_ERROR_MODEL, place);
                CHECK(model == UNTOUCHED(uldor_model) && !is_mapped(other));
            }
            options.memory_map = 0;
            memcpy(at, kept, 4);
        }
}

/* One to four changes at the beginning, a few among the values. */
static void mutations(void) {
    const char *asked = getenv("FUZZ_ROUNDS");
    int rounds = asked ? atoi(asked) : 400, loaded = 0;
    uint32_t state = 20240301;
    uint8_t *copy = malloc(sound.size);
    NEED(copy);
    for (int round = 0; round < rounds; round++) {
        memcpy(copy, sound.data, sound.size);
        CONTEXT("round %d", round);
        for (uint32_t changes = 1 + random_next(&state) % 4; changes; changes--) {
            uint32_t where = random_next(&state) % 8;
            size_t limit = where == 0 ? sound.size : where < 3 ? HEADER : list_end + field(CONFIG_BYTES);
            size_t at = random_next(&state) % limit, length = 1 + random_next(&state) % 16;
            switch (random_next(&state) % 4) {
            case 0: copy[at] ^= (uint8_t)(1 << random_next(&state) % 8); break;
            case 1: copy[at] = (uint8_t)random_next(&state); break;
            case 2: copy[at] = (uint8_t)"0123456789-\"[]{},:eE. \\"[random_next(&state) % 23]; break;
            default:
                if (at + 2 * length < sound.size) memmove(copy + at + length, copy + at, length);
            }
        }
        loaded += load(copy, sound.size) == ULDOR_OK;
    }
    CHECK(loaded > 0 && loaded < rounds);
    free(copy);
}

static void configuration_stays(void) {
    uldor_model *model = UNTOUCHED(uldor_model);
    options.config = "{\"format\":1,\"classes\":[\"background\",\"lesion\"]}";
    CHECK_ERROR(uldor_model_load_file(path, &options, &model), ULDOR_ERROR_INVALID_ARGUMENT, "options.config");
    CHECK(model == UNTOUCHED(uldor_model));
    options.config = NULL;
}

static void places_that_cannot_be_written(void) {
    uldor_model *model;
    char below[128];
    NEED_OK(uldor_model_load_file(path, &options, &model));
    snprintf(below, sizeof below, "%s/x", path);
    CHECK_ERROR(uldor_model_save_packed(model, folder), ULDOR_ERROR_IO, "not a regular file");
    CHECK_ERROR(uldor_model_save_packed(model, below), ULDOR_ERROR_IO, "Not a directory");
    CHECK_ERROR(uldor_model_save_packed(model, "/nowhere/x"), ULDOR_ERROR_IO, "/nowhere/x: cannot write: No such file");
    CHECK_ERROR(uldor_model_save_packed(model, "/dev/full"), ULDOR_ERROR_IO, "not a regular file");
    CHECK_ERROR(uldor_model_save_packed(model, NULL), ULDOR_ERROR_INVALID_ARGUMENT, "path");
    CHECK_ERROR(uldor_model_save_packed(NULL, path), ULDOR_ERROR_INVALID_ARGUMENT, "model");
    uldor_model_free(model);
    CHECK_INT(meter.live_blocks, 0);
}

/* Saving and loading with every n-th allocation failing once. */
static void failing_allocations(void) {
    for (int way = 0; way < 3; way++)
        for (long n = 1;; n++) {
            uldor_model *model = NULL;
            CONTEXT("way %d, allocation %ld", way, n);
            meter_init(&meter);
            meter.fail_at = n;
            options.memory_map = way == 1;
            uldor_status status = way < 2 ? uldor_model_load_file(path, &options, &model)
                                          : uldor_model_load_memory(sound.data, sound.size, &options, &model);
            long loading = meter.allocations;
            if (status == ULDOR_OK) status = uldor_model_save_packed(model, other);
            CHECK_INT(status, meter.allocations >= n ? ULDOR_ERROR_NOMEM : ULDOR_OK);
            uldor_model_free(model);
            CHECK_INT(meter.live_blocks, 0);
            CHECK_INT(meter.damaged, 0);
            if (status == ULDOR_OK) CHECK(loading > 3 && meter.allocations > loading);
            if (status == ULDOR_OK || check_case_failed) break;
        }
    options.memory_map = 0;
    meter_init(&meter);
}

int main(void) {
    uldor_model *model;
    uldor_model_info info = {.struct_size = sizeof info};
    if (!mkdtemp(folder)) return 2;
    snprintf(path, sizeof path, "%s/model.packed", folder);
    snprintf(other, sizeof other, "%s/other.packed", folder);
    draw_slice(pixels, SIDE, SIDE);
    open_fixture(&model, NULL, 1);
    if (uldor_model_get_info(model, &info) < 0 || uldor_model_save_packed(model, path) < 0) return 2;
    expected = digest_of(model);
    uldor_model_free(model);
    channels = info.input_channels;
    tensor = draw_tensor(channels, 32, 32);
    sound.data = read_file(path, &sound.size);
    list_end = HEADER + field(LIST_BYTES);
    image_begin = sound.size - field(IMAGE_BYTES);
    meter_init(&meter);
    if (uldor_model_options_init(&options, sizeof options) < 0) return 2;
    options.allocator = &meter.allocator;
    options.threads = 2;
    CHECK(expected && !(image_begin % 4096));
    RUN(same_model_every_way);
    RUN(mapping_outlives_model_and_name);
    RUN(truncations);
    RUN(layouts_of_others);
    RUN(sizes);
    RUN(lists);
    RUN(other_networks_image);
    RUN(values_that_are_not_finite);
    RUN(configuration_stays);
    RUN(places_that_cannot_be_written);
    RUN(failing_allocations);
    RUN(mutations);
    meter_finish(&meter);
    unlink(path), unlink(other);
    if (rmdir(folder)) { /* a file half-written */
        printf("something is left in %s\n", folder);
        check_failed++;
    }
    free(tensor);
    free(sound.data);
    return check_finish("weights_packed");
}
