/* command_froc.c - `uldor froc`: detections against the truth */
#include <stdio.h>
#include <string.h>

#include <uldor.h>

#include "commands.h"
#include "data_options.h"
#include "froc_data.h"
#include "froc_options.h"
#include "froc_output.h"
#include "message.h"
#include "options.h"

static const char help[] =
    "usage: uldor froc --truth DL_info.csv --detections results.json [options]\n"
    "       uldor froc --data DIR --detections results.json [options]\n"
    "\n"
    "Sensitivity by false positives an image, and average precision. The truth is DeepLesion's table; the\n"
    "detections are a JSON list of objects with\n"
    "  file_name or image_id   \"000001_03_01_088.png\"; an integer is the image's place in the table, from 0\n"
    "  bbox                    [x, y, width, height] in pixels, origin at the image's top-left corner\n"
    "  score                   0..1\n"
    "  category_id             1: lesion (default), 2: false positive\n"
    "  lesion_score            of a false positive: its probability of lesion\n"
    "\n"
    "  -t, --truth FILE          DL_info.csv\n"
    "      --data DIR            a data set, as `uldor evaluate` had it; with it or --truth:\n"
    DATA_OPTIONS_HELP
    "  -d, --detections FILE     results.json (required); - is standard input\n"
    "  -s, --split NAME          train, validation, test (default) or all\n"
    "  -c, --convention NAME     paper (default) or deeplesion (docs/evaluation.md)\n"
    FROC_OPTIONS_HELP
    "      --threads N           threads to use (default: all cores)\n"
    "  -q, --quiet               no table\n"
    "  -h, --help                this text\n"
    "\n"
    "Exit code: 0 done, 1 something in the files cannot be used, 2 usage.\n";

typedef struct command_options {
    const char *truth, *detections;
    bool quiet;
    data_options data;
    froc_options froc;
} command_options;

#define INTO(member) .place = offsetof(command_options, member)

static const char *const conventions[] = {"paper", "deeplesion", NULL};

static const option_row rows[] = {
    {"truth", 't', required_argument, option_text, INTO(truth)},
    {"detections", 'd', required_argument, option_text, INTO(detections)},
    {"convention", 'c', required_argument, option_choice, INTO(froc.froc.convention), .choices = conventions},
    {"threads", 0, required_argument, option_int, INTO(froc.froc.threads), 1, 1024},
    {"quiet", 'q', no_argument, option_flag, INTO(quiet)},
    {0},
};

static int parse(int argc, char **argv, command_options *o) {
    *o = (command_options){0};
    data_options_init(&o->data);
    froc_options_init(&o->froc);
    const option_group groups[] = {{rows, o}, {data_option_rows, &o->data}, {froc_option_rows, &o->froc}, {0}};
    int code = options_parse(argc, argv, help, groups);
    if (code >= 0) return code;
    if (optind != argc) return options_usage_error("froc", "there is an argument too many");
    if (o->truth == NULL && o->data.directory == NULL) return options_usage_error("froc", "--truth or --data is missing");
    if (o->truth != NULL && o->data.dataset.csv_path != NULL)
        return options_usage_error("froc", "--truth and --csv are the same");
    if (o->detections == NULL) return options_usage_error("froc", "--detections is missing");
    return -1;
}

static int give_out(const froc_options *o, const uldor_froc *froc, const image_free_box *box, const uldor_froc *box_froc,
                    bool quiet) {
    froc_report report = froc_options_report(o, froc, o->froc.convention, box, box_froc);
    reason why;
    int code = EXIT_OK;
    bool takes_stdout = o->json != NULL && strcmp(o->json, "-") == 0;
    if (!quiet && !takes_stdout && froc_print_table(&report, &why) != 0) {
        message_error(NULL, "%s", why.text);
        code = EXIT_FAILED;
    }
    if (o->json != NULL && froc_write_json(&report, o->json, &why) != 0) {
        message_error(o->json, "%s", why.text);
        code = EXIT_FAILED;
    }
    if (o->plot != NULL && froc_write_plot(&report, o->plot, &why) != 0) {
        message_error(o->plot, "%s", why.text);
        code = EXIT_FAILED;
    }
    return code;
}

/* What the box without an image finds; NULL where there is none to be had. Says what went wrong; -1 then. */
static int measure_box(const command_options *o, const uldor_dataset *truth, image_free_box *box, uldor_froc **froc) {
    reason why;
    *froc = NULL;
    if (froc_options_search_box(&o->froc, truth, box) != 0) return -1;
    if (box->lesions == 0) return 0;
    if (uldor_froc_create(&o->froc.froc, froc) < 0) {
        message_error(NULL, "%s", uldor_last_error());
        return -1;
    }
    if (image_free_box_add_all(*froc, truth, o->froc.split, box, &why) == 0) return froc_options_compute(&o->froc, *froc);
    message_error(NULL, "%s", why.text);
    return -1;
}

static int check_outputs(const command_options *o) {
    const char *const outputs[] = {o->froc.json, o->froc.plot}, *const inputs[] = {o->truth, o->detections};
    return data_options_check_outputs(&o->data, sizeof outputs / sizeof *outputs, outputs, sizeof inputs / sizeof *inputs, inputs);
}

static int measure(const command_options *o, const uldor_dataset *truth, uldor_froc *froc) {
    froc_detections detections;
    reason why;
    data_options_tell_left_out(truth);
    if (froc_detections_read(o->detections, truth, o->froc.split, &detections) != 0) return EXIT_FAILED;
    int status = froc_add_all(froc, truth, o->froc.split, &detections, &why);
    froc_detections_free(&detections);
    if (status != 0) {
        message_error(o->detections, "%s", why.text);
        return EXIT_FAILED;
    }
    if (froc_options_compute(&o->froc, froc) != 0) return EXIT_FAILED;
    if (!froc_options_want_box(&o->froc, &o->data.dataset)) return give_out(&o->froc, froc, NULL, NULL, o->quiet);
    image_free_box box;
    uldor_froc *box_froc;
    int code = measure_box(o, truth, &box, &box_froc) == 0 ? give_out(&o->froc, froc, &box, box_froc, o->quiet) : EXIT_FAILED;
    uldor_froc_free(box_froc);
    return code;
}

int command_froc(int argc, char **argv) {
    command_options o;
    int code = parse(argc, argv, &o);
    if (code >= 0) return code;
    uldor_dataset_options options = o.data.dataset;
    const char *directory = o.data.directory != NULL ? o.data.directory : ".";
    uldor_dataset *truth = NULL;
    uldor_froc *froc = NULL;
    if (o.truth != NULL) options.csv_path = o.truth;
    options.masks = ULDOR_MASKS_NONE;
    options.log = message_from_library;
    /* The table alone: no image is looked at. */
    if (o.data.directory == NULL) options.on_bad_image = ULDOR_BAD_ERROR;
    code = EXIT_FAILED;
    if (check_outputs(&o) != 0) return code;
    if (uldor_froc_create(&o.froc.froc, &froc) < 0) message_error(NULL, "%s", uldor_last_error());
    else if (uldor_dataset_open_deeplesion(directory, &options, &truth) < 0) message_error(NULL, "%s", uldor_last_error());
    else code = measure(&o, truth, froc);
    uldor_froc_free(froc);
    uldor_dataset_free(truth);
    return code;
}
