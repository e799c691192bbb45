/* command_train.c - `uldor train`: a data set becomes weights */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "interrupt.h"
#include "message.h"
#include "model_open.h"
#include "output_file.h"
#include "progress.h"
#include "train_options.h"
#include "train_progress.h"

typedef struct train_job {
    const train_options *options;
    uldor_dataset *dataset;
    uldor_trainer *trainer;
    char *config;
    train_progress progress;
} train_job;

/* `user` is a bool: whether to print. */
static int32_t print_line(void *user, const char *line) {
    const bool *prints = user;
    progress_erase();
    if (*prints) {
        message_print_foreign(stdout, line);
        putchar('\n');
    }
    return interrupt_received() != 0;
}

/* Whether there is anything to train on; says so where there is not. */
static bool check_split(const train_job *job) {
    const train_options *options = job->options;
    uldor_dataset_info info = {.struct_size = sizeof info};
    if (uldor_dataset_get_info(job->dataset, &info) < 0 || info.images_of_split[options->trainer.train_split] > 0) return true;
    char *csv = data_options_path(&options->data, options->data.dataset.csv_path, "DL_info.csv");
    printf("%s: no image of split %d to train on\n", csv != NULL ? csv : "DL_info.csv", (int)options->trainer.train_split);
    free(csv);
    return false;
}

static int check_data(const train_job *job) {
    bool prints = true;
    int64_t problems = 0;
    bool has_split = check_split(job);
    uldor_status status = uldor_dataset_check(job->dataset, 1, print_line, &prints, &problems);
    if (status < 0) {
        message_error(NULL, "%s", uldor_last_error());
        return EXIT_FAILED;
    }
    return problems > 0 || !has_split ? EXIT_FAILED : EXIT_OK;
}

/* What opening leaves out is a problem like the others. */
static void print_left_out(void *user, int32_t level, const char *text) {
    bool prints = true;
    (void)user;
    if (level == ULDOR_LOG_WARNING) print_line(&prints, text);
}

static int open_data(train_job *job) {
    const train_options *options = job->options;
    uldor_dataset_options data = options->data.dataset;
    data.log = message_from_library;
    if (options->check_only) {
        /* Every problem is to be named, not only the first. */
        data.on_bad_row = data.on_bad_image = ULDOR_BAD_SKIP;
        data.log = print_left_out;
    }
    if (uldor_dataset_open_deeplesion(options->data.directory, &data, &job->dataset) < 0) {
        message_error(NULL, "%s", uldor_last_error());
        return -1;
    }
    return 0;
}

static int check_outputs(const train_options *o) {
    const uldor_trainer_options *t = &o->trainer;
    const char *const outputs[] = {t->output_path, t->checkpoint_path, t->log_path, t->mined_output_path, o->plot};
    /* The initial weights may be replaced by the best ones; by the other files that it writes the library does not let them be. */
    const char *const inputs[] = {o->config, t->mined_path};
    reason why;
    if (data_options_check_outputs(&o->data, sizeof outputs / sizeof *outputs, outputs, sizeof inputs / sizeof *inputs, inputs) != 0) return -1;
    if (o->plot == NULL || output_file_check_input(o->plot, t->init_path, &why) == 0) return 0;
    message_error(o->plot, "%s", why.text);
    return -1;
}

static int open_trainer(train_job *job) {
    const train_options *options = job->options;
    reason why;
    if (check_outputs(options) != 0) return -1;
    if (options->config != NULL) {
        job->config = model_read_config(options->config, &why);
        if (job->config == NULL) {
            message_error(options->config, "%s", why.text);
            return -1;
        }
    }
    uldor_trainer_options trainer = options->trainer;
    trainer.config = job->config;
    trainer.log = message_from_library;
    trainer.progress = train_progress_show;
    trainer.progress_user = &job->progress;
    if (uldor_trainer_create(job->dataset, NULL, &trainer, &job->trainer) < 0) {
        message_error(NULL, "%s", uldor_last_error());
        return -1;
    }
    return 0;
}

static int print_beginning(train_job *job, uldor_trainer_state *state) {
    bool prints = !job->options->quiet;
    data_options_tell_left_out(job->dataset);
    state->struct_size = sizeof *state;
    if (uldor_trainer_get_state(job->trainer, state) < 0 || uldor_trainer_report(job->trainer, print_line, &prints) < 0) {
        message_error(NULL, "%s", uldor_last_error());
        return -1;
    }
    if (!prints) return 0;
    printf("%lld images to train on, %lld to validate on; %.2f million parameters, %.2f million of them learn\n",
           (long long)state->train_images, (long long)state->validation_images, 1e-6 * (double)state->parameters,
           1e-6 * (double)state->trained_parameters);
    if (state->resumed)
        printf("going on from %s: epoch %d, step %lld of %lld\n", job->options->checkpoint, (int)state->epoch + 1,
               (long long)state->step, (long long)state->steps);
    fflush(stdout);
    return 0;
}

static void print_end(train_job *job) {
    uldor_trainer_state state = {.struct_size = sizeof state};
    if (job->options->quiet || uldor_trainer_get_state(job->trainer, &state) < 0) return;
    if (state.skipped_images > 0) printf("%lld times an image was left out\n", (long long)state.skipped_images);
    if (isnan(state.best_loss)) printf("done: the last weights are in %s\n", job->options->trainer.output_path);
    else
        printf("done%s: the weights of epoch %d, validation loss %.4f, are in %s\n",
               state.status == ULDOR_TRAINER_STOPPED ? ", the validation loss falls no longer" : "", (int)state.best_epoch + 1,
               state.best_loss, job->options->trainer.output_path);
}

/* Interrupted: what was learned is kept. */
static void keep(train_job *job) {
    if (job->options->checkpoint == NULL) return;
    if (uldor_trainer_write_checkpoint(job->trainer, NULL) < 0) {
        message_error(NULL, "%s", uldor_trainer_last_error(job->trainer));
        job->progress.failures++;
    } else if (!job->options->quiet) {
        fprintf(stderr, "uldor: the same command goes on from %s\n", job->options->checkpoint);
    }
}

static int train(train_job *job) {
    uldor_trainer_state state;
    if (open_trainer(job) != 0 || print_beginning(job, &state) != 0) return EXIT_FAILED;
    interrupt_set_trainer(job->trainer);
    uldor_status status = interrupt_received() == 0 ? uldor_trainer_run(job->trainer, 0) : ULDOR_ERROR_CANCELLED;
    interrupt_set_trainer(NULL);
    progress_erase();
    if (status == ULDOR_ERROR_CANCELLED && interrupt_received() != 0) {
        keep(job);
        return EXIT_FAILED;
    }
    if (status < 0) {
        message_error(NULL, "%s", uldor_trainer_last_error(job->trainer));
        return EXIT_FAILED;
    }
    if (state.status != ULDOR_TRAINER_RUNNING) train_progress_draw(&job->progress);
    print_end(job);
    return job->progress.failures > 0 ? EXIT_FAILED : EXIT_OK;
}

static int run(const train_options *options) {
    train_job job = {.options = options, .progress = {.options = options}};
    int code = EXIT_FAILED;
    message_set_quiet(options->quiet);
    progress_start(!options->quiet);
    if (open_data(&job) == 0) code = options->check_only ? check_data(&job) : train(&job);
    uldor_trainer_free(job.trainer);
    uldor_dataset_free(job.dataset);
    free(job.config);
    return interrupt_exit_code(code, "interrupted");
}

int command_train(int argc, char **argv) {
    train_options options;
    int code = train_options_parse(argc, argv, &options);
    if (code < 0) code = run(&options);
    train_options_free(&options);
    return code;
}
