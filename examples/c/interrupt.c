/* interrupt.c - see interrupt.h */
#include "interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include "message.h"
#include "progress.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uldor_session *session;
static uldor_trainer *trainer;
static bool is_asked;
static const char *unfinished;
static atomic_int received;
static sigset_t waited;

static void *wait_for_signals(void *unused) {
    static const char message[] = "uldor: interrupted\n";
    (void)unused;
    for (;;) {
        int signal_number = 0;
        if (sigwait(&waited, &signal_number) != 0) continue;
        pthread_mutex_lock(&lock);
        bool first = atomic_exchange(&received, signal_number) == 0;
        if (!first || (session == NULL && trainer == NULL && !is_asked)) {
            if (unfinished != NULL) unlink(unfinished);
            progress_erase_raw();
            ssize_t written = write(STDERR_FILENO, message, sizeof message - 1);
            (void)written; /* nobody is left to tell */
            _exit(128 + signal_number);
        }
        if (session != NULL) uldor_session_cancel(session);
        if (trainer != NULL) uldor_trainer_cancel(trainer);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

int interrupt_start(void) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    sigemptyset(&waited);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        /* A signal that whoever started the tool made it ignore (nohup, a background job) stays ignored. */
        struct sigaction present;
        if (sigaction(signals[i], NULL, &present) == 0 && present.sa_handler == SIG_IGN) continue;
        sigaddset(&waited, signals[i]);
    }
    int error = pthread_sigmask(SIG_BLOCK, &waited, NULL);
    pthread_t thread;
    if (error == 0) error = pthread_create(&thread, NULL, wait_for_signals, NULL);
    if (error == 0) error = pthread_detach(thread);
    return error;
}

void interrupt_set_session(uldor_session *value) {
    pthread_mutex_lock(&lock);
    session = value;
    pthread_mutex_unlock(&lock);
}

void interrupt_set_trainer(uldor_trainer *value) {
    pthread_mutex_lock(&lock);
    trainer = value;
    pthread_mutex_unlock(&lock);
}

void interrupt_set_asked(bool value) {
    pthread_mutex_lock(&lock);
    is_asked = value;
    pthread_mutex_unlock(&lock);
}

int interrupt_received(void) { return atomic_load(&received); }

int interrupt_exit_code(int code, const char *text) {
    if (interrupt_received() == 0) return code;
    message_error(NULL, "%s", text);
    return 128 + interrupt_received();
}

void interrupt_hold(void) { pthread_mutex_lock(&lock); }

void interrupt_release(void) { pthread_mutex_unlock(&lock); }

void interrupt_set_unfinished(const char *path) { unfinished = path; }
