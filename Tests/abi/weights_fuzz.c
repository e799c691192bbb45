/*
 * weights_fuzz.c - a sound file cut off at many places, and with random changes from a fixed seed
 *
 * Each variant is refused with a message or loads; one that loads must also run, since odd weights that get past the
 * loader may not harm the network either. FUZZ_ROUNDS in the environment sets another number of rounds.
 */
#include "support.h"
#include "weightfile.h"

static struct bytes sound;
static size_t header_end;
static struct meter meter;
static uldor_model_options options;
static float *tensor;
static int32_t channels;
static int loaded, refused;

static void run(uldor_model *model) {
    uldor_session_options session_options = eager_options();
    uldor_session *session;
    uldor_result *result;
    uldor_model_info info = {.struct_size = sizeof info};
    NEED_OK(uldor_model_get_info(model, &info));
    session_options.allocator = &meter.allocator;
    NEED_OK(uldor_session_create(model, &session_options, &session));
    if (info.input_channels == channels && uldor_session_forward(session, tensor, channels, 32, 32, &result) == ULDOR_OK) {
        uldor_result_info about = {.struct_size = sizeof about};
        uldor_detection d = {.struct_size = sizeof d};
        CHECK_OK(uldor_result_get_info(result, &about));
        for (int32_t i = 0; i < about.count; i++) {
            CHECK_OK(uldor_result_get(result, i, &d));
            CHECK(d.score >= 0 && d.score <= 1 && d.x1 >= 0 && d.x2 <= 32 && d.y1 >= 0 && d.y2 <= 32);
            CHECK_OK(uldor_result_get_contour_count(result, i, &(int32_t){0}));
        }
        CHECK_OK(uldor_result_free(result));
    }
    CHECK_OK(uldor_session_free(session));
}

static void attempt(const uint8_t *data, size_t bytes) {
    uldor_model *model;
    uint8_t *exact = malloc(bytes ? bytes : 1);
    if (!exact) exit(2);
    memcpy(exact, data, bytes);
    uldor_status status = uldor_model_load_memory(exact, bytes, &options, &model);
    free(exact); /* before the model is used: nothing of the caller's memory may be kept */
    if (status < 0) {
        refused++;
        CHECK(*uldor_last_error());
        CHECK(status != ULDOR_ERROR_INTERNAL);
    } else {
        loaded++;
        run(model);
        uldor_model_free(model);
    }
    CHECK_INT(meter.live_blocks, 0);
}

static void sound_file(void) {
    attempt(sound.data, sound.size);
    CHECK_INT(loaded, 1);
}

static void truncations(void) {
    loaded = 0;
    /* Densely through the header, coarsely through the data, and around both ends. */
    for (size_t bytes = 0; bytes < sound.size; bytes += bytes < header_end + 16 ? 37 : sound.size / 101 + 1) {
        CONTEXT("%zu bytes", bytes);
        attempt(sound.data, bytes);
    }
    for (size_t cut = 1; cut <= 16; cut++) attempt(sound.data, sound.size - cut);
    for (size_t bytes = header_end - 4; bytes < header_end + 4; bytes++) attempt(sound.data, bytes);
    CHECK_INT(loaded, 0);
}

/* One to four changes: a bit, a byte, a digit, a removed or a doubled stretch. Header and data get half each. */
static void mutations(void) {
    const char *asked = getenv("FUZZ_ROUNDS");
    int rounds = asked ? atoi(asked) : 500;
    uint32_t state = 20240229;
    uint8_t *copy = malloc(sound.size);
    NEED(copy);
    for (int round = 0; round < rounds; round++) {
        size_t size = sound.size;
        memcpy(copy, sound.data, size);
        CONTEXT("round %d", round);
        for (uint32_t changes = 1 + random_next(&state) % 4; changes; changes--) {
            size_t limit = random_next(&state) % 2 && header_end < size ? header_end : size;
            size_t at = random_next(&state) % limit;
            size_t length = 1 + random_next(&state) % 16;
            switch (random_next(&state) % 6) {
            case 0: copy[at] ^= (uint8_t)(1 << random_next(&state) % 8); break;
            case 1: copy[at] = (uint8_t)random_next(&state); break;
            case 2: copy[at] = (uint8_t)"0123456789-\"[]{},:eE. \\"[random_next(&state) % 23]; break;
            case 3: /* an exponent of all ones: NaN, Inf and huge numbers among the weights */
                if (at + 4 <= size) copy[at | 3] |= 0x7f;
                break;
            case 4:
                if (at + length < size) memmove(copy + at, copy + at + length, size - at - length), size -= length;
                break;
            default:
                if (at + 2 * length < size) memcpy(copy + at + length, copy + at, length);
            }
        }
        attempt(copy, size);
    }
    free(copy);
}

/* Every bit of the length field and of the first bytes of the header. */
static void each_bit_at_the_beginning(void) {
    for (size_t bit = 0; bit < 8 * 24; bit++) {
        CONTEXT("bit %zu", bit);
        sound.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        attempt(sound.data, sound.size);
        sound.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

int main(void) {
    uint64_t header_bytes;
    uldor_model *model;
    uldor_model_info info = {.struct_size = sizeof info};
    sound.data = read_file(fixture_path(), &sound.size);
    memcpy(&header_bytes, sound.data, 8);
    header_end = 8 + (size_t)header_bytes;
    open_fixture(&model, NULL, 1);
    if (uldor_model_get_info(model, &info) < 0) return 2;
    uldor_model_free(model);
    channels = info.input_channels;
    tensor = draw_tensor(channels, 32, 32);
    meter_init(&meter);
    if (uldor_model_options_init(&options, sizeof options) < 0) return 2;
    options.allocator = &meter.allocator;
    options.threads = 1;
    RUN(sound_file);
    RUN(truncations);
    RUN(each_bit_at_the_beginning);
    RUN(mutations);
    meter_finish(&meter);
    free(tensor);
    free(sound.data);
    return check_finish("weights_fuzz");
}
