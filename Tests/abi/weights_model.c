/*
 * weights_model.c - a sound container that is not a usable detector: tensors missing, of other shapes, with NaN; wrong
 * configurations. MODEL, and the message names the tensor or the field.
 */
#include <math.h>

#include "support.h"
#include "weightfile.h"

static struct weightfile fixture;
static struct meter meter;
static uldor_model_options options;

static uldor_status load_bytes(struct bytes bytes) {
    uldor_model *model = UNTOUCHED(uldor_model);
    uldor_status status = uldor_model_load_memory(bytes.data, bytes.size, &options, &model);
    if (status < 0) {
        CHECK(model == UNTOUCHED(uldor_model));
        CHECK(*uldor_last_error());
    } else {
        uldor_model_free(model);
    }
    free(bytes.data);
    CHECK_INT(meter.live_blocks, 0);
    return status;
}

/* The name without its last part: a message may name the layer for its weight and bias together. */
static int names_tensor(const char *name) {
    char layer[128];
    snprintf(layer, sizeof layer, "%s", name);
    if (strrchr(layer, '.')) *strrchr(layer, '.') = 0;
    return strstr(uldor_last_error(), layer) != NULL;
}

/* Removes each tensor in turn, closing the hole that it leaves. */
static void each_tensor_missing(void) {
    for (int i = 0; i < fixture.count; i++) {
        struct weightfile less = fixture;
        const struct entry gone = fixture.entries[i];
        uint64_t size = gone.end - gone.begin;
        less.count--;
        less.entries = malloc((size_t)fixture.count * sizeof *less.entries);
        less.data = malloc(fixture.data_bytes);
        NEED(less.entries && less.data);
        for (int k = 0, n = 0; k < fixture.count; k++) {
            if (k == i) continue;
            less.entries[n] = fixture.entries[k];
            if (less.entries[n].begin >= gone.end) less.entries[n].begin -= size, less.entries[n].end -= size;
            n++;
        }
        memcpy(less.data, fixture.data, gone.begin);
        memcpy(less.data + gone.begin, fixture.data + gone.end, fixture.data_bytes - gone.end);
        less.data_bytes = fixture.data_bytes - size;
        uldor_status status = load_bytes(weightfile_build(&less));
        CONTEXT("without %s: %s", gone.name, status < 0 ? uldor_last_error() : "loads");
        /* A whole block may be optional where its absence makes another depth; its other tensors then are in the way. */
        if (strstr(gone.name, "num_batches_tracked")) CHECK_INT(status, ULDOR_OK);
        else CHECK_INT(status, ULDOR_ERROR_MODEL);
        if (status < 0) CHECK(names_tensor(gone.name));
        free(less.entries);
        free(less.data);
    }
}

/* The same bytes under another shape or type. */
static void shapes_and_types(void) {
    static const char *const tensors[] = {"body.conv1.weight", "layer1.0.bn1.running_var", "roi_heads.box_head.fc6.weight",
                                          "box_predictor.cls_score.bias", "mask_fcn_logits.weight"};
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        struct entry *entry = &fixture.entries[weightfile_find(&fixture, tensors[i])], sound = *entry;
        uint64_t count = (entry->end - entry->begin) / (!strcmp(entry->dtype, "F32") ? 4 : 2);
        char flat[64], five[64], ones[64], zero[64];
        snprintf(flat, sizeof flat, "[%" PRIu64 "]", count);
        snprintf(five, sizeof five, "[%" PRIu64 ",1,1,1,1]", count);
        snprintf(ones, sizeof ones, "[1,%" PRIu64 ",1]", count);
        snprintf(zero, sizeof zero, "[%" PRIu64 ",0]", count);
        const char *const shapes[] = {five, ones, strcmp(flat, sound.shape) ? flat : ones};
        for (int k = 0; k < 3; k++) {
            CONTEXT("%s as %s", entry->name, shapes[k]);
            snprintf(entry->shape, sizeof entry->shape, "%s", shapes[k]);
            CHECK_INT(load_bytes(weightfile_build(&fixture)), ULDOR_ERROR_MODEL);
            CHECK(names_tensor(entry->name));
        }
        /* Shapes whose product does not fit, wraps to the right count, is 0, or is a rank without end. */
        static const char *const wild[] = {"[4294967296,4294967296]", "[9223372036854775807,2]",
                                           "[18446744073709551615]", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0]"};
        for (int k = 0; k < 6; k++) {
            CONTEXT("%s as %s", entry->name, k < 5 ? wild[k] : zero);
            snprintf(entry->shape, sizeof entry->shape, "%s", k < 5 ? wild[k] : zero);
            uldor_status status = load_bytes(weightfile_build(&fixture));
            CHECK(status == ULDOR_ERROR_FORMAT || status == ULDOR_ERROR_MODEL);
        }
        static const char *const types[] = {"I64", "F64", "U8", "BOOL", "f32", "", "F128", "F8_E4M3"};
        *entry = sound;
        for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
            CONTEXT("%s of type %s", entry->name, types[k]);
            snprintf(entry->dtype, sizeof entry->dtype, "%s", types[k]);
            uldor_status status = load_bytes(weightfile_build(&fixture));
            CHECK(status == ULDOR_ERROR_FORMAT || status == ULDOR_ERROR_MODEL || status == ULDOR_ERROR_UNSUPPORTED);
            CHECK(names_tensor(entry->name));
        }
        *entry = sound;
    }
}

static void values_that_are_not_finite(void) {
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < fixture.count; i += 7) {
        struct entry *entry = &fixture.entries[i];
        if (strcmp(entry->dtype, "F32") || strstr(entry->name, "num_batches")) continue;
        for (int k = 0; k < 3; k++) {
            uint8_t *last = fixture.data + entry->end - 4;
            float sound;
            memcpy(&sound, last, 4);
            memcpy(last, &bad[k], 4);
            CONTEXT("%s ends with %g", entry->name, bad[k]);
            CHECK_INT(load_bytes(weightfile_build(&fixture)), ULDOR_ERROR_MODEL);
            CHECK(strstr(uldor_last_error(), entry->name));
            memcpy(last, &sound, 4);
        }
    }
}

/* A variance whose sum with epsilon has no root. */
static void negative_variance(void) {
    struct entry *entry = &fixture.entries[weightfile_find(&fixture, "bn1.running_var")];
    const float bad = -1;
    float sound;
    memcpy(&sound, fixture.data + entry->begin, 4);
    memcpy(fixture.data + entry->begin, &bad, 4);
    CHECK_INT(load_bytes(weightfile_build(&fixture)), ULDOR_ERROR_MODEL);
    CHECK(names_tensor(entry->name));
    memcpy(fixture.data + entry->begin, &sound, 4);
}

static void stored_otherwise(void) {
    struct entry *entry = &fixture.entries[weightfile_find(&fixture, "bn1.bias")];
    struct entry sound = *entry;
    snprintf(entry->dtype, sizeof entry->dtype, "F64");
    CHECK_INT(load_bytes(weightfile_build(&fixture)), ULDOR_ERROR_UNSUPPORTED);
    CHECK(names_tensor(entry->name));
    *entry = sound;
}

/* A tensor that the network does not use may be of any type and shape. */
static void other_tensors(void) {
    struct weightfile more = fixture;
    more.entries = malloc((size_t)(fixture.count + 1) * sizeof *more.entries);
    more.data = calloc(1, fixture.data_bytes + 8);
    NEED(more.entries && more.data);
    memcpy(more.entries, fixture.entries, (size_t)fixture.count * sizeof *more.entries);
    memcpy(more.data, fixture.data, fixture.data_bytes);
    more.entries[more.count++] = (struct entry){"backbone.body.bn1.num_batches_tracked", "I64", "[]",
                                                fixture.data_bytes, fixture.data_bytes + 8};
    more.data_bytes += 8;
    CHECK_INT(load_bytes(weightfile_build(&more)), ULDOR_OK);
    free(more.entries);
    free(more.data);
}

#define BASE "\"format\":1,\"classes\":[\"background\",\"lesion\"]"

static const struct {
    const char *config, *names; /* what the message must name */
} configurations[] = {
    {"", ""}, {" ", ""}, {"null", ""}, {"[]", ""}, {"1", ""}, {"{", ""}, {"{" BASE "} {}", ""}, {"{" BASE ",}", ""},
    {"{}", "format"}, {"{\"format\":1}", "classes"}, {"{\"format\":2,\"classes\":[\"background\",\"lesion\"]}", "format"},
    {"{\"format\":\"1\",\"classes\":[\"background\",\"lesion\"]}", "format"},
    {"{\"format\":1,\"classes\":\"lesion\"}", "classes"}, {"{\"format\":1,\"classes\":[]}", "classes"},
    {"{\"format\":1,\"classes\":[\"background\"]}", "classes"}, {"{\"format\":1,\"classes\":[\"background\",1]}", "classes"},
    {"{\"format\":1,\"classes\":[\"background\",\"lesion\",\"false_positive\"]}", "class|cls_score"},
    {"{\"format\":1,\"classes\":[\"background\",\"a\",\"b\"]}", "class"},
    {"{\"format\":1,\"classes\":[\"background\",\"a\",\"b\",\"c\"]}", "class"},
    {"{" BASE ",\"anchor\":{}}", "anchor"}, {"{" BASE ",\"anchors\":{\"size\":[[32]]}}", "size"},
    {"{" BASE ",\"anchors\":[]}", "anchors"}, {"{" BASE ",\"anchors\":{\"sizes\":[[32]]}}", "sizes"},
    {"{" BASE ",\"anchors\":{\"sizes\":[[32],[64],[128],[256],[-1]]}}", "sizes"},
    {"{" BASE ",\"anchors\":{\"sizes\":[[32],[64],[128],[256],[]]}}", "sizes"},
    {"{" BASE ",\"anchors\":{\"sizes\":[[32],[64],[128],[256],[1e400]]}}", ""},
    {"{" BASE ",\"anchors\":{\"aspect_ratios\":[0.5,0,2]}}", "aspect_ratios"},
    {"{" BASE ",\"anchors\":{\"aspect_ratios\":[1,2]}}", "anchor|aspect_ratios|cls_logits"},
    {"{" BASE ",\"anchors\":{\"aspect_ratios\":[1,1,1,1,1,1,1,1,1]}}", "aspect_ratios"},
    {"{" BASE ",\"anchors\":{\"rounded\":1}}", "rounded"}, {"{" BASE ",\"class_rule\":\"best\"}", "class_rule"},
    {"{" BASE ",\"class_rule\":1}", "class_rule"}, {"{" BASE ",\"batch_norm_eps\":-1}", "batch_norm_eps"},
    {"{" BASE ",\"batch_norm_eps\":\"0\"}", "batch_norm_eps"}, {"{" BASE ",\"name\":1}", "name"},
    {"{" BASE ",\"roi_align\":{\"sampling_ratio\":-1}}", "sampling_ratio"},
    {"{" BASE ",\"roi_align\":{\"sampling_ratio\":9}}", "sampling_ratio"},
    {"{" BASE ",\"roi_align\":{\"sampling_ratio\":1.5}}", "sampling_ratio"},
    {"{" BASE ",\"roi_align\":{\"level_rule\":\"x\"}}", "level_rule"},
    {"{" BASE ",\"rpn\":{\"pre_nms_top_n\":0}}", "pre_nms_top_n"},
    {"{" BASE ",\"rpn\":{\"post_nms_top_n\":-5}}", "post_nms_top_n"},
    {"{" BASE ",\"rpn\":{\"post_nms_top_n\":1000000000000}}", "post_nms_top_n"},
    {"{" BASE ",\"rpn\":{\"nms_threshold\":2}}", "nms_threshold"}, {"{" BASE ",\"rpn\":{\"min_size\":-1}}", "min_size"},
    {"{" BASE ",\"box\":{\"score_threshold\":NaN}}", ""}, {"{" BASE ",\"box\":{\"score_threshold\":-0.1}}", "score_threshold"},
    {"{" BASE ",\"box\":{\"detections\":0}}", "detections"}, {"{" BASE ",\"box\":{\"detections\":100000}}", "detections"},
    {"{" BASE ",\"box\":{\"weights\":[10,10,5]}}", "weights"}, {"{" BASE ",\"box\":{\"weights\":[10,10,5,0]}}", "weights"},
    {"{" BASE ",\"mask\":{\"threshold\":1.5}}", "threshold"}, {"{" BASE ",\"mask\":{\"paste\":\"glue\"}}", "paste"},
    {"{" BASE ",\"input\":{\"slices\":4}}", "slices"}, {"{" BASE ",\"input\":{\"slices\":0}}", "slices"},
    {"{" BASE ",\"input\":{\"slices\":5}}", "slices|conv1"}, {"{" BASE ",\"input\":{\"slice_distance_mm\":0}}", "slice_distance_mm"},
    {"{" BASE ",\"input\":{\"window_hu\":[100,100]}}", "window_hu"}, {"{" BASE ",\"input\":{\"window_hu\":[1]}}", "window_hu"},
    {"{" BASE ",\"input\":{\"std\":0}}", "std"}, {"{" BASE ",\"input\":{\"std\":[1,1]}}", "std"},
    {"{" BASE ",\"input\":{\"body_opening\":4}}", "body_opening"}, {"{" BASE ",\"input\":{\"body_opening\":-1}}", "body_opening"},
    {"{" BASE ",\"input\":{\"body_opening\":1000001}}", "body_opening"},
    {"{" BASE ",\"input\":{\"spacing_mm\":0}}", "spacing_mm"}, {"{" BASE ",\"input\":{\"max_size\":31}}", "max_size"},
    {"{" BASE ",\"input\":{\"max_size\":4097}}", "max_size"}, {"{" BASE ",\"input\":{\"size_divisor\":0}}", "size_divisor"},
    {"{" BASE ",\"input\":{\"size_divisor\":33}}", "size_divisor"}, {"{" BASE ",\"input\":{\"size_divisor\":1073741824}}", "size_divisor"},
    {"{" BASE "," BASE "}", "format|twice|duplicate"},
};
enum { CONFIGURATIONS = sizeof configurations / sizeof *configurations };

/* What is no JSON is no configuration at all; what is JSON is a wrong one. */
static void expect_refusal(int i, uldor_status status) {
    if (status != ULDOR_ERROR_MODEL && !(status == ULDOR_ERROR_FORMAT && !*configurations[i].names))
        FAIL("%s: %s", uldor_status_name(status), status < 0 ? uldor_last_error() : "it loads");
}

static void configuration_as_option(void) {
    for (int i = 0; i < CONFIGURATIONS; i++) {
        options.config = configurations[i].config;
        CONTEXT("%.200s", configurations[i].config);
        expect_refusal(i, load_bytes(weightfile_build(&fixture)));
        if (*configurations[i].names && !message_names(uldor_last_error(), configurations[i].names))
            FAIL("the message \"%s\" names none of %s", uldor_last_error(), configurations[i].names);
    }
    options.config = "{" BASE "}"; /* what the variants above are variants of */
    CHECK_INT(load_bytes(weightfile_build(&fixture)), ULDOR_OK);
    options.config = NULL;
}

static void configuration_in_the_file(void) {
    char *sound = fixture.metadata, text[2048];
    for (int i = 0; i < CONFIGURATIONS; i++) {
        char *out = text + snprintf(text, sizeof text, "{\"other\":\"kept\",\"uldor\":\"");
        for (const char *p = configurations[i].config; *p; p++) {
            if (*p == '"') *out++ = '\\';
            *out++ = *p;
        }
        strcpy(out, "\"}");
        fixture.metadata = text;
        CONTEXT("%.200s", configurations[i].config);
        expect_refusal(i, load_bytes(weightfile_build(&fixture)));
    }
    fixture.metadata = sound;
}

int main(void) {
    fixture = weightfile_open(fixture_path());
    meter_init(&meter);
    if (uldor_model_options_init(&options, sizeof options) < 0) return 2;
    options.allocator = &meter.allocator;
    options.threads = 1;
    RUN(each_tensor_missing);
    RUN(shapes_and_types);
    RUN(values_that_are_not_finite);
    RUN(negative_variance);
    RUN(stored_otherwise);
    RUN(other_tensors);
    RUN(configuration_as_option);
    RUN(configuration_in_the_file);
    meter_finish(&meter);
    weightfile_close(&fixture);
    return check_finish("weights_model");
}
