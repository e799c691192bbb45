/* train_progress.c - see train_progress.h */
#include "train_progress.h"

#include <math.h>
#include <stdio.h>

#include "interrupt.h"
#include "message.h"
#include "progress.h"
#include "train_curves.h"

void train_progress_draw(train_progress *progress) {
    reason why;
    const train_options *options = progress->options;
    if (options->plot == NULL) return;
    if (train_curves_write(options->log, options->plot, options->trainer.output_path, &why) == 0) return;
    progress->failures++;
    message_error(options->plot, "%s", why.text);
}

static void print_epoch(const uldor_training_event *event) {
    progress_erase();
    printf("epoch %d/%d  loss %.4f (objectness %.4f, rpn box %.4f, class %.4f, box %.4f, mask %.4f)", (int)event->epoch + 1,
           (int)event->epochs, event->loss, event->objectness, event->rpn_box, event->classifier, event->box, event->mask);
    if (!isnan(event->validation_loss))
        printf("  validation %.4f%s", event->validation_loss, event->is_best ? " (best)" : "");
    printf("  lr %g", event->lr);
    /* None was learnt from since the run went on. */
    if (event->images_per_second > 0) printf("  %.2f images/s", event->images_per_second);
    putchar('\n');
    fflush(stdout);
}

static void format_seconds(double seconds, char *text, size_t capacity) {
    if (seconds < 0) snprintf(text, capacity, "?");
    else if (seconds < 90) snprintf(text, capacity, "%.0f s", seconds);
    else if (seconds < 5400) snprintf(text, capacity, "%.0f min", seconds / 60);
    else snprintf(text, capacity, "%.0f h %02.0f min", floor(seconds / 3600), floor(fmod(seconds, 3600) / 60));
}

int32_t train_progress_show(void *user, const uldor_training_event *event) {
    train_progress *progress = user;
    char task[64], left[32], stage[128];
    double fraction = event->steps > 0 ? (double)event->step / (double)event->steps : 0;
    format_seconds(event->seconds_left, left, sizeof left);
    switch (event->kind) {
    case ULDOR_TRAINING_CALIBRATION:
        snprintf(task, sizeof task, "batch norm");
        snprintf(stage, sizeof stage, "statistics of random weights");
        break;
    case ULDOR_TRAINING_VALIDATION:
        snprintf(task, sizeof task, "validation %d of %d", (int)event->epoch + 1, (int)event->epochs);
        snprintf(stage, sizeof stage, "loss %.4f  %s left", event->loss, left);
        break;
    case ULDOR_TRAINING_MINING:
        snprintf(task, sizeof task, "mining %d of %d", (int)event->epoch + 1, (int)event->epochs);
        snprintf(stage, sizeof stage, "hard negatives of %lld/%lld images", (long long)event->step, (long long)event->steps);
        break;
    case ULDOR_TRAINING_EPOCH:
        if (!progress->options->quiet) print_epoch(event);
        train_progress_draw(progress);
        return interrupt_received() != 0;
    default:
        snprintf(task, sizeof task, "epoch %d of %d", (int)event->epoch + 1, (int)event->epochs);
        progress->mean_loss = progress->mean_loss > 0 ? 0.9 * progress->mean_loss + 0.1 * event->loss : event->loss;
        snprintf(stage, sizeof stage, "loss %.4f  %.2f images/s  %s left", progress->mean_loss, event->images_per_second, left);
    }
    progress_set_task(task, 0, 0);
    return progress_report(NULL, fraction, stage);
}
