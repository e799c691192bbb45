/*
 * structs.c - programs and libraries of different ages
 *
 * An older program has smaller structs: what it does not know keeps its default. A newer one has larger structs: the
 * tail that this library does not know must be zero, else the program asks for something that it would not get.
 */
#include "support.h"

static uldor_model *model;
static uldor_session *session;
static uldor_result *result;
static int16_t pixels[SIDE * SIDE];

enum { TAIL = 64 };
/* Any struct of the header with a tail of a later version. */
union later {
    uint8_t bytes[512];
    uldor_model_options model_options;
    uldor_session_options session_options;
    uldor_image image;
    uldor_allocator allocator;
    uldor_detection detection;
    size_t struct_size;
};

typedef uldor_status (*init_function)(void *, size_t);
typedef uldor_status (*use_function)(union later *);

static uldor_status init_model_options(void *p, size_t n) { return uldor_model_options_init(p, n); }
static uldor_status init_session_options(void *p, size_t n) { return uldor_session_options_init(p, n); }
static uldor_status init_image(void *p, size_t n) { return uldor_image_init(p, n); }
static uldor_status init_allocator(void *p, size_t n) {
    static struct meter meter;
    meter_init(&meter);
    memset(p, 0, n);
    meter.allocator.struct_size = n;
    memcpy(p, &meter.allocator, n < sizeof meter.allocator ? n : sizeof meter.allocator);
    return ULDOR_OK;
}

static uldor_status use_model_options(union later *later) {
    uldor_model *m;
    uldor_status status = uldor_model_load_file(fixture_path(), &later->model_options, &m);
    return status < 0 ? status : uldor_model_free(m);
}
static uldor_status use_session_options(union later *later) {
    uldor_session *s;
    uldor_status status = uldor_session_create(model, &later->session_options, &s);
    return status < 0 ? status : uldor_session_free(s);
}
static uldor_status use_image(union later *later) {
    uldor_input_info info = {.struct_size = sizeof info};
    later->image.width = later->image.height = SIDE;
    later->image.data = pixels;
    later->image.data_bytes = sizeof pixels;
    if (later->struct_size >= offsetof(uldor_image, slice_interval_mm))
        later->image.spacing_x_mm = later->image.spacing_y_mm = 0.8;
    return uldor_session_get_input(session, &later->image, ULDOR_INPUT_HU, NULL, 0, &info);
}
static uldor_status use_allocator(union later *later) {
    uldor_tensors *tensors;
    uldor_status status = uldor_tensors_create(&later->allocator, &tensors);
    return status < 0 ? status : uldor_tensors_free(tensors);
}

static const struct input_struct {
    const char *name;
    size_t size;
    size_t older[4]; /* sizes at which an older version could have ended: boundaries of fields; 0: none */
    init_function init;
    use_function use;
} inputs[] = {
    {"uldor_model_options", sizeof(uldor_model_options),
     {offsetof(uldor_model_options, threads), offsetof(uldor_model_options, config), sizeof(size_t)},
     init_model_options, use_model_options},
    {"uldor_session_options", sizeof(uldor_session_options),
     {offsetof(uldor_session_options, keep_false_positives), offsetof(uldor_session_options, memory_limit),
      offsetof(uldor_session_options, threads), sizeof(size_t)},
     init_session_options, use_session_options},
    {"uldor_image", sizeof(uldor_image), {offsetof(uldor_image, slice_interval_mm), 0, 0}, init_image, use_image},
    {"uldor_allocator", sizeof(uldor_allocator), {0, 0, 0}, init_allocator, use_allocator},
};
enum { INPUTS = sizeof inputs / sizeof *inputs };

static void init_fills_exactly(void) {
    for (int i = 0; i < INPUTS - 1; i++) { /* the allocator has no init function */
        const size_t sizes[] = {inputs[i].size, inputs[i].size + TAIL, inputs[i].older[0]};
        for (size_t k = 0; k < 3; k++) {
            union later later;
            memset(&later, 0xff, sizeof later);
            CONTEXT("%s of %zu bytes", inputs[i].name, sizes[k]);
            NEED_OK(inputs[i].init(&later, sizes[k]));
            CHECK_INT(later.struct_size, sizes[k]);
            CHECK_INT(later.bytes[sizes[k]], 0xff);
            for (size_t b = inputs[i].size; b < sizes[k]; b++) CHECK_INT(later.bytes[b], 0);
        }
    }
}

static void init_refuses_sizes(void) {
    const size_t bad[] = {0, 1, sizeof(size_t) - 1, SIZE_MAX, (size_t)1 << 40};
    for (int i = 0; i < INPUTS - 1; i++)
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
            union later later;
            memset(&later, 0xff, sizeof later);
            CONTEXT("%s of %zu bytes", inputs[i].name, bad[k]);
            CHECK_ERROR(inputs[i].init(&later, bad[k]), ULDOR_ERROR_INVALID_ARGUMENT, "struct_size");
            for (size_t b = 0; b < sizeof later.bytes; b++)
                if (later.bytes[b] != 0xff) {
                    FAIL("byte %zu was written", b);
                    break;
                }
        }
}

static void use_refuses_sizes(void) {
    const size_t bad[] = {0, 1, sizeof(size_t) - 1, SIZE_MAX, (size_t)1 << 40};
    for (int i = 0; i < INPUTS; i++)
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
            union later later;
            memset(&later, 0, sizeof later);
            CONTEXT("%s of %zu bytes", inputs[i].name, bad[k]);
            inputs[i].init(&later, inputs[i].size);
            later.struct_size = bad[k];
            CHECK_ERROR(inputs[i].use(&later), ULDOR_ERROR_INVALID_ARGUMENT, "struct_size");
        }
}

static void older_and_newer_programs(void) {
    for (int i = 0; i < INPUTS; i++) {
        for (int k = 0; k < 4 && inputs[i].older[k]; k++) {
            union later later;
            /* What lies behind an older program's struct is not the library's to read. */
            memset(&later, 0xff, sizeof later);
            CONTEXT("%s of an older program, %zu bytes", inputs[i].name, inputs[i].older[k]);
            NEED_OK(inputs[i].init(&later, inputs[i].older[k]));
            CHECK_OK(inputs[i].use(&later));
        }
        union later later;
        memset(&later, 0xff, sizeof later);
        CONTEXT("%s of a newer program", inputs[i].name);
        NEED_OK(inputs[i].init(&later, inputs[i].size + TAIL));
        CHECK_OK(inputs[i].use(&later));
        const size_t set[] = {inputs[i].size, inputs[i].size + TAIL - 1};
        for (int k = 0; k < 2; k++) {
            CONTEXT("%s of a newer program with byte %zu set", inputs[i].name, set[k]);
            NEED_OK(inputs[i].init(&later, inputs[i].size + TAIL));
            later.bytes[set[k]] = 1;
            CHECK_ERROR(inputs[i].use(&later), ULDOR_ERROR_INVALID_ARGUMENT, "struct_size|does not know");
        }
    }
}

/* An older program's options mean the same as today's defaults. */
static void older_options_are_defaults(void) {
    uldor_session_options options;
    memset(&options, 0xff, sizeof options);
    NEED_OK(uldor_session_options_init(&options, offsetof(uldor_session_options, threads)));
    uldor_session *old, *now;
    NEED_OK(uldor_session_create(model, &options, &old));
    NEED_OK(uldor_session_create(model, NULL, &now));
    uldor_session_info a = {.struct_size = sizeof a}, b = a;
    CHECK_OK(uldor_session_get_info(old, &a));
    CHECK_OK(uldor_session_get_info(now, &b));
    CHECK_INT(a.threads, b.threads);
    CHECK(a.instructions == b.instructions || !strcmp(a.instructions, b.instructions));
    CHECK_OK(uldor_session_free(old));
    CHECK_OK(uldor_session_free(now));
}

static uldor_status fill_model_info(void *p) { return uldor_model_get_info(model, p); }
static uldor_status fill_session_info(void *p) { return uldor_session_get_info(session, p); }
static uldor_status fill_result_info(void *p) { return uldor_result_get_info(result, p); }
static uldor_status fill_detection(void *p) { return uldor_result_get(result, 0, p); }
static uldor_status fill_input_info(void *p) {
    uldor_image image = slice_image(pixels, SIDE, SIDE);
    return uldor_session_get_input(session, &image, ULDOR_INPUT_HU, NULL, 0, p);
}
static uldor_status fill_pseudo_mask_info(void *p) {
    const double recist[8] = {10, 20, 30, 20, 20, 14, 20, 26};
    return uldor_pseudo_mask_get_info(recist, p);
}
static uldor_tensors *tensors;
static uldor_status fill_tensor(void *p) { return uldor_tensors_get(tensors, 0, p); }

static const struct {
    const char *name;
    size_t size, older;
    uldor_status (*fill)(void *);
} outputs[] = {
    {"uldor_model_info", sizeof(uldor_model_info), offsetof(uldor_model_info, parameters), fill_model_info},
    {"uldor_session_info", sizeof(uldor_session_info), offsetof(uldor_session_info, memory_bytes), fill_session_info},
    {"uldor_result_info", sizeof(uldor_result_info), offsetof(uldor_result_info, missing_neighbours), fill_result_info},
    {"uldor_detection", sizeof(uldor_detection), offsetof(uldor_detection, long_x1), fill_detection},
    {"uldor_input_info", sizeof(uldor_input_info), offsetof(uldor_input_info, scale_x), fill_input_info},
    {"uldor_pseudo_mask_info", sizeof(uldor_pseudo_mask_info), offsetof(uldor_pseudo_mask_info, x1),
     fill_pseudo_mask_info},
    {"uldor_tensor", sizeof(uldor_tensor), offsetof(uldor_tensor, dims), fill_tensor},
};

static void structs_that_the_library_fills(void) {
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        const size_t bad[] = {0, 1, sizeof(size_t) - 1, SIZE_MAX};
        union later full, other;
        for (size_t k = 0; k < 4; k++) {
            memset(&full, 0xff, sizeof full);
            full.struct_size = bad[k];
            CONTEXT("%s of %zu bytes", outputs[i].name, bad[k]);
            CHECK_ERROR(outputs[i].fill(&full), ULDOR_ERROR_INVALID_ARGUMENT, "struct_size");
            CHECK_INT(full.bytes[sizeof(size_t)], 0xff);
        }
        memset(&full, 0, sizeof full);
        full.struct_size = outputs[i].size;
        CONTEXT("%s", outputs[i].name);
        NEED_OK(outputs[i].fill(&full));
        CHECK_INT(full.struct_size, outputs[i].size);

        CONTEXT("%s of an older program", outputs[i].name);
        memset(&other, 0xee, sizeof other);
        other.struct_size = outputs[i].older;
        NEED_OK(outputs[i].fill(&other));
        CHECK(!memcmp(other.bytes + sizeof(size_t), full.bytes + sizeof(size_t), outputs[i].older - sizeof(size_t)));
        CHECK_INT(other.struct_size, outputs[i].older);
        CHECK_INT(other.bytes[outputs[i].older], 0xee);
        CHECK_INT(other.bytes[outputs[i].size - 1], 0xee);

        CONTEXT("%s of a newer program", outputs[i].name);
        memset(&other, 0xee, sizeof other);
        other.struct_size = outputs[i].size + TAIL;
        NEED_OK(outputs[i].fill(&other));
        CHECK_INT(other.bytes[outputs[i].size + TAIL], 0xee);
    }
}

static void allocators_that_cannot_be_used(void) {
    struct meter meter;
    uldor_tensors *t = UNTOUCHED(uldor_tensors);
    meter_init(&meter);
    meter.allocator.allocate = NULL;
    CHECK_ERROR(uldor_tensors_create(&meter.allocator, &t), ULDOR_ERROR_INVALID_ARGUMENT, "allocat");
    meter_init(&meter);
    meter.allocator.deallocate = NULL;
    CHECK_ERROR(uldor_tensors_create(&meter.allocator, &t), ULDOR_ERROR_INVALID_ARGUMENT, "allocat");
    meter_init(&meter);
    meter.allocator.struct_size = offsetof(uldor_allocator, deallocate);
    CHECK_ERROR(uldor_tensors_create(&meter.allocator, &t), ULDOR_ERROR_INVALID_ARGUMENT, "allocat|struct_size");
    CHECK(t == UNTOUCHED(uldor_tensors));
}

int main(void) {
    const int64_t dims[2] = {1, 2};
    const float values[2] = {1, 2};
    open_fixture(&model, &session, 1);
    draw_slice(pixels, SIDE, SIDE);
    uldor_image image = slice_image(pixels, SIDE, SIDE);
    if (uldor_session_detect(session, &image, &result) < 0 || uldor_tensors_create(NULL, &tensors) < 0 ||
        uldor_tensors_add(tensors, "t", values, 2, dims) < 0) {
        printf("structs: cannot start: %s\nstructs: 0 passed, 1 failed\n", uldor_last_error());
        return 1;
    }
    RUN(init_fills_exactly);
    RUN(init_refuses_sizes);
    RUN(use_refuses_sizes);
    RUN(older_and_newer_programs);
    RUN(older_options_are_defaults);
    RUN(structs_that_the_library_fills);
    RUN(allocators_that_cannot_be_used);
    uldor_tensors_free(tensors);
    uldor_result_free(result);
    uldor_session_free(session);
    uldor_model_free(model);
    return check_finish("structs");
}
