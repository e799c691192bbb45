/* mine_options.c - see mine_options.h */
#include "mine_options.h"

#include "commands.h"
#include "options.h"

static const char help[] =
    "usage: uldor mine --weights FILE --data DIR --out FILE [options]\n"
    "\n"
    "Looks for hard negatives: what the model takes for a lesion with more conviction than the lesions of the\n"
    "image. DIR has DeepLesion's layout, DL_info.csv and Images_png/<series>/<slice>.png; `uldor train --mined`\n"
    "learns from what is found. A run that was stopped at any moment goes on where it was.\n"
    "\n"
    "  -w, --weights FILE        the model, a safetensors file (required)\n"
    "      --data DIR            the data set (required)\n"
    "  -o, --out FILE            what is found, JSON lines (docs/mining.md) (required)\n"
    "  -s, --split NAME          train (default), validation or test\n"
    "      --restart             begin anew although there is FILE.part\n"
    "      --resume              go on from FILE.part; that there is none is an error\n"
    "\n"
    "Data\n"
    DATA_OPTIONS_HELP
    "\n"
    "What is a hard negative\n"
    "      --good-iou X          a detection is good where its mask's IoU with a lesion's is above X (0.3)\n"
    "      --min-score S         in images without a good one: score above S (0.7)\n"
    "      --most N              at most N of an image, drawn where there are more (3)\n"
    "      --spare Q             leave out what scores above quantile Q of the good ones (1: nothing)\n"
    "      --score-threshold S   look at detections from this score on (0.05)\n"
    "      --boxes-only          mined examples have no mask\n"
    "      --seed N, --epoch N   of the draws (0, 0)\n"
    "\n"
    "      --config FILE         JSON to use instead of the configuration in the weights\n"
    "      --threads N           threads to use (default: all cores)\n"
    "      --streams N           images looked at side by side (default: one a thread, at most 8)\n"
    "      --instructions NAME   best (default), portable, avx2 or avx512\n"
    "      --portable, --exact   as for detect\n"
    "  -q, --quiet               no progress, no warnings, no summary\n"
    "  -h, --help                this text\n"
    "\n"
    "Exit code: 0 done, 1 failed, 2 usage, 130 interrupted.\n"
    "For research only; not a medical device.\n";

#define INTO(member) .place = offsetof(mine_options, member)
#define MINING(member) .place = offsetof(mine_options, mining.member)

static const char *const splits[] = {"train", "validation", "test", NULL};
static const char *const instructions[] = {"best", "portable", "avx2", "avx512", NULL};

static const option_row rows[] = {
    {"weights", 'w', required_argument, option_path, INTO(weights)},
    {"out", 'o', required_argument, option_path, INTO(output)},
    {"config", 0, required_argument, option_text, INTO(config)},
    {"split", 's', required_argument, option_choice, MINING(split), ULDOR_SPLIT_TRAIN, .choices = splits},
    {"restart", 0, no_argument, option_set, MINING(resume), ULDOR_RESUME_NEVER},
    {"resume", 0, no_argument, option_set, MINING(resume), ULDOR_RESUME_ALWAYS},

    {"good-iou", 0, required_argument, option_number, MINING(good_iou), 0, 1},
    {"min-score", 0, required_argument, option_number, MINING(min_score), 0, 1},
    {"most", 0, required_argument, option_int, MINING(most), 0, 1000},
    {"spare", 0, required_argument, option_number, MINING(spare_quantile), 0, 1},
    {"score-threshold", 0, required_argument, option_number, MINING(score_threshold), 0, 1},
    {"boxes-only", 0, no_argument, option_set, MINING(boxes_only), 1},
    {"seed", 0, required_argument, option_seed, MINING(seed)},
    {"epoch", 0, required_argument, option_count, MINING(epoch), 0, INT32_MAX},

    {"threads", 0, required_argument, option_int, MINING(threads), 1, 1024},
    {"streams", 0, required_argument, option_int, MINING(streams), 1, 64},
    {"instructions", 0, required_argument, option_choice, MINING(instructions), ULDOR_INSTRUCTIONS_BEST, .choices = instructions},
    {"portable", 0, no_argument, option_set, MINING(instructions), ULDOR_INSTRUCTIONS_PORTABLE},
    {"exact", 0, no_argument, option_set, MINING(exact), 1},
    {"quiet", 'q', no_argument, option_flag, INTO(quiet)},
    {0},
};

int mine_options_parse(int argc, char **argv, mine_options *options) {
    *options = (mine_options){0};
    data_options_init(&options->data);
    uldor_mining_options_init(&options->mining, sizeof options->mining);
    const option_group groups[] = {{rows, options}, {data_option_rows, &options->data}, {0}};
    int code = options_parse(argc, argv, help, groups);
    if (code >= 0) return code;
    if (optind < argc) return options_usage_error("mine", "arguments are options only");
    if (options->weights == NULL) return options_usage_error("mine", "--weights is missing");
    if (options->data.directory == NULL) return options_usage_error("mine", "--data is missing");
    if (options->output == NULL) return options_usage_error("mine", "--out is missing");
    options->mining.on_bad_image = options->data.dataset.on_bad_image;
    return -1;
}
