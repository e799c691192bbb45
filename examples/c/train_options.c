/* train_options.c - see train_options.h */
#include "train_options.h"

#include <stdlib.h>

#include "commands.h"
#include "message.h"
#include "options.h"
#include "parse.h"
#include "plot_file.h"
#include "text.h"

static const char help[] =
    "usage: uldor train --data DIR --out FILE (--arch NAME | --init FILE) [options]\n"
    "       uldor train --data DIR --check [options]\n"
    "\n"
    "Trains a detector. DIR has DeepLesion's layout: DL_info.csv and Images_png/<series>/<slice>.png. Ctrl-C\n"
    "writes a checkpoint; the same command goes on from it and ends with the same bits.\n"
    "\n"
    "      --data DIR            the data set (required)\n"
    "  -o, --out FILE            where the best weights go (required unless --check)\n"
    "      --check               look at all data, name every problem, and train nothing\n"
    "\n"
    "What it begins with\n"
    "      --arch NAME           resnet18, resnet34, resnet50, resnet101, resnet152, narrow; widths behind a colon:\n"
    "                            resnet18:stem=16,fpn=64,fc=128,mask=64\n"
    "      --init FILE           weights to begin with; with --arch whatever of them fits\n"
    "      --config FILE         JSON: anchors, input and so on (default: that of --init, or 16..96 px anchors)\n"
    "      --classes N           3: with false positives (default: as configured)\n"
    "\n"
    "Data\n"
    DATA_OPTIONS_HELP
    "      --train-split N, --validation-split N     of Train_Val_Test (1 and 2; 0: no validation)\n"
    "\n"
    "Run\n"
    "      --epochs N            (12)              --lr RATE             learning rate (1e-3)\n"
    "      --batch N             images a step (2) --momentum M          (0.9)\n"
    "      --accumulation N      batches a step (1)  --weight-decay D    (1e-4)\n"
    "      --patience N          epochs without a better validation loss, 0: never stop (4)\n"
    "      --optimiser NAME      sgd or adamw (sgd)      --second-momentum M  of adamw (0.999)\n"
    "      --lr-schedule NAME    steps or cosine, from the rate to 0 over all epochs (steps)\n"
    "      --lr-factor F, --lr-epochs N  the rate is multiplied by F every N epochs (0.1, 4)\n"
    "      --warmup N            steps over which the rate rises (0)\n"
    "      --clip NORM           largest norm of the gradients (0: any)\n"
    "      --epoch-images N, --validation-images N   an epoch's length (0: all)\n"
    "      --trainable-layers N  of the backbone, 0..5 (3, or 5 at a random start)\n"
    "      --proposals N, --rpn-samples N, --roi-samples N   regions in training (2000, 256, 512)\n"
    "      --no-mask-loss        leave the mask branch as it is\n"
    "      --calibration-images N        for batch-norm statistics at a random start (16)\n"
    "      --seed N              of all draws (0)\n"
    "\n"
    TRAIN_MINING_HELP
    "\n"
    "Augmentation (0.8,1.2, 8, 0.5, 0, 0)\n"
    "      --scale LOW,HIGH  --shift PX  --slice-jitter PART  --flip-x P  --flip-y P  --no-augmentation\n"
    "\n"
    "Files\n"
    "      --checkpoint FILE     (default: OUT.checkpoint)       --no-checkpoint\n"
    "      --checkpoint-steps N  and around each validation (200)\n"
    "      --restart             begin anew although there is a checkpoint\n"
    "      --log FILE            CSV, or JSON lines where it ends in .jsonl (default: OUT.csv)   --no-log\n"
    "      --plot FILE           loss curves, .svg or .png, drawn after every epoch\n"
    "      --half                write the weights as F16\n"
    "\n"
    "      --threads N, --loader-threads N       (all cores, 1)\n"
    "      --portable, --exact   as for detect\n"
    "  -q, --quiet               no progress and no warnings\n"
    "  -h, --help                this text\n"
    "\n"
    "Exit code: 0 done, 1 failed, 2 usage, 130 interrupted.\n"
    "For research only; not a medical device.\n";

static bool take_scale(const option_row *row, const char *value, void *options) {
    uldor_augmentation *augmentation = &((train_options *)options)->augmentation;
    double values[2];
    (void)row;
    if (parse_list(value, ',', values, 2) != 2 || !(values[0] >= 0.1 && values[0] <= values[1] && values[1] <= 10)) return false;
    augmentation->scale_low = values[0];
    augmentation->scale_high = values[1];
    return true;
}

static bool take_no_augmentation(const option_row *row, const char *value, void *options) {
    uldor_augmentation *augmentation = &((train_options *)options)->augmentation;
    (void)row, (void)value;
    augmentation->scale_low = augmentation->scale_high = 1;
    augmentation->position_px = 0;
    augmentation->slice_part = augmentation->flip_x = augmentation->flip_y = 0;
    return true;
}

static const char *const optimisers[] = {"sgd", "adamw", NULL};
static const char *const schedules[] = {"steps", "cosine", NULL};

#define INTO(member) .place = offsetof(train_options, member)
#define TRAINER(member) .place = offsetof(train_options, trainer.member)

enum { MANY = 100000, MOST = 1000000000 };

static const option_row rows[] = {
    {"out", 'o', required_argument, option_path, TRAINER(output_path)},
    {"check", 0, no_argument, option_flag, INTO(check_only)},

    {"arch", 0, required_argument, option_text, TRAINER(architecture)},
    {"init", 0, required_argument, option_text, TRAINER(init_path)},
    {"config", 0, required_argument, option_text, INTO(config)},
    {"classes", 0, required_argument, option_int, TRAINER(classes), 2, 3},

    {"train-split", 0, required_argument, option_int, TRAINER(train_split), 1, 3},
    {"validation-split", 0, required_argument, option_int, TRAINER(validation_split), 0, 3},

    {"epochs", 0, required_argument, option_int, TRAINER(epochs), 1, MANY},
    {"lr", 0, required_argument, option_number, TRAINER(lr), 0, 1000},
    {"batch", 0, required_argument, option_int, TRAINER(batch), 1, 1024},
    {"momentum", 0, required_argument, option_number, TRAINER(momentum), 0, 0x1.fffffffffffffp-1 /* the last below 1 */},
    {"accumulation", 0, required_argument, option_int, TRAINER(accumulation), 1, 1024},
    {"weight-decay", 0, required_argument, option_number, TRAINER(weight_decay), 0, 1},
    {"patience", 0, required_argument, option_int, TRAINER(patience), 0, MANY},
    {"optimiser", 0, required_argument, option_choice, TRAINER(optimiser), ULDOR_OPTIMISER_SGD, .choices = optimisers},
    {"second-momentum", 0, required_argument, option_number, TRAINER(second_momentum), 0, 0x1.fffffffffffffp-1},
    {"lr-schedule", 0, required_argument, option_choice, TRAINER(lr_schedule), ULDOR_RATE_STEPS, .choices = schedules},
    {"lr-factor", 0, required_argument, option_number, TRAINER(lr_factor), 0, 1},
    {"lr-epochs", 0, required_argument, option_int, TRAINER(lr_epochs), 0, MANY},
    {"warmup", 0, required_argument, option_int, TRAINER(warmup_steps), 0, MOST},
    {"clip", 0, required_argument, option_number, TRAINER(clip_norm), 0, 1e30},
    {"epoch-images", 0, required_argument, option_count, TRAINER(epoch_images), 0, MOST},
    {"validation-images", 0, required_argument, option_count, TRAINER(validation_images), 0, MOST},
    {"trainable-layers", 0, required_argument, option_int, TRAINER(trainable_layers), 0, 5},
    {"proposals", 0, required_argument, option_int, TRAINER(proposals), 1, 4096},
    {"rpn-samples", 0, required_argument, option_int, TRAINER(rpn_samples), 1, 4096},
    {"roi-samples", 0, required_argument, option_int, TRAINER(roi_samples), 1, 4096},
    {"no-mask-loss", 0, no_argument, option_set, TRAINER(no_mask_loss), 1},
    {"calibration-images", 0, required_argument, option_int, TRAINER(calibration_images), 0, 256},
    {"seed", 0, required_argument, option_seed, TRAINER(seed)},

    {"scale", 0, required_argument, take_scale, INTO(augmentation)},
    {"shift", 0, required_argument, option_int, INTO(augmentation.position_px), 0, 1024},
    {"slice-jitter", 0, required_argument, option_number, INTO(augmentation.slice_part), 0, 1},
    {"flip-x", 0, required_argument, option_number, INTO(augmentation.flip_x), 0, 1},
    {"flip-y", 0, required_argument, option_number, INTO(augmentation.flip_y), 0, 1},
    {"no-augmentation", 0, no_argument, take_no_augmentation, INTO(augmentation)},

    {"checkpoint", 0, required_argument, option_copy, INTO(checkpoint)},
    {"no-checkpoint", 0, no_argument, option_flag, INTO(no_checkpoint)},
    {"checkpoint-steps", 0, required_argument, option_count, TRAINER(checkpoint_steps), 0, MOST},
    {"restart", 0, no_argument, option_set, TRAINER(resume), ULDOR_RESUME_NEVER},
    {"log", 0, required_argument, option_copy, INTO(log)},
    {"no-log", 0, no_argument, option_flag, INTO(no_log)},
    {"plot", 0, required_argument, plot_file_option, INTO(plot)},
    {"half", 0, no_argument, option_set, TRAINER(half), 1},

    {"threads", 0, required_argument, option_int, TRAINER(threads), 1, 1024},
    {"loader-threads", 0, required_argument, option_int, TRAINER(loader_threads), 1, 64},
    {"portable", 0, no_argument, option_set, TRAINER(instructions), ULDOR_INSTRUCTIONS_PORTABLE},
    {"exact", 0, no_argument, option_set, TRAINER(exact), 1},
    {"quiet", 'q', no_argument, option_flag, INTO(quiet)},
    {0},
};

/* What does not go together; -1: it all does. */
static int check(const train_options *options) {
    const uldor_trainer_options *trainer = &options->trainer;
    if (options->data.directory == NULL) return options_usage_error("train", "--data is missing");
    if (options->check_only) return -1;
    if (trainer->output_path == NULL) return options_usage_error("train", "--out is missing");
    if (options->no_checkpoint && options->checkpoint != NULL)
        return options_usage_error("train", "--checkpoint and --no-checkpoint");
    if (options->no_log && options->log != NULL) return options_usage_error("train", "--log and --no-log");
    if (options->no_log && options->plot != NULL)
        return options_usage_error("train", "--plot draws the log: not with --no-log");
    if (trainer->architecture == NULL && trainer->init_path == NULL)
        return options_usage_error("train", "--arch or --init is missing");
    return -1;
}

static int complete(train_options *options) {
    uldor_trainer_options *trainer = &options->trainer;
    int code = check(options);
    if (code >= 0 || options->check_only) return code;
    if (!options->no_checkpoint && options->checkpoint == NULL)
        options->checkpoint = text_format("%s.checkpoint", trainer->output_path);
    if (!options->no_log && options->log == NULL) options->log = text_format("%s.csv", trainer->output_path);
    if ((!options->no_checkpoint && options->checkpoint == NULL) || (!options->no_log && options->log == NULL)) {
        message_error(NULL, "not enough memory");
        return EXIT_FAILED;
    }
    code = train_mining_complete(&options->mining, trainer);
    if (code >= 0) return code;
    trainer->checkpoint_path = options->checkpoint;
    trainer->log_path = options->log;
    trainer->augmentation = &options->augmentation;
    trainer->on_bad_image = options->data.dataset.on_bad_image;
    return -1;
}

int train_options_parse(int argc, char **argv, train_options *options) {
    *options = (train_options){0};
    data_options_init(&options->data);
    uldor_augmentation_init(&options->augmentation, sizeof options->augmentation);
    train_mining_init(&options->mining);
    uldor_trainer_options_init(&options->trainer, sizeof options->trainer);
    const option_group groups[] = {
        {rows, options}, {data_option_rows, &options->data}, {train_mining_rows, &options->mining}, {0}};
    int code = options_parse(argc, argv, help, groups);
    if (code >= 0) return code;
    if (optind < argc) return options_usage_error("train", "arguments are options only");
    return complete(options);
}

void train_options_free(train_options *options) {
    free(options->checkpoint);
    free(options->log);
}
