/* evaluate_origin.c - see evaluate_origin.h */
#include "evaluate_origin.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fingerprint.h"
#include "json_text.h"
#include "message.h"
#include "version.h"

/* A file by its bytes, so that it may be moved but not changed; null where there is none. */
static json_t *file(const char *path, bool *failed) {
    fingerprint print;
    reason why;
    if (path == NULL) return json_null();
    if (fingerprint_of_file(path, &print, &why) == 0) return json_text(print.text);
    message_error(path, "%s", why.text);
    *failed = true;
    return json_null();
}

/* A file or directory by its full name; null where there is none. */
static json_t *place(const char *path) {
    char *full = path != NULL ? realpath(path, NULL) : NULL;
    json_t *value = path != NULL ? json_text(full != NULL ? full : path) : json_null();
    free(full);
    return value;
}

json_t *evaluate_origin(const evaluate_options *o, const uldor_model *model, const uldor_session *session) {
    static const char *const truths[] = {"none", "pseudo", "given", "both"};
    const uldor_dataset_options *data = &o->data.dataset;
    uldor_model_info info = {.struct_size = sizeof info};
    uldor_session_info running = {.struct_size = sizeof running};
    bool failed = false;
    uldor_model_get_info(model, &info);
    uldor_session_get_info(session, &running);
    int32_t rule = o->session.class_rule != ULDOR_CLASS_RULE_DEFAULT ? o->session.class_rule : info.class_rule;
    char *csv = data_options_path(&o->data, data->csv_path, "DL_info.csv");
    char *images = data_options_path(&o->data, data->image_directory, "Images_png");
    json_t *origin = NULL;
    if (csv != NULL && images != NULL)
        origin = json_pack(
            "{ss si ss so so so so so so so so ss sb sb so so si ss sb sb sb ss sb ss}",
            "format", "uldor-evaluation-journal", "format_version", 1, "version", version_of_library().text,
            "weights", file(o->weights, &failed), "config", file(o->config, &failed), "csv", place(csv),
            "csv_content", file(csv, &failed), "images", place(images), "masks", place(data->mask_directory),
            "boxes", file(data->boxes_path, &failed), "windows", file(data->windows_path, &failed),
            "split", froc_split_names[o->froc.split],
            "negatives", data->negatives != ULDOR_NEGATIVES_NONE, "keep_noisy", data->keep_noisy != 0,
            "min_score", json_float(o->session.score_threshold),
            "nms_threshold", o->session.nms_threshold < 0 ? json_null() : json_float(o->session.nms_threshold),
            "max_detections", (int)(o->session.detections > 0 ? o->session.detections : info.detections),
            "class_rule", rule == ULDOR_CLASS_RULE_BEST_CLASS ? "best-class" : "per-class",
            "resampling", !o->session.no_resampling, "body_crop", !o->session.no_body_crop, "exact", o->session.exact != 0,
            "instructions", strcmp(running.instructions, "portable") == 0 ? "portable" : "vector",
            "masks_out", o->masks_out, "mask_truth", truths[o->mask_truth]);
    if (origin == NULL && !failed) message_error(NULL, "not enough memory");
    free(csv), free(images);
    if (!failed) return origin;
    json_decref(origin);
    return NULL;
}
