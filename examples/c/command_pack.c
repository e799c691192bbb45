/* command_pack.c - `uldor pack`: weights become a file that this version of the library loads without packing them */
#include <stdio.h>

#include <uldor.h>

#include "commands.h"
#include "message.h"
#include "model_open.h"
#include "options.h"
#include "output_file.h"
#include "reason.h"

static const char help[] =
    "usage: uldor pack [options] WEIGHTS --out FILE\n"
    "\n"
    "Writes a model as it lies in memory: every command's --weights and every program takes the file in the\n"
    "place of the weights, and starts sooner. It belongs to this version of the library and is not for\n"
    "training: keep the weights.\n"
    "\n"
    "  -o, --out FILE        where to (required); what is there is replaced\n"
    "      --config FILE     JSON to use instead of the configuration in the weights\n"
    "  -q, --quiet           say nothing on success\n"
    "  -h, --help            this text\n";

typedef struct pack_options {
    const char *output, *config;
    bool quiet;
} pack_options;

static const option_row rows[] = {
    {"out", 'o', required_argument, option_path, .place = offsetof(pack_options, output)},
    {"config", 0, required_argument, option_text, .place = offsetof(pack_options, config)},
    {"quiet", 'q', no_argument, option_flag, .place = offsetof(pack_options, quiet)},
    {0},
};

static int run(const char *weights, const pack_options *options) {
    reason why;
    message_set_quiet(options->quiet);
    if (output_file_check_input(options->output, weights, &why) != 0 ||
        output_file_check_input(options->output, options->config, &why) != 0) {
        message_error(options->output, "%s", why.text);
        return EXIT_FAILED;
    }
    uldor_model *model = model_open(weights, options->config, 0);
    if (model == NULL) return EXIT_FAILED;
    uldor_model_info info = {.struct_size = sizeof info};
    int code = EXIT_FAILED;
    if (uldor_model_get_info(model, &info) < 0 || uldor_model_save_packed(model, options->output) < 0) {
        message_error(NULL, "%s", uldor_last_error());
    } else {
        code = EXIT_OK;
        if (!options->quiet) printf("%lld parameters packed: %s\n", (long long)info.parameters, options->output);
    }
    uldor_model_free(model);
    return code;
}

int command_pack(int argc, char **argv) {
    pack_options options = {0};
    int code = options_parse(argc, argv, help, (const option_group[]){{rows, &options}, {0}});
    if (code >= 0) return code;
    if (optind + 1 != argc) return options_usage_error("pack", "one weights file is needed");
    if (options.output == NULL) return options_usage_error("pack", "--out is needed");
    return run(argv[optind], &options);
}
