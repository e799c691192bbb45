/*
 * weights_file.c - the container: what is not safetensors, or a damaged one, is refused as such
 *
 * Every refusal must have a message and give back all memory; nothing here may crash, hang or take gigabytes.
 */
#include "support.h"
#include "weightfile.h"

static struct weightfile fixture;
static struct meter meter;
static uldor_model_options options;

/* Loads from a heap block of exactly that size, so that a sanitizer sees a read past its end. */
static uldor_status load(const void *data, size_t bytes) {
    uldor_model *model = UNTOUCHED(uldor_model);
    uint8_t *exact = malloc(bytes ? bytes : 1);
    if (!exact) exit(2);
    memcpy(exact, data, bytes);
    uldor_status status = uldor_model_load_memory(exact, bytes, &options, &model);
    free(exact);
    if (status < 0) {
        CHECK(model == UNTOUCHED(uldor_model));
        CHECK(*uldor_last_error() && !strchr(uldor_last_error(), '\n'));
        CHECK(status == ULDOR_ERROR_FORMAT || status == ULDOR_ERROR_MODEL || status == ULDOR_ERROR_INVALID_ARGUMENT);
    } else {
        uldor_model_free(model);
    }
    CHECK_INT(meter.live_blocks, 0);
    return status;
}

static uldor_status load_bytes(struct bytes bytes) {
    uldor_status status = load(bytes.data, bytes.size);
    free(bytes.data);
    return status;
}
static uldor_status load_header(const char *header) {
    return load_bytes(weightfile_raw(header, strlen(header), fixture.data, fixture.data_bytes));
}

static void as_it_is(void) {
    struct bytes rebuilt = weightfile_build(&fixture);
    CHECK_INT(load_bytes(rebuilt), ULDOR_OK);
    CHECK(meter.peak_bytes > 0);
}

static void short_files(void) {
    const uint8_t zero[100] = {0};
    uint8_t ones[100];
    memset(ones, 0xff, sizeof ones);
    for (size_t bytes = 0; bytes <= 100; bytes++) {
        CONTEXT("%zu bytes", bytes);
        CHECK(load(zero, bytes) < 0);
        CHECK(load(ones, bytes) < 0);
    }
}

static void header_lengths(void) {
    struct bytes sound = weightfile_build(&fixture);
    const uint64_t lengths[] = {0, 1, 7, sound.size - 8 + 1, sound.size, (uint64_t)1 << 31, (uint64_t)1 << 32,
                                100000001, INT64_MAX, (uint64_t)1 << 63, UINT64_MAX - 7, UINT64_MAX - 8, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        CONTEXT("length %" PRIu64, lengths[i]);
        memcpy(sound.data, &lengths[i], 8);
        CHECK_INT(load(sound.data, sound.size), ULDOR_ERROR_FORMAT);
    }
    free(sound.data);
}

static void headers_that_are_not_json_objects(void) {
    static const char *const headers[] = {
        "", " ", "{", "}", "[]", "[1]", "1", "null", "true", "\"text\"", "{}{}", "{} x", "{,}", "{\"a\"}", "{\"a\":}",
        "{\"a\":1}", "{\"a\":[]}", "{\"a\":null}", "{\"a\":{}}", "{\"a\":{},}", "{a:{}}", "{'a':{}}", "{\"a\":{}", "{\"a",
        "{\"a\":{\"dtype\":\"F32\"}}", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}",
        "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":4}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[\"1\"],\"data_offsets\":[0,4]}}",
        "{\"__metadata__\":1}", "{\"__metadata__\":[]}", "{\"__metadata__\":{\"uldor\":{}}}",
        "{\"__metadata__\":{\"uldor\":1}}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\\u12\"}", "{\"a\":\"\\x\"}",
        "{\"a\":\"\t\"}", "{\"a\":01}", "{\"a\":+1}", "{\"a\":1.}", "{\"a\":.5}", "{\"a\":1e}", "{\"a\":NaN}",
        "{\"a\":-}", "{\"a\":tru}", "{/**/}", "\xef\xbb\xbf{}", "{\"\xff\xfe\":{}}", "{\"\xc0\x80\":{}}",
        "{\"\xed\xa0\x80\":{}}", "{\"\xf4\x90\x80\x80\":{}}", "{\"\xe2\x82\":{}}",
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        CONTEXT("%s", headers[i]);
        CHECK_INT(load_header(headers[i]), ULDOR_ERROR_FORMAT);
    }
    *check_context = 0;
    CHECK(load_bytes(weightfile_raw("{\"a\0b\":{}}", 10, fixture.data, fixture.data_bytes)) < 0);
    CHECK(load_bytes(weightfile_raw("{}\0", 3, fixture.data, fixture.data_bytes)) < 0);
}

static void deep_nesting(void) {
    enum { DEPTH = 100000 };
    clock_t started = clock();
    static const char *const openings[] = {"[", "{\"a\":", "{\"a\":[", "{\"__metadata__\":"};
    char *header = malloc(DEPTH * 20);
    NEED(header);
    for (size_t i = 0; i < 4; i++) {
        size_t length = strlen(openings[i]);
        CONTEXT("%s", openings[i]);
        for (size_t k = 0; k < DEPTH; k++) memcpy(header + k * length, openings[i], length);
        header[DEPTH * length] = 0;
        CHECK(load_header(header) < 0);
    }
    /* Nested where a reader may skip a value it does not look at. */
    strcpy(header, "{\"a\":{\"dtype\":\"F32\",\"other\":");
    size_t at = strlen(header);
    memset(header + at, '[', DEPTH);
    memset(header + at + DEPTH, ']', DEPTH);
    strcpy(header + at + 2 * DEPTH, "}}");
    CHECK(load_header(header) < 0);
    /* A header of 200 kB that takes seconds would take hours at the size that the format allows. */
    double seconds = (double)(clock() - started) / CLOCKS_PER_SEC;
    if (seconds > 2) FAIL("%.1f s", seconds);
    free(header);
}

/* Numbers in the place of offsets and sizes. */
static void numbers(void) {
    static const char *const values[] = {"-1", "0.5", "4.0", "4e0", "1e400", "-1e400", "18446744073709551615",
                                         "18446744073709551616", "9223372036854775807", "9223372036854775808",
                                         "99999999999999999999999999999999", "true", "null", "\"4\"", "[4]", "{}", ""};
    char header[512], digits[5000];
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        for (int place = 0; place < 3; place++) {
            const char *p[3] = {"1", "0", "4"};
            p[place] = values[i];
            snprintf(header, sizeof header, "{\"a\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%s,%s]}}", p[0],
                     p[1], p[2]);
            CONTEXT("%.200s", header);
            uldor_status status = load_bytes(weightfile_raw(header, strlen(header), "\0\0\0", 4));
            /* No sizes at all are those of a single value: sound, but not a detector. */
            CHECK_INT(status, place == 0 && !*values[i] ? ULDOR_ERROR_MODEL : ULDOR_ERROR_FORMAT);
        }
    memset(digits, '9', sizeof digits - 1);
    digits[sizeof digits - 1] = 0;
    char *longest = malloc(6000);
    NEED(longest);
    snprintf(longest, 6000, "{\"a\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[0,4]}}", digits);
    CHECK(load_header(longest) < 0);
    free(longest);
}

/* One change to one entry of an otherwise sound file. */
static void offsets(void) {
    const uint64_t size = fixture.data_bytes;
    int index = weightfile_find(&fixture, "backbone.body.conv1.weight");
    const struct entry sound = fixture.entries[index];
    const uint64_t ranges[][2] = {
        {sound.begin, sound.end + 4}, {sound.begin, sound.end - 4}, {sound.begin + 4, sound.end}, /* too long, too short */
        {sound.begin + 4, sound.end + 4},                                                         /* overlap */
        {sound.end, sound.begin}, {sound.begin, sound.begin}, {size, size + (sound.end - sound.begin)},
        {size + 1, size + 1}, {UINT64_MAX - 3, UINT64_MAX}, {UINT64_MAX, 0}, {0, UINT64_MAX},
        {INT64_MAX, INT64_MAX}, {(uint64_t)1 << 63, ((uint64_t)1 << 63) + (sound.end - sound.begin)},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        CONTEXT("offsets %" PRIu64 ", %" PRIu64, ranges[i][0], ranges[i][1]);
        fixture.entries[index].begin = ranges[i][0];
        fixture.entries[index].end = ranges[i][1];
        CHECK_INT(load_bytes(weightfile_build(&fixture)), ULDOR_ERROR_FORMAT);
        if (!message_names(uldor_last_error(), "conv1|offset|overlap|bytes")) FAIL("\"%s\"", uldor_last_error());
    }
    fixture.entries[index] = sound;
}

/* Bytes that no tensor covers: between two, at the end. The format forbids both. */
static void holes(void) {
    struct weightfile holed = fixture;
    holed.data_bytes = fixture.data_bytes + 64;
    holed.data = calloc(1, holed.data_bytes);
    NEED(holed.data);
    memcpy(holed.data, fixture.data, fixture.data_bytes);
    CONTEXT("64 bytes at the end");
    CHECK_INT(load_bytes(weightfile_build(&holed)), ULDOR_ERROR_FORMAT);
    memmove(holed.data + 64, holed.data, fixture.data_bytes);
    for (int i = 0; i < holed.count; i++) holed.entries[i].begin += 64, holed.entries[i].end += 64;
    CONTEXT("64 bytes at the beginning");
    CHECK_INT(load_bytes(weightfile_build(&holed)), ULDOR_ERROR_FORMAT);
    for (int i = 0; i < holed.count; i++) holed.entries[i].begin -= 64, holed.entries[i].end -= 64;
    free(holed.data);
    CONTEXT("4 bytes less");
    holed = fixture;
    holed.data_bytes -= 4;
    CHECK_INT(load_bytes(weightfile_build(&holed)), ULDOR_ERROR_FORMAT);
}

static void duplicates(void) {
    struct weightfile twice = fixture;
    twice.entries = malloc((size_t)(fixture.count + 1) * sizeof *twice.entries);
    NEED(twice.entries);
    memcpy(twice.entries, fixture.entries, (size_t)fixture.count * sizeof *twice.entries);
    twice.entries[twice.count++] = fixture.entries[0];
    CHECK_INT(load_bytes(weightfile_build(&twice)), ULDOR_ERROR_FORMAT);
    free(twice.entries);
    CHECK(load_header("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,4]}}") < 0);
    CHECK(load_header("{\"__metadata__\":{},\"__metadata__\":{}}") < 0);
}

int main(void) {
    fixture = weightfile_open(fixture_path());
    meter_init(&meter);
    if (uldor_model_options_init(&options, sizeof options) < 0) return 2;
    options.allocator = &meter.allocator;
    options.threads = 1;
    RUN(as_it_is);
    RUN(short_files);
    RUN(header_lengths);
    RUN(headers_that_are_not_json_objects);
    RUN(deep_nesting);
    RUN(numbers);
    RUN(offsets);
    RUN(holes);
    RUN(duplicates);
    RUN(as_it_is);
    meter_finish(&meter);
    weightfile_close(&fixture);
    return check_finish("weights_file");
}
