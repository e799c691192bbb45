/* progress.c - see progress.h */
#include "progress.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "interrupt.h"

static bool shown_at_all;
static atomic_bool line_is_drawn;
static char task[64];
static struct timespec last_drawn;

void progress_start(bool wanted) {
    const char *terminal = getenv("TERM");
    bool dumb = terminal == NULL || strcmp(terminal, "dumb") == 0;
    shown_at_all = wanted && !dumb && isatty(STDERR_FILENO);
}

void progress_set_task(const char *name, int64_t index, int64_t count) {
    const char *slash = strrchr(name, '/');
    name = slash != NULL ? slash + 1 : name;
    char place[32] = "";
    if (count > 1) snprintf(place, sizeof place, "  %lld/%lld", (long long)index, (long long)count);
    snprintf(task, sizeof task, "%.28s%s", name, place);
    for (char *c = task; *c != 0; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7F) *c = '?';
}

/* Ten times a second is enough for an eye and costs nothing. */
static bool is_too_soon(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double elapsed = (double)(now.tv_sec - last_drawn.tv_sec) + 1e-9 * (double)(now.tv_nsec - last_drawn.tv_nsec);
    if (elapsed < 0.1) return true;
    last_drawn = now;
    return false;
}

static int terminal_width(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

int32_t progress_report(void *user, double fraction, const char *stage) {
    (void)user;
    if (interrupt_received() != 0) return 1;
    if (!shown_at_all || is_too_soon()) return 0;

    enum { bar_width = 24 };
    char bar[bar_width + 1];
    int filled = fraction > 0 ? (int)(fraction * bar_width) : 0;
    if (filled > bar_width) filled = bar_width;
    memset(bar, '.', bar_width);
    memset(bar, '#', (size_t)filled);
    bar[bar_width] = 0;

    char line[256];
    snprintf(line, sizeof line, "%s  [%s] %3.0f %%  %s", task, bar, 100 * fraction, stage != NULL ? stage : "");
    /* One column is left free: a line that fills the terminal wraps, and then cannot be erased. */
    fprintf(stderr, "\r\033[K%.*s", terminal_width() - 1, line);
    fflush(stderr);
    line_is_drawn = true;
    return 0;
}

void progress_erase(void) {
    if (!atomic_exchange(&line_is_drawn, false)) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
}

void progress_erase_raw(void) {
    if (!atomic_exchange(&line_is_drawn, false)) return;
    ssize_t written = write(STDERR_FILENO, "\r\033[K", 4);
    (void)written; /* the process is about to end: nobody is left to tell */
}
