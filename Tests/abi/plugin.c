/*
 * plugin.c - a host that opens the library at run time and whose process must be as it was afterwards
 *
 * Not linked to libuldor: what a constructor of the library would change is seen, too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <dirent.h>
#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <uldor.h>
#include <unistd.h>

#include "check.h"

#define FUNCTIONS(F)                                                                                                   \
    F(last_error) F(model_load_file) F(model_free) F(session_options_init) F(session_create) F(session_free)           \
    F(image_init) F(session_detect) F(result_get_info) F(result_get_contour_count) F(result_free)

static struct {
#define F(name) __typeof__(uldor_##name) *name;
    FUNCTIONS(F)
#undef F
} api;

static const char *fixture;
static char *program;

static void *open_library(void) {
    char path[4096 + 32];
    /* Beside this program, by its path, as hosts open their plug-ins. */
    snprintf(path, sizeof path, "%.*s/libuldor.so.0", (int)(strrchr(program, '/') - program), program);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        printf("dlopen: %s\n", dlerror());
        return NULL;
    }
#define F(name) *(void **)&api.name = dlsym(handle, "uldor_" #name);
    FUNCTIONS(F)
#undef F
    return api.last_error && api.result_free ? handle : NULL;
}

/* ---------------------------------------------------------------------- One life of the library's objects */

static uldor_model *model;
static uldor_session *session;

static int detect(void) {
    static int16_t pixels[64 * 64];
    uldor_image image;
    uldor_result *result;
    uldor_result_info info = {.struct_size = sizeof info};
    int32_t contours;
    for (int i = 0; i < 64 * 64; i++) pixels[i] = (int16_t)(i % 64 > 20 && i % 64 < 40 ? 60 : -200);
    if (api.image_init(&image, sizeof image) < 0) return 0;
    image.width = image.height = 64;
    image.data = pixels;
    image.data_bytes = sizeof pixels;
    image.spacing_x_mm = image.spacing_y_mm = 0.8;
    if (api.session_detect(session, &image, &result) < 0) return 0;
    int fine = api.result_get_info(result, &info) == ULDOR_OK;
    if (info.count) fine &= api.result_get_contour_count(result, 0, &contours) == ULDOR_OK;
    return fine & (api.result_free(result) == ULDOR_OK);
}

static int open_session(void) {
    uldor_session_options options;
    if (api.model_load_file(fixture, NULL, &model) < 0) return 0;
    api.session_options_init(&options, sizeof options);
    options.threads = 4;
    options.score_threshold = 0;
    return api.session_create(model, &options, &session) == ULDOR_OK;
}

static int close_session(void) {
    return api.session_free(session) == ULDOR_OK && api.model_free(model) == ULDOR_OK;
}

static int life(void) {
    uldor_model *none;
    /* Failures are a part of life: nothing of theirs may stay open or be printed either. */
    if (api.model_load_file("/nowhere", NULL, &none) == ULDOR_OK) return 0;
    if (api.model_load_file(program, NULL, &none) == ULDOR_OK) return 0;
    return open_session() && detect() && detect() && close_session();
}

/* ------------------------------------------------------------------------------- The state of the process */

struct state {
    char text[65536];
};
static char **first_environ;
extern char **environ;
typedef int (*int_function)(void);
static int_function omp_functions[4];
static const char *const omp_names[4] = {"omp_get_max_threads", "omp_get_dynamic", "omp_get_max_active_levels",
                                         "omp_get_thread_limit"};

static void add(struct state *state, const char *name, long long value) {
    size_t at = strlen(state->text);
    snprintf(state->text + at, sizeof state->text - at, "%s %llx\n", name, value);
}

static int open_files(void) {
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (readdir(directory)) count++;
    closedir(directory);
    return count;
}

/* Everything that the header promises to leave alone, one line each. */
static void take(struct state *state) {
    sigset_t mask;
    cpu_set_t cpus;
    struct itimerval timer;
    struct stat at;
    char name[32];
    unsigned int mxcsr = 0;
    unsigned short control = 0;
    mode_t creation = umask(0);
    umask(creation);
    *state->text = 0;
    for (int i = 1; i <= 64; i++) {
        struct sigaction action;
        if (sigaction(i, NULL, &action)) continue;
        snprintf(name, sizeof name, "signal %d", i);
        add(state, name, (long long)(uintptr_t)action.sa_handler ^ action.sa_flags);
    }
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (int i = 1; i <= 64; i++) add(state, "blocked", sigismember(&mask, i));
#if defined(__x86_64__)
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(control));
#endif
    add(state, "mxcsr without its sticky flags", mxcsr & ~0x3fu);
    add(state, "x87 control word", control);
    add(state, "rounding", fegetround());
    add(state, "umask", creation);
    add(state, "environ", environ == first_environ);
    for (char **e = environ; *e; e++) strncat(state->text, *e, sizeof state->text - strlen(state->text) - 8);
    CPU_ZERO(&cpus);
    sched_getaffinity(0, sizeof cpus, &cpus);
    for (int i = 0; i < 64; i++) add(state, "cpu", CPU_ISSET(i, &cpus));
    getitimer(ITIMER_REAL, &timer);
    add(state, "timer", timer.it_value.tv_sec);
    prctl(PR_GET_NAME, name);
    strcat(state->text, name);
    strcat(state->text, setlocale(LC_ALL, NULL));
    if (!stat(".", &at)) add(state, "folder", (long long)at.st_ino);
    add(state, "open files", open_files());
    for (int i = 0; i < 4; i++)
        if (omp_functions[i]) add(state, omp_names[i], omp_functions[i]());
}

static void show_difference(struct state *a, struct state *b) {
    char *p, *q, *line_a = strtok_r(a->text, "\n", &p), *line_b = strtok_r(b->text, "\n", &q);
    while (line_a && line_b) {
        if (strcmp(line_a, line_b)) printf("  was '%.300s', is '%.300s'\n", line_a, line_b);
        line_a = strtok_r(NULL, "\n", &p);
        line_b = strtok_r(NULL, "\n", &q);
    }
}

/* --------------------------------------------------------------------------------------------------- Cases */

static void process_is_as_it_was(void) {
    static struct state before, opened, after;
    char path[] = "/tmp/uldor-output-XXXXXX";
    int out = dup(1), err = dup(2), file = mkstemp(path);
    first_environ = environ;
    /* The host's own OpenMP is the same copy of libomp as the library's: its settings are the host's. */
    void *omp = dlopen("libomp.so.5", RTLD_NOW | RTLD_GLOBAL);
    for (int i = 0; omp && i < 4; i++) *(void **)&omp_functions[i] = dlsym(omp, omp_names[i]);
    for (int i = 0; i < 4; i++)
        if (omp_functions[i]) omp_functions[i](); /* libomp's own start is not the library's doing */
    take(&before);
    fflush(stdout);
    dup2(file, 1);
    dup2(file, 2);
    void *library = open_library();
    take(&opened);
    int lived = library && life();
    take(&after);
    fflush(stdout);
    fflush(stderr);
    dup2(out, 1);
    dup2(err, 2);
    CHECK(lived);
    CHECK_INT(lseek(file, 0, SEEK_END), 0); /* nothing printed */
    close(file), close(out), close(err);
    unlink(path);
    if (strcmp(before.text, opened.text)) {
        FAIL("opening the library changed the process");
        show_difference(&before, &opened);
    } else if (strcmp(before.text, after.text)) {
        FAIL("using the library changed the process");
        show_difference(&before, &after);
    }
}

static void files_are_closed(void) {
    int before = open_files();
    for (int i = 0; i < 5; i++) CHECK(life());
    CHECK_INT(open_files(), before);
}

static void opened_again_and_again(void) {
    for (int i = 0; i < 4; i++) {
        CONTEXT("round %d", i);
        void *handle = open_library();
        NEED(handle);
        CHECK(life());
        CHECK_INT(dlclose(handle), 0);
    }
    NEED(open_library());
}

static void *lives(void *user) {
    void *handle = open_library();
    *(int *)user = handle && life();
    if (handle) dlclose(handle);
    return NULL;
}

/* A plug-in host loads on a worker thread that ends: what is bound to the thread ends without harm. */
static void opened_on_a_thread_that_ends(void) {
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        int fine = 0;
        NEED(!pthread_create(&thread, NULL, lives, &fine));
        pthread_join(thread, NULL);
        CHECK(fine);
    }
    CHECK(life());
}

/* The end of a process in each order; in processes of their own. */
static int exit_status(const char *how) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        execl(program, program, how, (char *)NULL);
        _exit(127);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void ends_of_the_process(void) {
    static const char *const ways[] = {"early-free", "late-detect", "leak", "closed", "other-thread"};
    for (int i = 0; i < 5; i++) {
        CONTEXT("%s", ways[i]);
        CHECK_INT(exit_status(ways[i]), 0);
    }
}

static void free_at_exit(void) {
    if (!close_session()) _exit(3);
}
static void detect_at_exit(void) {
    if (!detect() || !close_session()) _exit(4);
}
static void *exits(void *user) {
    (void)user;
    exit(detect() ? 0 : 5);
}

/* Runs in the child: each way ends by returning from main or by exit(). */
static int end_this_way(const char *how) {
    pthread_t thread;
    alarm(30);
    if (!strcmp(how, "early-free")) atexit(free_at_exit); /* registered first: runs after the library's own */
    void *handle = open_library();
    if (!handle || !open_session() || !detect()) return 2;
    if (!strcmp(how, "late-detect")) atexit(detect_at_exit);
    if (!strcmp(how, "closed") && (!close_session() || dlclose(handle))) return 6;
    if (!strcmp(how, "other-thread") && !pthread_create(&thread, NULL, exits, NULL)) pause();
    return 0;
}

int main(int count, char **arguments) {
    static char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0) return 2;
    path[length] = 0;
    program = path;
    fixture = getenv("ULDOR_FIXTURE") ? getenv("ULDOR_FIXTURE") : "../fixtures/tiny_2class.safetensors";
    if (count > 1) return end_this_way(arguments[1]);
    RUN(process_is_as_it_was);
    RUN(files_are_closed);
    RUN(opened_again_and_again);
    RUN(opened_on_a_thread_that_ends);
    RUN(ends_of_the_process);
    return check_finish("plugin");
}
