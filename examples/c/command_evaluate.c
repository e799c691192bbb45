/* command_evaluate.c - `uldor evaluate`: a split's images, what is found in them, and how it compares with the annotations */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "evaluate_image.h"
#include "evaluate_journal.h"
#include "evaluate_options.h"
#include "evaluate_origin.h"
#include "evaluate_report.h"
#include "interrupt.h"
#include "message.h"
#include "model_open.h"
#include "output_file.h"
#include "progress.h"

typedef struct evaluate_job {
    const evaluate_options *options;
    uldor_dataset *dataset;                /* what is detected on and measured against */
    uldor_dataset *truths[EVALUATE_TRUTHS]; /* the same with masks; NULL: not asked for */
    uldor_model *model;
    uldor_session *session;
    evaluate_journal journal;
    int64_t images;     /* of the split */
    bool has_box;       /* the box without an image is asked for */
    image_free_box box;
} evaluate_job;

static int check_outputs(const evaluate_options *o) {
    const char *const outputs[] = {o->output, o->journal, o->froc.json, o->froc.plot}, *const inputs[] = {o->weights, o->config};
    return data_options_check_outputs(&o->data, sizeof outputs / sizeof *outputs, outputs, sizeof inputs / sizeof *inputs, inputs);
}

static uldor_dataset *open_data(const evaluate_options *o, int32_t masks, bool is_silent) {
    uldor_dataset_options data = o->data.dataset;
    uldor_dataset *dataset = NULL;
    data.masks = masks;
    data.log = is_silent ? NULL : message_from_library;
    if (uldor_dataset_open_deeplesion(o->data.directory, &data, &dataset) < 0) message_error(NULL, "%s", uldor_last_error());
    return dataset;
}

static bool is_of_split(const evaluate_job *job, int64_t index, uldor_dataset_image *about) {
    int32_t split = job->options->froc.split;
    *about = (uldor_dataset_image){.struct_size = sizeof *about};
    return uldor_dataset_get_image(job->dataset, index, about) >= 0 && (split == 0 || about->split == split);
}

static int64_t count_all(const evaluate_job *job) {
    uldor_dataset_info info = {.struct_size = sizeof info};
    uldor_dataset_get_info(job->dataset, &info);
    return info.images;
}

static int prepare(evaluate_job *job) {
    static const int32_t masks[EVALUATE_TRUTHS] = {ULDOR_MASKS_PSEUDO, ULDOR_MASKS_GIVEN};
    const evaluate_options *o = job->options;
    uldor_dataset_image about;
    reason why;
    if (check_outputs(o) != 0) return -1;
    job->dataset = open_data(o, ULDOR_MASKS_NONE, false);
    if (job->dataset == NULL) return -1;
    data_options_tell_left_out(job->dataset);
    for (int t = 0; t < EVALUATE_TRUTHS; t++) {
        if ((o->mask_truth & 1 << t) == 0) continue;
        job->truths[t] = open_data(o, masks[t], true);
        if (job->truths[t] == NULL) return -1;
    }
    for (int64_t index = 0, count = count_all(job); index < count; index++) job->images += is_of_split(job, index, &about);
    if (job->images == 0) {
        message_error(o->data.directory, "no image of this split");
        return -1;
    }
    job->has_box = froc_options_want_box(&o->froc, &o->data.dataset);
    if (job->has_box && froc_options_search_box(&o->froc, job->dataset, &job->box) != 0) return -1;
    if (model_open_session(o->weights, o->config, &o->session, &job->model, &job->session) != 0) return -1;
    json_t *origin = evaluate_origin(o, job->model, job->session);
    if (origin == NULL) return -1;
    int status = evaluate_journal_open(&job->journal, o->journal, origin, job->dataset, o->restart, &why);
    json_decref(origin);
    if (status != 0) message_error(o->journal, "%s", why.text);
    return status;
}

/* The library's status; where it is an error, `why` says what. */
static uldor_status detect(evaluate_job *job, const uldor_dataset_image *about, int64_t index, uldor_result **result,
                           reason *why) {
    uldor_slices *slices = NULL;
    uldor_image image;
    int32_t reach = 0;
    uldor_status status = uldor_image_init(&image, sizeof image);
    if (about->slice_interval_mm > 0) status = uldor_model_get_slice_reach(job->model, about->slice_interval_mm, &reach);
    if (status >= 0) status = uldor_dataset_read_image(job->dataset, index, reach, &slices);
    if (status >= 0) status = uldor_slices_get_image(slices, &image);
    if (status >= 0) {
        interrupt_set_session(job->session);
        status = uldor_session_detect(job->session, &image, result);
        interrupt_set_session(NULL);
    }
    if (status < 0) reason_set(why, "%s", uldor_last_error());
    uldor_slices_free(slices);
    return status;
}

/* An image that cannot be used is named; whether that ends the run is for --on-bad to say. */
static int evaluate_one(evaluate_job *job, const uldor_dataset_image *about, int64_t index) {
    uldor_result *result = NULL;
    reason why;
    uldor_status status = detect(job, about, index, &result, &why);
    if (status == ULDOR_ERROR_CANCELLED && interrupt_received() != 0) return -1;
    bool is_bad_data = status == ULDOR_ERROR_IO || status == ULDOR_ERROR_FORMAT || status == ULDOR_ERROR_IMAGE;
    if (is_bad_data && job->options->data.dataset.on_bad_image == ULDOR_BAD_SKIP) {
        message_warning(about->name, "left out: %s", why.text);
        return 0;
    }
    if (status < 0) {
        message_error(about->name, "%s", why.text);
        return -1;
    }
    evaluate_image image = {.index = index, .about = *about, .result = result, .wants_masks = job->options->masks_out,
                            .skips_bad_masks = job->options->data.dataset.on_bad_image == ULDOR_BAD_SKIP};
    memcpy(image.truths, job->truths, sizeof job->truths);
    json_t *entry = evaluate_image_to_json(&image, &why);
    int done = entry != NULL ? evaluate_journal_add(&job->journal, index, entry, &why) : -1;
    if (done != 0) message_error(entry != NULL ? job->options->journal : about->name, "%s", why.text);
    json_decref(entry);
    uldor_result_free(result);
    return done;
}

static int detect_all(evaluate_job *job) {
    int64_t number = 0;
    if (job->journal.found > 0 && !job->options->quiet)
        fprintf(stderr, "uldor: going on from %s: images done: %lld\n", job->options->journal, (long long)job->journal.found);
    for (int64_t index = 0, count = count_all(job); index < count; index++) {
        uldor_dataset_image about;
        if (interrupt_received() != 0) return -1;
        if (!is_of_split(job, index, &about)) continue;
        number++;
        if (evaluate_journal_has(&job->journal, index)) continue;
        progress_set_task(about.name, number, job->images);
        if (evaluate_one(job, &about, index) != 0) return -1;
    }
    progress_erase();
    reason why;
    if (evaluate_journal_sync(&job->journal, &why) == 0) return 0;
    message_error(job->options->journal, "%s", why.text);
    return -1;
}

static int run(const evaluate_options *options) {
    evaluate_job job = {.options = options};
    message_set_quiet(options->quiet);
    progress_start(!options->quiet);
    bool done = prepare(&job) == 0 && detect_all(&job) == 0 &&
                evaluate_report_all(options, job.dataset, &job.journal, job.has_box ? &job.box : NULL) == 0;
    progress_erase();
    evaluate_journal_close(&job.journal);
    uldor_session_free(job.session);
    uldor_model_free(job.model);
    for (int t = 0; t < EVALUATE_TRUTHS; t++) uldor_dataset_free(job.truths[t]);
    uldor_dataset_free(job.dataset);
    return interrupt_exit_code(done ? EXIT_OK : EXIT_FAILED, "interrupted: the same command goes on from where it was");
}

int command_evaluate(int argc, char **argv) {
    evaluate_options options;
    int code = evaluate_options_parse(argc, argv, &options);
    if (code < 0) code = run(&options);
    evaluate_options_free(&options);
    return code;
}
