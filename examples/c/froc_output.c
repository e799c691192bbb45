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
    printf("  %*s\n", wide ? 19 : 6, "max");
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
        putchar('\n');
    }
    printf("\naverage precision %.2f (all points %.2f), at IoU 0.5:0.95 %.2f\n", 100 * info.average_precision,
           100 * info.average_precision_all_points, 100 * info.average_precision_50_95);
    return 0;
}

static json_t *subset_to_json(const froc_report *report, int32_t index) {
    uldor_froc_subset s = {.struct_size = sizeof s};
    char name[64];
    if (uldor_froc_get_subset(report->froc, index, &s) < 0) return NULL;
    name_of(&s, name);
    json_t *levels = json_array();
    for (int32_t l = 0; l < report->levels; l++) {
        uldor_froc_sensitivity at = {.struct_size = sizeof at};
        if (uldor_froc_get_sensitivity(report->froc, index, l, &at) < 0) continue;
        json_array_append_new(levels, json_pack("{so so so so sb si}", "level", json_number(at.level), "sensitivity",
                                                json_number(at.sensitivity), "low", json_number(at.low), "high",
                                                json_number(at.high), "reached", at.reached, "samples", (int)at.samples));
    }
    return json_pack("{ss sI sI so so so so}", "name", name, "lesions", (json_int_t)s.lesions, "hits", (json_int_t)s.hits,
                     "maximum", json_number(s.sensitivity), "low", json_number(s.low), "high", json_number(s.high), "levels",
                     levels);
}

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
        "{ss si ss so si so sI sI sI sI sI sI sI sI so so so so so}", "format", "uldor-froc", "format_version", 1, "convention",
        report->convention, "iou_threshold", json_number(report->iou_threshold), "bootstrap", (int)report->bootstrap,
        "confidence", json_number(report->confidence), "images", (json_int_t)i.images, "patients", (json_int_t)i.patients,
        "lesions", (json_int_t)i.lesions, "detections", (json_int_t)i.detections, "hits", (json_int_t)i.hits, "false_positives",
        (json_int_t)i.false_positives, "repeats", (json_int_t)i.repeats, "ignored", (json_int_t)i.ignored, "average_precision",
        json_number(i.average_precision), "average_precision_all_points", json_number(i.average_precision_all_points),
        "average_precision_50_95", json_number(i.average_precision_50_95), "subsets", subsets, "curve", curve);
}

int froc_write_json(const froc_report *report, const char *path, reason *why) {
    json_t *document = froc_to_json(report);
    int status = json_write_file(document, path, JSON_INDENT(1), why);
    json_decref(document);
    return status;
}
