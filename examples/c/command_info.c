/* command_info.c - `uldor info`: what a weights file holds */
#include <stdio.h>
#include <string.h>

#include <uldor.h>

#include "commands.h"
#include "json_text.h"
#include "message.h"
#include "model_open.h"
#include "options.h"
#include "reason.h"

static const char help[] =
    "usage: uldor info [options] WEIGHTS\n"
    "\n"
    "Shows what a model is: its architecture, classes, input, size, name and licence.\n"
    "\n"
    "      --json            the same as JSON, with the whole configuration\n"
    "      --config FILE     JSON to use instead of the configuration in the weights\n"
    "  -h, --help            this text\n";

typedef struct model_texts {
    const char *name, *version, *license, *description, *config;
} model_texts;

static model_texts texts_of(const uldor_model *model) {
    model_texts texts = {"", "", "", "", "{}"};
    uldor_model_get_text(model, ULDOR_TEXT_NAME, &texts.name);
    uldor_model_get_text(model, ULDOR_TEXT_VERSION, &texts.version);
    uldor_model_get_text(model, ULDOR_TEXT_LICENSE, &texts.license);
    uldor_model_get_text(model, ULDOR_TEXT_DESCRIPTION, &texts.description);
    uldor_model_get_text(model, ULDOR_TEXT_CONFIG, &texts.config);
    return texts;
}

static const char *rule_name(const uldor_model_info *info) {
    return info->class_rule == ULDOR_CLASS_RULE_BEST_CLASS ? "best_class" : "per_class";
}

static const char *class_name(const uldor_model *model, int32_t index) {
    const char *name = "";
    uldor_model_get_class_name(model, index, &name);
    return name;
}

static void print_text(const char *label, const char *text) {
    if (*text == 0) return;
    printf("%-14s", label);
    message_print_foreign(stdout, text);
    putchar('\n');
}

/* What the largest slice takes beside the model, on all cores; 0 where it cannot be said. */
static int64_t scratch_of(uldor_model *model, const uldor_model_info *info) {
    uldor_session *session = NULL;
    int64_t bytes = 0;
    if (uldor_session_create(model, NULL, &session) < 0) return 0;
    if (uldor_session_estimate_memory(session, info->max_size, info->max_size, &bytes) < 0) bytes = 0;
    uldor_session_free(session);
    return bytes;
}

static void print_summary(const char *path, uldor_model *model, const uldor_model_info *info) {
    model_texts texts = texts_of(model);
    print_text("file", path);
    print_text("name", texts.name);
    print_text("version", texts.version);
    print_text("licence", texts.license);
    print_text("description", texts.description);
    printf("%-14s", "network");
    if (info->depth != 0) printf("Mask R-CNN, ResNet-%d with FPN\n", (int)info->depth);
    else printf("Mask R-CNN, ResNet (other depth) with FPN\n");
    printf("%-14sstem %d, FPN %d, box head %d, mask head %d (masks of %d x %d)\n", "channels", (int)info->stem_channels,
           (int)info->fpn_channels, (int)info->box_channels, (int)info->mask_channels, (int)info->mask_size,
           (int)info->mask_size);
    printf("%-14s%d at each place\n", "anchors", (int)info->anchors_per_location);
    printf("%-14s", "classes");
    for (int32_t i = 0; i < info->classes; i++) {
        if (i > 0) fputs(", ", stdout);
        message_print_foreign(stdout, class_name(model, i));
    }
    printf(" (%s)\n", rule_name(info));
    printf("%-14s%d slice%s", "input", (int)info->input_channels, info->input_channels == 1 ? "" : "s");
    if (info->input_channels > 1) printf(" %g mm apart", info->slice_distance_mm);
    printf(", pixels of %g mm, at most %d a side\n", info->spacing_mm, (int)info->max_size);
    printf("%-14sscore above %g, at most %d a slice\n", "findings", (double)info->score_threshold,
           (int)info->detections);
    printf("%-14s%lld\n", "parameters", (long long)info->parameters);
    printf("%-14s%.1f MB", "memory", (double)info->memory_bytes / 1e6);
    int64_t scratch = scratch_of(model, info);
    if (scratch > 0)
        printf(", and %.1f MB for a slice of %d x %d", (double)scratch / 1e6, (int)info->max_size, (int)info->max_size);
    putchar('\n');
}

static int print_json(const char *path, uldor_model *model, const uldor_model_info *info, reason *why) {
    model_texts texts = texts_of(model);
    json_t *classes = json_array();
    for (int32_t i = 0; i < info->classes; i++) json_array_append_new(classes, json_text(class_name(model, i)));
    int64_t scratch = scratch_of(model, info);
    json_t *config = json_loads(texts.config, 0, NULL);
    json_t *document = json_pack(
        "{so so so so so so so ss si s{si si si si si} si s{si so so si} so si sI sI so}", "path", json_text(path), "name",
        json_text(texts.name), "version", json_text(texts.version), "license", json_text(texts.license), "description",
        json_text(texts.description), "config", config != NULL ? config : json_null(), "classes", classes, "class_rule",
        rule_name(info), "depth", (int)info->depth, "channels", "stem", (int)info->stem_channels, "fpn",
        (int)info->fpn_channels, "box", (int)info->box_channels, "mask", (int)info->mask_channels, "mask_size",
        (int)info->mask_size, "anchors_per_location", (int)info->anchors_per_location, "input", "slices",
        (int)info->input_channels, "slice_distance_mm", json_number(info->slice_distance_mm), "spacing_mm",
        json_number(info->spacing_mm), "max_size", (int)info->max_size, "score_threshold",
        json_float(info->score_threshold), "max_detections", (int)info->detections, "parameters",
        (json_int_t)info->parameters, "memory_bytes", (json_int_t)info->memory_bytes, "scratch_bytes",
        scratch > 0 ? json_integer(scratch) : json_null());
    int status = json_write_file(document, "-", JSON_INDENT(2), why);
    json_decref(document);
    return status;
}

typedef struct info_options {
    const char *config;
    bool json;
} info_options;

static const option_row rows[] = {
    {"json", 'j', no_argument, option_flag, .place = offsetof(info_options, json)},
    {"config", 0, required_argument, option_text, .place = offsetof(info_options, config)},
    {0},
};

int command_info(int argc, char **argv) {
    info_options options = {0};
    int code = options_parse(argc, argv, help, (const option_group[]){{rows, &options}, {0}});
    if (code >= 0) return code;
    if (optind + 1 != argc) return options_usage_error("info", "one weights file is needed");
    uldor_model *model = model_open(argv[optind], options.config, 0);
    if (model == NULL) return EXIT_FAILED;
    uldor_model_info info = {.struct_size = sizeof info};
    reason why;
    code = EXIT_OK;
    if (uldor_model_get_info(model, &info) < 0) {
        message_error(argv[optind], "%s", uldor_last_error());
        code = EXIT_FAILED;
    } else if (!options.json) {
        print_summary(argv[optind], model, &info);
    } else if (print_json(argv[optind], model, &info, &why) != 0) {
        message_error("-", "%s", why.text);
        code = EXIT_FAILED;
    }
    uldor_model_free(model);
    return code;
}
