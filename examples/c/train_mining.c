/* train_mining.c - see train_mining.h */
#include "train_mining.h"

#include <string.h>

#include "commands.h"

#define INTO(member) .place = offsetof(train_mining, member)

const option_row train_mining_rows[] = {
    {"mine", 0, no_argument, option_flag, INTO(mines)},
    {"mine-first", 0, required_argument, option_int, INTO(options.first_epoch), 0, 100000},
    {"mine-every", 0, required_argument, option_int, INTO(options.every), 0, 100000},
    {"mine-most", 0, required_argument, option_int, INTO(options.most), 0, 1000},
    {"mine-good-iou", 0, required_argument, option_number, INTO(options.good_iou), 0, 1},
    {"mine-min-score", 0, required_argument, option_number, INTO(options.min_score), 0, 1},
    {"mine-score-threshold", 0, required_argument, option_number, INTO(options.score_threshold), 0, 1},
    {"mine-spare", 0, required_argument, option_number, INTO(options.spare_quantile), 0, 1},
    {"mine-boxes-only", 0, no_argument, option_set, INTO(options.boxes_only), 1},
    {"mined-out", 0, required_argument, option_path, INTO(output)},
    {"mined", 0, required_argument, option_path, INTO(mined)},
    {"mined-any-model", 0, no_argument, option_set, INTO(any_model), 1},
    {0},
};

void train_mining_init(train_mining *mining) {
    *mining = (train_mining){0};
    uldor_mining_options_init(&mining->options, sizeof mining->options);
}

int train_mining_complete(const train_mining *mining, uldor_trainer_options *trainer) {
    uldor_mining_options usual;
    memset(&usual, 0, sizeof usual);
    uldor_mining_options_init(&usual, sizeof usual);
    if (!mining->mines && memcmp(&usual, &mining->options, sizeof usual) != 0)
        return options_usage_error("train", "--mine is missing: the other options of mining need it");
    if (!mining->mines && mining->output != NULL) return options_usage_error("train", "--mined-out needs --mine");
    if (mining->mined == NULL && mining->any_model) return options_usage_error("train", "--mined-any-model needs --mined");
    if (mining->mines) trainer->mining = &mining->options;
    trainer->mined_path = mining->mined;
    trainer->mined_output_path = mining->output;
    trainer->mined_by_any_model = mining->any_model;
    return -1;
}
