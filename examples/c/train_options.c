/* train_options.c - see train_options.h */
#include "train_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "message.h"
#include "parse.h"

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
    "      --csv FILE, --images DIR      in place of those in DIR\n"
    "      --masks DIR           given masks (PNG), pseudo masks where there is none\n"
    "      --pseudo-masks        pseudo masks all the same; DIR only says where --negatives are\n"
    "      --boxes FILE          CSV of further boxes without diameters\n"
    "      --windows FILE        CSV with a window for each series\n"
    "      --negatives           slices without a row and without a mask are images without lesions\n"
    "      --keep-noisy          rows with Possibly_noisy = 1 count, too\n"
    "      --on-bad RULE         error (default): stop at bad rows and images; skip: leave them out and count them\n"
    "      --train-split N, --validation-split N     of Train_Val_Test (1 and 2; 0: no validation)\n"
    "\n"
    "Run\n"
    "      --epochs N            (12)              --lr RATE             learning rate (1e-3)\n"
    "      --batch N             images a step (2) --momentum M          (0.9)\n"
    "      --accumulation N      batches a step (1)  --weight-decay D    (1e-4)\n"
    "      --patience N          epochs without a better validation loss, 0: never stop (4)\n"
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

enum {
    OPT_DATA = 256, OPT_CHECK, OPT_ARCH, OPT_INIT, OPT_CONFIG, OPT_CLASSES, OPT_CSV, OPT_IMAGES, OPT_MASKS, OPT_PSEUDO_MASKS, OPT_BOXES,
    OPT_WINDOWS, OPT_NEGATIVES, OPT_KEEP_NOISY, OPT_ON_BAD, OPT_TRAIN_SPLIT, OPT_VALIDATION_SPLIT, OPT_EPOCHS, OPT_LR,
    OPT_BATCH, OPT_MOMENTUM, OPT_ACCUMULATION, OPT_WEIGHT_DECAY, OPT_PATIENCE, OPT_LR_FACTOR, OPT_LR_EPOCHS, OPT_WARMUP,
    OPT_CLIP, OPT_EPOCH_IMAGES, OPT_VALIDATION_IMAGES, OPT_TRAINABLE_LAYERS, OPT_PROPOSALS, OPT_RPN_SAMPLES,
    OPT_ROI_SAMPLES, OPT_NO_MASK_LOSS, OPT_CALIBRATION_IMAGES, OPT_SEED, OPT_SCALE, OPT_SHIFT, OPT_SLICE_JITTER,
    OPT_FLIP_X, OPT_FLIP_Y, OPT_NO_AUGMENTATION, OPT_CHECKPOINT, OPT_NO_CHECKPOINT, OPT_CHECKPOINT_STEPS, OPT_RESTART,
    OPT_LOG, OPT_NO_LOG, OPT_PLOT, OPT_HALF, OPT_THREADS, OPT_LOADER_THREADS, OPT_PORTABLE, OPT_EXACT
};

static const struct option long_options[] = {
    {"data", required_argument, NULL, OPT_DATA},
    {"out", required_argument, NULL, 'o'},
    {"check", no_argument, NULL, OPT_CHECK},
    {"arch", required_argument, NULL, OPT_ARCH},
    {"init", required_argument, NULL, OPT_INIT},
    {"config", required_argument, NULL, OPT_CONFIG},
    {"classes", required_argument, NULL, OPT_CLASSES},
    {"csv", required_argument, NULL, OPT_CSV},
    {"images", required_argument, NULL, OPT_IMAGES},
    {"masks", required_argument, NULL, OPT_MASKS},
    {"pseudo-masks", no_argument, NULL, OPT_PSEUDO_MASKS},
    {"boxes", required_argument, NULL, OPT_BOXES},
    {"windows", required_argument, NULL, OPT_WINDOWS},
    {"negatives", no_argument, NULL, OPT_NEGATIVES},
    {"keep-noisy", no_argument, NULL, OPT_KEEP_NOISY},
    {"on-bad", required_argument, NULL, OPT_ON_BAD},
    {"train-split", required_argument, NULL, OPT_TRAIN_SPLIT},
    {"validation-split", required_argument, NULL, OPT_VALIDATION_SPLIT},
    {"epochs", required_argument, NULL, OPT_EPOCHS},
    {"lr", required_argument, NULL, OPT_LR},
    {"batch", required_argument, NULL, OPT_BATCH},
    {"momentum", required_argument, NULL, OPT_MOMENTUM},
    {"accumulation", required_argument, NULL, OPT_ACCUMULATION},
    {"weight-decay", required_argument, NULL, OPT_WEIGHT_DECAY},
    {"patience", required_argument, NULL, OPT_PATIENCE},
    {"lr-factor", required_argument, NULL, OPT_LR_FACTOR},
    {"lr-epochs", required_argument, NULL, OPT_LR_EPOCHS},
    {"warmup", required_argument, NULL, OPT_WARMUP},
    {"clip", required_argument, NULL, OPT_CLIP},
    {"epoch-images", required_argument, NULL, OPT_EPOCH_IMAGES},
    {"validation-images", required_argument, NULL, OPT_VALIDATION_IMAGES},
    {"trainable-layers", required_argument, NULL, OPT_TRAINABLE_LAYERS},
    {"proposals", required_argument, NULL, OPT_PROPOSALS},
    {"rpn-samples", required_argument, NULL, OPT_RPN_SAMPLES},
    {"roi-samples", required_argument, NULL, OPT_ROI_SAMPLES},
    {"no-mask-loss", no_argument, NULL, OPT_NO_MASK_LOSS},
    {"calibration-images", required_argument, NULL, OPT_CALIBRATION_IMAGES},
    {"seed", required_argument, NULL, OPT_SEED},
    {"scale", required_argument, NULL, OPT_SCALE},
    {"shift", required_argument, NULL, OPT_SHIFT},
    {"slice-jitter", required_argument, NULL, OPT_SLICE_JITTER},
    {"flip-x", required_argument, NULL, OPT_FLIP_X},
    {"flip-y", required_argument, NULL, OPT_FLIP_Y},
    {"no-augmentation", no_argument, NULL, OPT_NO_AUGMENTATION},
    {"checkpoint", required_argument, NULL, OPT_CHECKPOINT},
    {"no-checkpoint", no_argument, NULL, OPT_NO_CHECKPOINT},
    {"checkpoint-steps", required_argument, NULL, OPT_CHECKPOINT_STEPS},
    {"restart", no_argument, NULL, OPT_RESTART},
    {"log", required_argument, NULL, OPT_LOG},
    {"no-log", no_argument, NULL, OPT_NO_LOG},
    {"plot", required_argument, NULL, OPT_PLOT},
    {"half", no_argument, NULL, OPT_HALF},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"loader-threads", required_argument, NULL, OPT_LOADER_THREADS},
    {"portable", no_argument, NULL, OPT_PORTABLE},
    {"exact", no_argument, NULL, OPT_EXACT},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static bool parse_scale(const char *text, uldor_augmentation *augmentation) {
    double values[2];
    if (parse_list(text, ',', values, 2) != 2 || !(values[0] >= 0.1 && values[0] <= values[1] && values[1] <= 10)) return false;
    augmentation->scale_low = values[0];
    augmentation->scale_high = values[1];
    return true;
}

static bool parse_seed(const char *text, uint64_t *seed) {
    char *end;
    if (*text < '0' || *text > '9') return false;
    errno = 0;
    *seed = strtoull(text, &end, 10);
    return *end == 0 && errno == 0;
}

static bool parse_count(const char *text, int64_t *value) {
    int32_t number;
    if (!parse_int(text, 0, 1000000000, &number)) return false;
    *value = number;
    return true;
}

static bool parse_rule(const char *text, train_options *options) {
    int32_t rule = strcmp(text, "skip") == 0 ? ULDOR_BAD_SKIP : ULDOR_BAD_ERROR;
    options->dataset.on_bad_row = options->dataset.on_bad_image = options->trainer.on_bad_image = rule;
    return rule == ULDOR_BAD_SKIP || strcmp(text, "error") == 0;
}

static bool parse_plot(const char *text, const char **plot) {
    const char *dot = strrchr(text, '.');
    *plot = text;
    return dot != NULL && (strcmp(dot, ".svg") == 0 || strcmp(dot, ".png") == 0);
}

static bool set_copy(char **place, const char *value) {
    free(*place);
    *place = strdup(value);
    return *place != NULL && *value != 0;
}

static void switch_augmentation_off(uldor_augmentation *augmentation) {
    augmentation->scale_low = augmentation->scale_high = 1;
    augmentation->position_px = 0;
    augmentation->slice_part = augmentation->flip_x = augmentation->flip_y = 0;
}

/* About the data and its augmentation. Returns 1 when taken, 0 when the value does not fit, -1 for another option. */
static int take_data_option(int option, const char *value, train_options *options) {
    uldor_dataset_options *data = &options->dataset;
    uldor_augmentation *augmentation = &options->augmentation;
    switch (option) {
    case OPT_DATA: options->data = value; return 1;
    case OPT_CHECK: options->check_only = true; return 1;
    case OPT_CSV: data->csv_path = value; return 1;
    case OPT_IMAGES: data->image_directory = value; return 1;
    case OPT_MASKS:
        data->mask_directory = value;
        if (!options->pseudo_masks) data->masks = ULDOR_MASKS_GIVEN_OR_PSEUDO;
        return 1;
    case OPT_PSEUDO_MASKS:
        options->pseudo_masks = true;
        data->masks = ULDOR_MASKS_PSEUDO;
        return 1;
    case OPT_BOXES: data->boxes_path = value; return 1;
    case OPT_WINDOWS: data->windows_path = value; return 1;
    case OPT_NEGATIVES: data->negatives = ULDOR_NEGATIVES_UNMASKED; return 1;
    case OPT_KEEP_NOISY: data->keep_noisy = 1; return 1;
    case OPT_ON_BAD: return parse_rule(value, options);
    case OPT_SCALE: return parse_scale(value, augmentation);
    case OPT_SHIFT: return parse_int(value, 0, 1024, &augmentation->position_px);
    case OPT_SLICE_JITTER: return parse_double(value, 0, 1, &augmentation->slice_part);
    case OPT_FLIP_X: return parse_double(value, 0, 1, &augmentation->flip_x);
    case OPT_FLIP_Y: return parse_double(value, 0, 1, &augmentation->flip_y);
    case OPT_NO_AUGMENTATION: switch_augmentation_off(augmentation); return 1;
    default: return -1;
    }
}

static bool take_option(int option, const char *value, train_options *options) {
    uldor_trainer_options *trainer = &options->trainer;
    int taken = take_data_option(option, value, options);
    if (taken >= 0) return taken == 1;
    switch (option) {
    case 'o': trainer->output_path = value; return *value != 0;
    case OPT_ARCH: trainer->architecture = value; return true;
    case OPT_INIT: trainer->init_path = value; return true;
    case OPT_CONFIG: options->config = value; return true;
    case OPT_CLASSES: return parse_int(value, 2, 3, &trainer->classes);
    case OPT_TRAIN_SPLIT: return parse_int(value, 1, 3, &trainer->train_split);
    case OPT_VALIDATION_SPLIT: return parse_int(value, 0, 3, &trainer->validation_split);
    case OPT_EPOCHS: return parse_int(value, 1, 100000, &trainer->epochs);
    case OPT_LR: return parse_double(value, 0, 1000, &trainer->lr);
    case OPT_BATCH: return parse_int(value, 1, 1024, &trainer->batch);
    case OPT_MOMENTUM: return parse_double(value, 0, 1, &trainer->momentum) && trainer->momentum < 1;
    case OPT_ACCUMULATION: return parse_int(value, 1, 1024, &trainer->accumulation);
    case OPT_WEIGHT_DECAY: return parse_double(value, 0, 1, &trainer->weight_decay);
    case OPT_PATIENCE: return parse_int(value, 0, 100000, &trainer->patience);
    case OPT_LR_FACTOR: return parse_double(value, 0, 1, &trainer->lr_factor);
    case OPT_LR_EPOCHS: return parse_int(value, 0, 100000, &trainer->lr_epochs);
    case OPT_WARMUP: return parse_int(value, 0, 1000000000, &trainer->warmup_steps);
    case OPT_CLIP: return parse_double(value, 0, 1e30, &trainer->clip_norm);
    case OPT_EPOCH_IMAGES: return parse_count(value, &trainer->epoch_images);
    case OPT_VALIDATION_IMAGES: return parse_count(value, &trainer->validation_images);
    case OPT_TRAINABLE_LAYERS: return parse_int(value, 0, 5, &trainer->trainable_layers);
    case OPT_PROPOSALS: return parse_int(value, 1, 4096, &trainer->proposals);
    case OPT_RPN_SAMPLES: return parse_int(value, 1, 4096, &trainer->rpn_samples);
    case OPT_ROI_SAMPLES: return parse_int(value, 1, 4096, &trainer->roi_samples);
    case OPT_NO_MASK_LOSS: trainer->no_mask_loss = 1; return true;
    case OPT_CALIBRATION_IMAGES: return parse_int(value, 0, 256, &trainer->calibration_images);
    case OPT_SEED: return parse_seed(value, &trainer->seed);
    case OPT_CHECKPOINT: return set_copy(&options->checkpoint, value);
    case OPT_NO_CHECKPOINT: options->no_checkpoint = true; return true;
    case OPT_CHECKPOINT_STEPS: return parse_count(value, &trainer->checkpoint_steps);
    case OPT_RESTART: trainer->resume = ULDOR_RESUME_NEVER; return true;
    case OPT_LOG: return set_copy(&options->log, value);
    case OPT_NO_LOG: options->no_log = true; return true;
    case OPT_PLOT: return parse_plot(value, &options->plot);
    case OPT_HALF: trainer->half = 1; return true;
    case OPT_THREADS: return parse_int(value, 1, 1024, &trainer->threads);
    case OPT_LOADER_THREADS: return parse_int(value, 1, 64, &trainer->loader_threads);
    case OPT_PORTABLE: trainer->instructions = ULDOR_INSTRUCTIONS_PORTABLE; return true;
    case OPT_EXACT: trainer->exact = 1; return true;
    case 'q': options->quiet = true; return true;
    default: return false;
    }
}

static int usage_error(const char *text) {
    message_error(NULL, "train: %s", text);
    fputs("Try 'uldor train --help'.\n", stderr);
    return EXIT_USAGE;
}

/* `path` with an ending, or NULL. */
static char *beside(const char *path, const char *ending) {
    size_t length = strlen(path) + strlen(ending) + 1;
    char *result = malloc(length);
    if (result != NULL) snprintf(result, length, "%s%s", path, ending);
    return result;
}

static int complete(train_options *options) {
    uldor_trainer_options *trainer = &options->trainer;
    if (options->data == NULL) return usage_error("--data is missing");
    if (options->check_only) return -1;
    if (trainer->output_path == NULL) return usage_error("--out is missing");
    if (options->no_checkpoint && options->checkpoint != NULL) return usage_error("--checkpoint and --no-checkpoint");
    if (options->no_log && options->log != NULL) return usage_error("--log and --no-log");
    if (options->no_log && options->plot != NULL) return usage_error("--plot draws the log: not with --no-log");
    if (trainer->architecture == NULL && trainer->init_path == NULL) return usage_error("--arch or --init is missing");
    if (!options->no_checkpoint && options->checkpoint == NULL)
        options->checkpoint = beside(trainer->output_path, ".checkpoint");
    if (!options->no_log && options->log == NULL) options->log = beside(trainer->output_path, ".csv");
    if ((!options->no_checkpoint && options->checkpoint == NULL) || (!options->no_log && options->log == NULL)) {
        message_error(NULL, "not enough memory");
        return EXIT_FAILED;
    }
    trainer->checkpoint_path = options->checkpoint;
    trainer->log_path = options->log;
    trainer->augmentation = &options->augmentation;
    return -1;
}

int train_options_parse(int argc, char **argv, train_options *options) {
    *options = (train_options){0};
    uldor_dataset_options_init(&options->dataset, sizeof options->dataset);
    uldor_augmentation_init(&options->augmentation, sizeof options->augmentation);
    uldor_trainer_options_init(&options->trainer, sizeof options->trainer);
    int option, index = 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":o:qh", long_options, &index)) != -1) {
        char text[256];
        if (option == 'h') {
            fputs(help, stdout);
            return EXIT_OK;
        }
        if (option == '?' || option == ':') {
            snprintf(text, sizeof text, option == ':' ? "%s needs a value" : "unknown option %s", argv[optind - 1]);
            return usage_error(text);
        }
        if (!take_option(option, optarg, options)) {
            const struct option *entry = long_options;
            while (entry->val != option) entry++;
            snprintf(text, sizeof text, "--%s: '%s' is not a usable value", entry->name, optarg);
            return usage_error(text);
        }
    }
    if (optind < argc) return usage_error("arguments are options only");
    return complete(options);
}

void train_options_free(train_options *options) {
    free(options->checkpoint);
    free(options->log);
}
