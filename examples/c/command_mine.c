/* command_mine.c - `uldor mine`: a model's hard negatives in a data set become a file to learn from */
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "interrupt.h"
#include "message.h"
#include "mine_options.h"
#include "model_open.h"
#include "output_file.h"
#include "progress.h"
#include "text.h"

typedef struct mine_job {
    const mine_options *options;
    uldor_dataset *dataset;
    uldor_model *model;
    int64_t images; /* that will be looked at */
} mine_job;

static int check_output(const mine_options *o) {
    char *part = text_format("%s.part", o->output);
    if (part == NULL) {
        message_error(NULL, "not enough memory");
        return -1;
    }
    const char *const outputs[] = {o->output, part}, *const inputs[] = {o->weights, o->config};
    int status = data_options_check_outputs(&o->data, sizeof outputs / sizeof *outputs, outputs, sizeof inputs / sizeof *inputs, inputs);
    free(part);
    return status;
}

static int open_data(mine_job *job) {
    uldor_dataset_options data = job->options->data.dataset;
    data.log = message_from_library;
    if (uldor_dataset_open_deeplesion(job->options->data.directory, &data, &job->dataset) < 0) {
        message_error(NULL, "%s", uldor_last_error());
        return -1;
    }
    data_options_tell_left_out(job->dataset);
    return 0;
}

static void count_images(mine_job *job) {
    uldor_dataset_info info = {.struct_size = sizeof info};
    uldor_dataset_get_info(job->dataset, &info);
    for (int64_t index = 0; index < info.images; index++) {
        uldor_dataset_image about = {.struct_size = sizeof about};
        if (uldor_dataset_get_image(job->dataset, index, &about) < 0) continue;
        job->images += about.split == job->options->mining.split && about.lesions > 0;
    }
}

static int32_t show(void *user, double fraction, const char *image) {
    const mine_job *job = user;
    progress_set_task(image, (int64_t)(fraction * (double)job->images + 0.5), job->images);
    return progress_report(NULL, fraction, "mining");
}

static void print_summary(const mine_job *job, const uldor_mining_info *info) {
    if (job->options->quiet) return;
    printf("%lld images, a lesion found in %lld; %lld detections, %lld of them good\n", (long long)info->images,
           (long long)info->images_found, (long long)info->detections, (long long)info->good);
    if (info->resumed > 0) printf("%lld images were looked at before\n", (long long)info->resumed);
    if (info->skipped_images > 0) printf("%lld images were left out\n", (long long)info->skipped_images);
    printf("%lld candidates", (long long)info->candidates);
    if (job->options->mining.spare_quantile < 1) printf(" beside %lld spared", (long long)info->spared);
    printf(", %lld mined: %s\n", (long long)info->mined, job->options->output);
}

static int mine(mine_job *job) {
    uldor_mining_options mining = job->options->mining;
    uldor_mining_info info = {.struct_size = sizeof info};
    mining.log = message_from_library;
    mining.progress = show;
    mining.progress_user = job;
    interrupt_set_asked(true);
    uldor_status status = interrupt_received() == 0
                              ? uldor_mine(job->model, job->dataset, job->options->output, &mining, &info)
                              : ULDOR_ERROR_CANCELLED;
    interrupt_set_asked(false);
    progress_erase();
    if (status >= 0) print_summary(job, &info);
    else if (status != ULDOR_ERROR_CANCELLED || interrupt_received() == 0) message_error(NULL, "%s", uldor_last_error());
    return status < 0 ? -1 : 0;
}

static int run(const mine_options *options) {
    mine_job job = {.options = options};
    message_set_quiet(options->quiet);
    progress_start(!options->quiet);
    bool done = check_output(options) == 0 && open_data(&job) == 0;
    if (done) {
        count_images(&job);
        job.model = model_open(options->weights, options->config, options->mining.threads);
        done = job.model != NULL && mine(&job) == 0;
    }
    uldor_model_free(job.model);
    uldor_dataset_free(job.dataset);
    /* A file that is whole is whole, whatever signal came in behind it. */
    return done ? EXIT_OK : interrupt_exit_code(EXIT_FAILED, "interrupted: the same command goes on from where it was");
}

int command_mine(int argc, char **argv) {
    mine_options options;
    int code = mine_options_parse(argc, argv, &options);
    return code < 0 ? run(&options) : code;
}
