/*
 * output_json.c - see output_json.h
 *
 * json_pack's "o" takes over the value and fails when it is NULL, so that running out of memory anywhere ends in one NULL.
 */
#include "output_json.h"

#include <stdint.h>
#include <stdlib.h>

#include "json_text.h"
#include "mask_json.h"
#include "version.h"

static json_t *text_of_model(const uldor_model *model, int32_t which) {
    const char *text = "";
    uldor_model_get_text(model, which, &text);
    return json_text(text);
}

static json_t *describe_model(const detect_options *options, const uldor_model *model) {
    uldor_model_info info = {.struct_size = sizeof info};
    uldor_model_get_info(model, &info);
    json_t *classes = json_array();
    for (int32_t i = 0; i < info.classes; i++) {
        const char *name = "";
        uldor_model_get_class_name(model, i, &name);
        json_array_append_new(classes, json_text(name));
    }
    return json_pack("{so so so so}", "path", json_text(options->weights), "name",
                     text_of_model(model, ULDOR_TEXT_NAME), "version", text_of_model(model, ULDOR_TEXT_VERSION),
                     "classes", classes);
}

static json_t *describe_settings(const detect_options *options, const uldor_model *model) {
    uldor_model_info info = {.struct_size = sizeof info};
    uldor_model_get_info(model, &info);
    const uldor_session_options *session = &options->session;
    int32_t rule = session->class_rule != ULDOR_CLASS_RULE_DEFAULT ? session->class_rule : info.class_rule;
    return json_pack("{so so si ss sb sb sb}", "min_score",
                     json_float(session->score_threshold >= 0 ? session->score_threshold : info.score_threshold),
                     "nms_threshold", session->nms_threshold >= 0 ? json_float(session->nms_threshold) : json_null(),
                     "max_detections", (int)(session->detections > 0 ? session->detections : info.detections),
                     "class_rule", rule == ULDOR_CLASS_RULE_BEST_CLASS ? "best_class" : "per_class", "resampling",
                     !session->no_resampling, "body_crop", !session->no_body_crop, "exact", session->exact);
}

json_t *output_json_create(const detect_options *options, const uldor_model *model) {
    return json_pack("{ss si s{ss ss} so so s[]}", "format", "uldor-detections", "format_version", 1, "library", "name",
                     "libuldor", "version", version_of_library().text, "model", describe_model(options, model), "settings",
                     describe_settings(options, model), "images");
}

static json_t *axis(double x1, double y1, double x2, double y2, double px, bool has_mm, double mm) {
    return json_pack("{s[[oo][oo]] so so}", "points", json_length(x1), json_length(y1), json_length(x2),
                     json_length(y2), "length_px", json_length(px), "length_mm", json_length_if(has_mm, mm));
}

static json_t *recist(const uldor_detection *d) {
    bool mm = (d->flags & ULDOR_DETECTION_HAS_MM) != 0;
    if (!(d->flags & ULDOR_DETECTION_HAS_RECIST)) return json_null();
    return json_pack("{so so}", "long",
                     axis(d->long_x1, d->long_y1, d->long_x2, d->long_y2, d->long_px, mm, d->long_mm), "short",
                     axis(d->short_x1, d->short_y1, d->short_x2, d->short_y2, d->short_px, mm, d->short_mm));
}

static json_t *contour(const slice_result *slice, int32_t index, int32_t number) {
    size_t count = 0;
    if (uldor_result_get_contour(slice->result, index, number, NULL, 0, &count) < 0) return NULL;
    double *xy = malloc((2 * count + 1) * sizeof *xy);
    json_t *points = json_array();
    if (xy == NULL || uldor_result_get_contour(slice->result, index, number, xy, count, &count) < 0) {
        json_decref(points);
        points = NULL;
    }
    double doubled_area = 0;
    for (size_t i = 0; points != NULL && i < count; i++) {
        const double *a = xy + 2 * i, *b = xy + 2 * ((i + 1) % count);
        doubled_area += a[0] * b[1] - b[0] * a[1];
        json_array_append_new(points, json_pack("[oo]", json_length(a[0]), json_length(a[1])));
    }
    free(xy);
    return json_pack("{sb so}", "hole", doubled_area < 0, "points", points);
}

static json_t *contours(const slice_result *slice, int32_t index) {
    int32_t count = 0;
    if (uldor_result_get_contour_count(slice->result, index, &count) < 0) return NULL;
    json_t *list = json_array();
    for (int32_t i = 0; list != NULL && i < count; i++) {
        if (json_array_append_new(list, contour(slice, index, i)) == 0) continue;
        json_decref(list);
        list = NULL;
    }
    return list;
}

static json_t *detection_to_json(const slice_result *slice, int32_t index, bool has_false_positives) {
    uldor_detection d;
    if (!slice_result_get(slice, index, &d)) return NULL;
    bool mm = (d.flags & ULDOR_DETECTION_HAS_MM) != 0;
    json_t *false_positive = has_false_positives ? json_float(d.false_positive_probability) : json_null();
    return json_pack("{si si so so so so s[oooo] so so so so so}", "rank", (int)index + 1, "class_index",
                     (int)d.class_index, "class", json_text(slice_result_class(slice, &d)), "score",
                     json_float(d.score), "lesion_probability", json_float(d.lesion_probability),
                     "false_positive_probability", false_positive, "box", json_length(d.x1), json_length(d.y1),
                     json_length(d.x2), json_length(d.y2), "area_px", json_length(d.area_px), "area_mm2",
                     json_length_if(mm, d.area_mm2), "recist", recist(&d), "mask",
                     mask_to_json(slice->result, index, slice->info.height, slice->info.width), "contours",
                     contours(slice, index));
}

static json_t *input_to_json(const uldor_input_info *input) {
    return json_pack("{s[iiii] s[ii] s[oo]}", "crop", (int)input->crop_left, (int)input->crop_top,
                     (int)input->crop_width, (int)input->crop_height, "size", (int)input->input_width,
                     (int)input->input_height, "scale", json_number(input->scale_x), json_number(input->scale_y));
}

static json_t *slice_number(int32_t number) { return number >= 0 ? json_integer(number) : json_null(); }

static json_t *image_to_json(const slice_result *slice, json_t *detections) {
    const image *image = slice->image;
    const uldor_image *view = &image->view;
    json_t *spacing = view->spacing_x_mm > 0
                          ? json_pack("[oo]", json_number(view->spacing_x_mm), json_number(view->spacing_y_mm))
                          : json_null();
    json_t *axes = image->is_volume ? json_pack("[sss]", image->axes[0], image->axes[1], image->axes[2]) : json_null();
    return json_pack("{so so so si si so so so si so so so}", "path", json_text(slice->path), "slice",
                     slice_number(image_slice_number(image)), "voxel_axes", axes, "width", (int)view->width, "height",
                     (int)view->height, "spacing_mm", spacing, "slice_interval_mm",
                     view->slice_interval_mm > 0 ? json_number(view->slice_interval_mm) : json_null(), "input",
                     input_to_json(&slice->input), "missing_neighbours", (int)slice->info.missing_neighbours, "overlay",
                     slice->overlay != NULL ? json_text(slice->overlay) : json_null(), "error", json_null(),
                     "detections", detections);
}

int output_json_add(json_t *document, const slice_result *slice, reason *why) {
    uldor_model_info info = {.struct_size = sizeof info};
    uldor_model_get_info(slice->model, &info);
    bool has_false_positives = info.classes > ULDOR_CLASS_FALSE_POSITIVE;
    json_t *detections = json_array();
    for (int32_t i = 0; detections != NULL && i < slice->info.count; i++) {
        if (json_array_append_new(detections, detection_to_json(slice, i, has_false_positives)) == 0) continue;
        json_decref(detections);
        detections = NULL;
    }
    if (json_array_append_new(json_object_get(document, "images"), image_to_json(slice, detections)) == 0) return 0;
    return reason_set(why, "the findings cannot be put into JSON (not enough memory?)");
}

int output_json_add_failure(json_t *document, const char *path, int32_t number, const char *text) {
    json_t *entry = json_pack("{so so so s[]}", "path", json_text(path), "slice", slice_number(number), "error",
                              json_text(text), "detections");
    return json_array_append_new(json_object_get(document, "images"), entry);
}
