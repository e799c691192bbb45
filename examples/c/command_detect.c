/* command_detect.c - `uldor detect`: weights, images, and where the findings go */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "deeplesion_info.h"
#include "detect_options.h"
#include "detect_outputs.h"
#include "finding.h"
#include "image.h"
#include "interrupt.h"
#include "json_text.h"
#include "message.h"
#include "model_open.h"
#include "output_file.h"
#include "output_json.h"
#include "output_overlay.h"
#include "output_table.h"
#include "progress.h"

typedef struct detect_job {
    const detect_options *options;
    uldor_model *model;
    uldor_session *session;
    deeplesion_info *info;
    json_t *document;
    bool prints_table;
    int failures;
} detect_job;

static void fail(detect_job *job, const char *path, int32_t slice_number, const char *text) {
    job->failures++;
    if (slice_number >= 0) message_error(path, "slice %d: %s", (int)slice_number, text);
    else message_error(path, "%s", text);
    if (job->document != NULL && output_json_add_failure(job->document, path, slice_number, text) != 0)
        message_error(NULL, "not enough memory");
}

/* Writes what was asked for about one slice; each output that fails is named and counted. */
static void give_out(detect_job *job, slice_result *slice, char *overlay) {
    const detect_options *options = job->options;
    reason why;
    progress_erase();
    if (job->prints_table && output_table_print(slice, &why) != 0) {
        job->failures++;
        message_error(slice->path, "%s", why.text);
    }
    if (output_flush_stdout(&why) != 0) {
        job->failures++;
        message_error("-", "%s", why.text);
    }
    if (overlay != NULL) {
        if (output_overlay_write(slice, overlay, options->window_centre, options->window_width, &why) == 0) {
            slice->overlay = overlay;
        } else {
            job->failures++;
            message_error(overlay, "%s", why.text);
        }
    }
    if (job->document != NULL && output_json_add(job->document, slice, &why) != 0) {
        job->failures++;
        message_error(slice->path, "%s", why.text);
    }
}

static void detect_slice(detect_job *job, int index, const image *image, bool several_slices) {
    const char *path = job->options->images[index];
    slice_result slice = {.path = path, .image = image, .model = job->model};
    uldor_result *result = NULL;
    int32_t number = image->is_volume ? image_slice_number(image) : -1;
    interrupt_set_session(job->session);
    uldor_status status = uldor_session_detect(job->session, &image->view, &result);
    interrupt_set_session(NULL);
    if (status == ULDOR_ERROR_CANCELLED && interrupt_received() != 0) return;
    slice.result = result;
    slice.info.struct_size = sizeof slice.info;
    slice.input.struct_size = sizeof slice.input;
    if (status >= 0) status = uldor_result_get_info(result, &slice.info);
    if (status >= 0 && job->document != NULL)
        status = uldor_session_get_input(job->session, &image->view, ULDOR_INPUT_PADDED, NULL, 0, &slice.input);
    if (status < 0) {
        fail(job, path, number, uldor_last_error());
    } else {
        bool wants_overlay = job->options->overlay != NULL;
        char *overlay = wants_overlay ? detect_overlay_path(job->options, index, image, several_slices) : NULL;
        if (wants_overlay && overlay == NULL) fail(job, path, number, "not enough memory");
        else give_out(job, &slice, overlay);
        free(overlay);
    }
    uldor_result_free(result);
}

static void detect_image(detect_job *job, int index) {
    const detect_options *options = job->options;
    const char *path = options->images[index];
    image_request request = {.model = job->model,
                             .info = job->info,
                             .spacing_x_mm = options->spacing_x_mm,
                             .spacing_y_mm = options->spacing_y_mm,
                             .slice_interval_mm = options->slice_interval_mm,
                             .orientation = options->orientation,
                             .needs_spacing = !options->session.no_resampling};
    image image;
    reason why;
    if (image_open(&image, path, &request, &why) != 0) {
        fail(job, path, -1, why.text);
        return;
    }
    if (image.warning[0] != 0) message_warning(path, "%s", image.warning);
    int32_t first = 0, last = image.slices - 1;
    if (image.is_volume && options->first_slice >= 0) {
        first = options->first_slice;
        last = options->last_slice;
    }
    if (last >= image.slices) {
        char text[128];
        snprintf(text, sizeof text, "no slice %d: the volume has the slices 0 to %d", (int)last, (int)image.slices - 1);
        fail(job, path, -1, text);
        last = first - 1;
    }
    for (int32_t slice = first; slice <= last && interrupt_received() == 0; slice++) {
        image_select(&image, slice);
        if (last > first) progress_set_task(path, slice - first + 1, last - first + 1);
        else progress_set_task(path, index + 1, options->image_count);
        detect_slice(job, index, &image, last > first);
    }
    image_close(&image);
}

static int prepare(detect_job *job) {
    const detect_options *options = job->options;
    reason why;
    if (detect_check_outputs(options) != 0) return -1;
    if (options->info != NULL && deeplesion_info_read(options->info, &job->info, &why) != 0) {
        message_error(options->info, "%s", why.text);
        return -1;
    }
    if (model_open_session(options->weights, options->config, &options->session, &job->model, &job->session) != 0) return -1;
    if (options->json == NULL) return 0;
    job->document = output_json_create(options, job->model);
    if (job->document == NULL) message_error(NULL, "not enough memory");
    return job->document != NULL ? 0 : -1;
}

static void finish_json(detect_job *job) {
    reason why;
    if (job->document == NULL || json_write_file(job->document, job->options->json, 0, &why) == 0) return;
    job->failures++;
    message_error(job->options->json, "%s", why.text);
}

int command_detect(int argc, char **argv) {
    detect_options options;
    int code = detect_options_parse(argc, argv, &options);
    if (code >= 0) return code;
    message_set_quiet(options.quiet);
    progress_start(!options.quiet);
    detect_job job = {.options = &options};
    job.prints_table = (options.json == NULL || strcmp(options.json, "-") != 0) &&
                       (options.overlay == NULL || strcmp(options.overlay, "-") != 0);
    if (prepare(&job) == 0) {
        for (int i = 0; i < options.image_count && interrupt_received() == 0; i++) detect_image(&job, i);
        progress_erase();
        if (interrupt_received() == 0) finish_json(&job);
    } else {
        job.failures++;
    }
    json_decref(job.document);
    uldor_session_free(job.session);
    uldor_model_free(job.model);
    deeplesion_info_free(job.info);
    return interrupt_exit_code(job.failures > 0 ? EXIT_FAILED : EXIT_OK, "interrupted");
}
