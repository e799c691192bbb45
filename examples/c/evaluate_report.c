/* evaluate_report.c - see evaluate_report.h */
#include "evaluate_report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate_image.h"
#include "froc_data.h"
#include "json_text.h"
#include "message.h"
#include "output_file.h"

enum { CONVENTIONS = 2 };

typedef struct report {
    const evaluate_options *options;
    const image_free_box *box;          /* NULL: not asked for */
    uldor_froc *frocs[CONVENTIONS];     /* NULL: not asked for */
    uldor_froc *box_frocs[CONVENTIONS]; /* of the box without an image; NULL: none */
    int64_t left_out, hits, pairs[EVALUATE_TRUTHS];
    double iou[EVALUATE_TRUTHS], dice[EVALUATE_TRUTHS]; /* sums */
} report;

static int start(report *r, reason *why) {
    for (int32_t c = 0; c < CONVENTIONS; c++) {
        uldor_froc_options options = r->options->froc.froc;
        if (options.convention != FROC_BOTH && options.convention != c) continue;
        options.convention = c;
        if (uldor_froc_create(&options, &r->frocs[c]) < 0) return reason_set(why, "%s", uldor_last_error());
        if (r->box == NULL || r->box->lesions == 0) continue;
        if (uldor_froc_create(&options, &r->box_frocs[c]) < 0) return reason_set(why, "%s", uldor_last_error());
    }
    return 0;
}

static int add_overlaps(report *r, const json_t *overlaps, reason *why) {
    r->hits += json_integer_value(json_object_get(overlaps, "hits"));
    for (int t = 0; t < EVALUATE_TRUTHS; t++) {
        const json_t *list = json_object_get(overlaps, evaluate_truth_names[t]);
        for (size_t i = 0; i < json_array_size(list); i++) {
            const json_t *pair = json_array_get(list, i), *iou = json_array_get(pair, 1), *dice = json_array_get(pair, 2);
            if (!json_is_number(iou) || !json_is_number(dice)) return reason_set(why, "damaged overlaps; --restart begins anew");
            r->pairs[t]++;
            r->iou[t] += json_number_value(iou);
            r->dice[t] += json_number_value(dice);
        }
    }
    return 0;
}

/* Adds the image's detections to the list that is being written and to the curves. */
static int add_detections(report *r, const uldor_dataset *dataset, int64_t index, const uldor_dataset_image *about,
                          const json_t *detections, FILE *stream, bool *is_first, reason *why) {
    size_t count = json_array_size(detections);
    froc_detection *items = calloc(count + 1, sizeof *items);
    if (items == NULL) return reason_set(why, "not enough memory");
    int status = json_is_array(detections) ? 0 : reason_set(why, "no detections; --restart begins anew");
    for (size_t i = 0; status == 0 && i < count; i++) {
        const json_t *detection = json_array_get(detections, i);
        status = froc_detection_parse(detection, &items[i], why);
        errno = 0;
        if (status == 0 && (fputs(*is_first ? "\n" : ",\n", stream) == EOF ||
                            json_dumpf(detection, stream, JSON_COMPACT | JSON_TEXT_FLAGS) != 0))
            status = errno != 0 ? reason_set_errno(why, errno) : reason_set(why, "writing failed");
        *is_first = false;
    }
    for (int c = 0; status == 0 && c < CONVENTIONS; c++) {
        if (r->frocs[c] != NULL) status = froc_add_image(r->frocs[c], dataset, index, about, items, count, why);
        if (status == 0 && r->box_frocs[c] != NULL)
            status = image_free_box_add(r->box_frocs[c], dataset, index, about, r->box, why);
    }
    free(items);
    return status;
}

static int go_through(report *r, const uldor_dataset *dataset, evaluate_journal *journal, FILE *stream) {
    uldor_dataset_info info = {.struct_size = sizeof info};
    bool is_first = true;
    uldor_dataset_get_info(dataset, &info);
    for (int64_t index = 0; index < info.images; index++) {
        uldor_dataset_image about = {.struct_size = sizeof about};
        reason why;
        if (uldor_dataset_get_image(dataset, index, &about) < 0) continue;
        if (r->options->froc.split != 0 && about.split != r->options->froc.split) continue;
        if (!evaluate_journal_has(journal, index)) {
            r->left_out++;
            continue;
        }
        json_t *entry = evaluate_journal_read(journal, index, &why);
        int status = entry == NULL ? -1
                                   : add_detections(r, dataset, index, &about, json_object_get(entry, "detections"), stream,
                                                    &is_first, &why);
        if (status == 0) status = add_overlaps(r, json_object_get(entry, "overlaps"), &why);
        json_decref(entry);
        if (status == 0) continue;
        message_error(r->options->journal, "%s: %s", about.name, why.text);
        return -1;
    }
    return 0;
}

static int write_results(report *r, const uldor_dataset *dataset, evaluate_journal *journal) {
    const char *path = r->options->output;
    output_file file;
    reason why;
    if (output_file_open(&file, path, &why) != 0) {
        message_error(path, "%s", why.text);
        return -1;
    }
    fputc('[', file.stream);
    if (go_through(r, dataset, journal, file.stream) != 0) {
        output_file_discard(&file);
        return -1;
    }
    fputs("\n]\n", file.stream);
    if (output_file_commit(&file, &why) == 0) return 0;
    message_error(path, "%s", why.text);
    return -1;
}

static froc_report show(const report *r, int32_t convention) {
    return froc_options_report(&r->options->froc, r->frocs[convention], convention, r->box, r->box_frocs[convention]);
}

static json_t *masks_to_json(const report *r) {
    json_t *list = json_array();
    for (int t = 0; t < EVALUATE_TRUTHS; t++)
        if ((r->options->mask_truth & 1 << t) != 0)
            json_array_append_new(list, json_pack("{ss sI sI so so}", "truth", evaluate_truth_names[t],
                                                  "hits", (json_int_t)r->hits, "masks", (json_int_t)r->pairs[t],
                                                  "mean_iou", json_number(r->iou[t] / (double)r->pairs[t]),
                                                  "mean_dice", json_number(r->dice[t] / (double)r->pairs[t])));
    return list;
}

static int write_json(const report *r, reason *why) {
    json_t *frocs = json_array();
    for (int32_t c = 0; c < CONVENTIONS; c++) {
        froc_report shown = show(r, c);
        if (r->frocs[c] != NULL) json_array_append_new(frocs, froc_to_json(&shown));
    }
    json_t *document = json_pack("{ss si so so ss sI so so}", "format", "uldor-evaluation", "format_version", 1, "weights",
                                 json_text(r->options->weights), "data", json_text(r->options->data.directory), "split",
                                 froc_split_names[r->options->froc.split], "images_left_out", (json_int_t)r->left_out, "masks",
                                 masks_to_json(r), "froc", frocs);
    int status = json_write_file(document, r->options->froc.json, JSON_INDENT(1), why);
    json_decref(document);
    return status;
}

static int print_table(const report *r, reason *why) {
    bool is_first = true;
    for (int32_t c = 0; c < CONVENTIONS; c++) {
        froc_report shown = show(r, c);
        if (r->frocs[c] == NULL) continue;
        if (!is_first) putchar('\n');
        if (froc_print_table(&shown, why) != 0) return -1;
        is_first = false;
    }
    for (int t = 0; t < EVALUATE_TRUTHS; t++) {
        if ((r->options->mask_truth & 1 << t) == 0) continue;
        printf("\nmasks, %s: %lld of %lld hits at IoU > 0.5 have one to compare with", evaluate_truth_names[t],
               (long long)r->pairs[t], (long long)r->hits);
        if (r->pairs[t] > 0)
            printf("; mean IoU %.3f, Dice %.3f", r->iou[t] / (double)r->pairs[t], r->dice[t] / (double)r->pairs[t]);
        putchar('\n');
    }
    return 0;
}

static int give_out(const report *r) {
    const froc_options *o = &r->options->froc;
    bool takes_stdout = o->json != NULL && strcmp(o->json, "-") == 0;
    int32_t plotted = r->frocs[ULDOR_FROC_PAPER] != NULL ? ULDOR_FROC_PAPER : ULDOR_FROC_DEEPLESION;
    froc_report shown = show(r, plotted);
    int status = 0;
    reason why;
    if (r->left_out > 0) message_warning(NULL, "images left out: %lld; they do not count", (long long)r->left_out);
    if (!r->options->quiet && !takes_stdout && print_table(r, &why) != 0) {
        message_error(NULL, "%s", why.text);
        status = -1;
    }
    if (o->json != NULL && write_json(r, &why) != 0) {
        message_error(o->json, "%s", why.text);
        status = -1;
    }
    if (o->plot != NULL && froc_write_plot(&shown, o->plot, &why) != 0) {
        message_error(o->plot, "%s", why.text);
        status = -1;
    }
    return status;
}

int evaluate_report_all(const evaluate_options *options, const uldor_dataset *dataset, evaluate_journal *journal,
                        const image_free_box *box) {
    report r = {.options = options, .box = box};
    reason why;
    int status = start(&r, &why);
    if (status != 0) message_error(NULL, "%s", why.text);
    if (status == 0) status = write_results(&r, dataset, journal);
    for (int c = 0; status == 0 && c < CONVENTIONS; c++) {
        if (r.frocs[c] != NULL) status = froc_options_compute(&options->froc, r.frocs[c]);
        if (status == 0 && r.box_frocs[c] != NULL) status = froc_options_compute(&options->froc, r.box_frocs[c]);
    }
    if (status == 0) status = give_out(&r);
    for (int c = 0; c < CONVENTIONS; c++) uldor_froc_free(r.frocs[c]), uldor_froc_free(r.box_frocs[c]);
    return status;
}
