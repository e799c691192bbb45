/* model_open.c - see model_open.h */
#include "model_open.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "message.h"
#include "progress.h"
#include "reason.h"

/* A configuration is a page of JSON: what is longer is another file given by mistake. */
enum { MAX_CONFIG = 1 << 20 };

char *model_read_config(const char *path, reason *why) {
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) {
        reason_set_errno(why, errno);
        return NULL;
    }
    char *text = malloc(MAX_CONFIG + 1);
    size_t count = text != NULL ? fread(text, 1, MAX_CONFIG + 1, stream) : 0;
    int status = 0;
    if (text == NULL) status = reason_set(why, "not enough memory");
    else if (ferror(stream)) status = reason_set_errno(why, errno);
    else if (count > MAX_CONFIG) status = reason_set(why, "too long for a configuration");
    fclose(stream);
    if (status != 0) {
        free(text);
        return NULL;
    }
    text[count] = 0;
    return text;
}

uldor_model *model_open(const char *weights, const char *config, int32_t threads) {
    uldor_model *model = NULL;
    uldor_model_options options;
    char *text = NULL;
    if (config != NULL) {
        reason why;
        text = model_read_config(config, &why);
        if (text == NULL) {
            message_error(config, "%s", why.text);
            return NULL;
        }
    }
    uldor_model_options_init(&options, sizeof options);
    options.log = message_from_library;
    options.log_user = (void *)(uintptr_t)weights;
    options.config = text;
    options.threads = threads;
    if (uldor_model_load_file(weights, &options, &model) < 0) message_error(weights, "%s", uldor_last_error());
    free(text);
    return model;
}

int model_open_session(const char *weights, const char *config, const uldor_session_options *options, uldor_model **model,
                       uldor_session **session) {
    uldor_session_options shown = *options;
    shown.progress = progress_report;
    shown.log = message_from_library;
    *session = NULL;
    *model = model_open(weights, config, options->threads);
    if (*model == NULL) return -1;
    if (uldor_session_create(*model, &shown, session) >= 0) return 0;
    message_error(NULL, "%s", uldor_last_error());
    return -1;
}
