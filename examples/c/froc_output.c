/* froc_output.c - the table and the JSON; see froc_output.h */
#include "froc_output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "json_text.h"

static void name_of(const uldor_froc_subset *s, char text[64]) {
    if (s->kind == ULDOR_FROC_ALL) snprintf(text, 64, "all");
    else if (s->kind == ULDOR_FROC_TYPE) snprintf(text, 64, "type %d", (int)s->value);
    else if (s->kind == ULDOR_FROC_GROUP) snprintf(text, 64, "group %d", (int)s->value);
    else if (s->low_mm == 0) snprintf(text, 64, "< %g mm", s->high_mm);
    else if (isinf(s->high_mm)) snprintf(text, 64, "> %g mm", s->low_mm);
    else snprintf(text, 64, "%g-%g mm", s->low_mm, s->high_mm);
}

static void print_cell(double value, double low, double high, bool has_interval) {
    char text[48];
    if (isnan(value)) snprintf(text, sizeof text, "-");
    else if (isnan(low)) snprintf(text, sizeof text, "%.2f", 100 * value);
    else snprintf(text, sizeof text, "%.2f (%.1f-%.1f)", 100 * value, 100 * low, 100 * high);
    printf("  %*s", has_interval ? 19 : 6, text);
}

double froc_box_level(const froc_report *report) {
    uldor_froc_info info = {.struct_size = sizeof info};
    if (uldor_froc_get_info(report->box_froc, &info) < 0 || info.images == 0) return NAN;
    return (double)info.false_positives / (double)info.images;
}

static void print_box(const froc_report *report) {
    const double *m = report->box->margins;
    if (report->box_froc == NULL) {
        printf("\nno image: there is no box, since the training split has no lesion to search on\n");
        return;
    }
    printf("\nno image: one box for all, %g, %g, %g, %g px from their left, top, right, bottom, the best on the %lld training lesions;\n"
           "          %.2f false positives an image\n", m[0], m[1], m[2], m[3], (long long)report->box->lesions, froc_box_level(report));
}

static void print_precision(const char *name, double value, double low, double high) {
    printf("%s %.2f", name, 100 * value);
    if (!isnan(low)) printf(" (%.1f-%.1f)", 100 * low, 100 * high);
}

int froc_print_table(const froc_report *report, reason *why) {
    uldor_froc_info info = {.struct_size = sizeof info};
    if (uldor_froc_get_info(report->froc, &info) < 0) return reason_set(why, "%s", uldor_last_error());
    bool wide = report->bootstrap > 0;
    printf("%lld images of %lld patients, %lld lesions; %lld detections: %lld false, %lld repeats, %lld ignored\n",
           (long long)info.images, (long long)info.patients, (long long)info.lesions, (long long)info.detections,
           (long long)info.false_positives, (long long)info.repeats, (long long)info.ignored);
    printf("sensitivity in %% by false positives an image, convention %s, IoU %s %g", report->convention,
           report->is_continued ? ">=" : ">", report->iou_threshold);
    if (wide) printf("; %g %% intervals, %d samples of patients", 100 * report->confidence, (int)report->bootstrap);
    printf("\n\n%-12s %8s", "", "lesions");
    for (int32_t l = 0; l < report->levels; l++) {
        uldor_froc_sensitivity at = {.struct_size = sizeof at};
        char text[32];
        if (uldor_froc_get_sensitivity(report->froc, 0, l, &at) < 0) return reason_set(why, "%s", uldor_last_error());
        snprintf(text, sizeof text, "%g", at.level);
        printf("  %*s", wide ? 19 : 6, text);
    }
    printf("  %*s", wide ? 19 : 6, "max");
    if (report->box_froc != NULL) printf("  %*s", wide ? 19 : 8, "no image");
    putchar('\n');
    for (int32_t s = 0; s < info.subsets; s++) {
        uldor_froc_subset subset = {.struct_size = sizeof subset};
        char name[64];
        if (uldor_froc_get_subset(report->froc, s, &subset) < 0) return reason_set(why, "%s", uldor_last_error());
        name_of(&subset, name);
        printf("%-12s %8lld", name, (long long)subset.lesions);
        for (int32_t l = 0; l < report->levels; l++) {
            uldor_froc_sensitivity at = {.struct_size = sizeof at};
            if (uldor_froc_get_sensitivity(report->froc, s, l, &at) < 0) return reason_set(why, "%s", uldor_last_error());
            print_cell(at.sensitivity, at.low, at.high, wide);
        }
        print_cell(subset.sensitivity, subset.low, subset.high, wide);
        if (report->box_froc != NULL) {
            if (uldor_froc_get_subset(report->box_froc, s, &subset) < 0) return reason_set(why, "%s", uldor_last_error());
            if (!wide) printf("  ");
            print_cell(subset.sensitivity, subset.low, subset.high, wide);
        }
        putchar('\n');
    }
    print_precision("\naverage precision", info.average_precision, info.average_precision_low, info.average_precision_high);
    print_precision(wide ? "; all points" : " (all points", info.average_precision_all_points,
                    info.average_precision_all_points_low, info.average_precision_all_points_high);
    print_precision(wide ? "; at IoU 0.5:0.95" : "), at IoU 0.5:0.95", info.average_precision_50_95,
                    info.average_precision_50_95_low, info.average_precision_50_95_high);
    putchar('\n');
    if (report->box != NULL) print_box(report);
    return 0;
}

static json_t *subset_to_json(const froc_report *report, int32_t index) {
    uldor_froc_subset s = {.struct_size = sizeof s};
    char name[64];
    if (uldor_froc_get_subset(report->froc, index, &s) < 0) return NULL;
    name_of(&s, name);
    json_t *levels = json_array(), *image_free = json_null();
    double box_level = NAN;
    uldor_froc_subset box = {.struct_size = sizeof box};
    if (report->box_froc != NULL && uldor_froc_get_subset(report->box_froc, index, &box) >= 0) {
        box_level = froc_box_level(report);
        image_free = json_pack("{sI so so so}", "hits", (json_int_t)box.hits, "sensitivity", json_number(box.sensitivity), "low",
                               json_number(box.low), "high", json_number(box.high));
    }
    for (int32_t l = 0; l < report->levels; l++) {
        uldor_froc_sensitivity at = {.struct_size = sizeof at};
        if (uldor_froc_get_sensitivity(report->froc, index, l, &at) < 0) continue;
        json_array_append_new(levels, json_pack("{so so so so sb si so}", "level", json_number(at.level), "sensitivity",
                                                json_number(at.sensitivity), "low", json_number(at.low), "high",
                                                json_number(at.high), "reached", at.reached, "samples", (int)at.samples, "image_free",
                                                json_number(at.level >= box_level ? box.sensitivity : NAN)));
    }
    return json_pack("{ss sI sI so so so so so}", "name", name, "lesions", (json_int_t)s.lesions, "hits", (json_int_t)s.hits,
                     "maximum", json_number(s.sensitivity), "low", json_number(s.low), "high", json_number(s.high), "levels",
                     levels, "image_free", image_free);
}

static json_t *box_to_json(const froc_report *report) {
    if (report->box_froc == NULL) return json_null();
    const double *m = report->box->margins;
    return json_pack("{s[oooo] sI sI so}", "margins", json_number(m[0]), json_number(m[1]), json_number(m[2]), json_number(m[3]),
                     "train_lesions", (json_int_t)report->box->lesions, "train_hits", (json_int_t)report->box->hits,
                     "false_positives_per_image", json_number(froc_box_level(report)));
}

static json_t *interval_to_json(double low, double high) { return json_pack("[oo]", json_number(low), json_number(high)); }

int froc_copy_curve(const uldor_froc *froc, double **points, size_t *count, reason *why) {
    *count = 0;
    uldor_froc_get_curve(froc, NULL, 0, count);
    *points = calloc(*count + 1, 3 * sizeof **points);
    if (*points != NULL && (*count == 0 || uldor_froc_get_curve(froc, *points, *count, count) >= 0)) return 0;
    free(*points);
    return reason_set(why, "not enough memory");
}

json_t *froc_to_json(const froc_report *report) {
    uldor_froc_info i = {.struct_size = sizeof i};
    size_t count = 0;
    double *points;
    reason why;
    uldor_froc_get_info(report->froc, &i);
    if (froc_copy_curve(report->froc, &points, &count, &why) != 0) return NULL;
    json_t *curve = json_array(), *subsets = json_array();
    for (size_t p = 0; p < count; p++)
        json_array_append_new(curve, json_pack("[ooo]", json_number(points[3 * p]), json_number(points[3 * p + 1]),
                                               json_number(points[3 * p + 2])));
    free(points);
    for (int32_t s = 0; s < i.subsets; s++) json_array_append_new(subsets, subset_to_json(report, s));
    return json_pack(
        "{ss si ss so si so sI sI sI sI sI sI sI sI so so so so so so so so so}", "format", "uldor-froc", "format_version", 1, "convention",
        report->convention, "iou_threshold", json_number(report->iou_threshold), "bootstrap", (int)report->bootstrap,
        "confidence", json_number(report->confidence), "images", (json_int_t)i.images, "patients", (json_int_t)i.patients,
        "lesions", (json_int_t)i.lesions, "detections", (json_int_t)i.detections, "hits", (json_int_t)i.hits, "false_positives",
        (json_int_t)i.false_positives, "repeats", (json_int_t)i.repeats, "ignored", (json_int_t)i.ignored, "average_precision",
        json_number(i.average_precision), "average_precision_all_points", json_number(i.average_precision_all_points),
        "average_precision_50_95", json_number(i.average_precision_50_95), "average_precision_interval",
        interval_to_json(i.average_precision_low, i.average_precision_high), "average_precision_all_points_interval",
        interval_to_json(i.average_precision_all_points_low, i.average_precision_all_points_high),
        "average_precision_50_95_interval", interval_to_json(i.average_precision_50_95_low, i.average_precision_50_95_high),
        "image_free_box", box_to_json(report), "subsets", subsets, "curve", curve);
}

int froc_write_json(const froc_report *report, const char *path, reason *why) {
    json_t *document = froc_to_json(report);
    int status = json_write_file(document, path, JSON_INDENT(1), why);
    json_decref(document);
    return status;
}
