/*
 * interrupt.h - Ctrl-C, SIGTERM and SIGHUP
 *
 * One thread waits for the signals, so that what happens then is ordinary code: uldor_session_cancel() may not be called
 * from a signal handler. While a session detects, a trainer runs or a call asks interrupt_received() by itself, the first
 * signal stops it and the tool winds up; at any other time, and on the second signal, the thread removes the unfinished output
 * file and ends the process.
 */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include <stdbool.h>

#include <uldor.h>

/* Call before any other thread exists: the signal mask is inherited. Returns 0, or an errno value. */
int interrupt_start(void);
/* The session to cancel from now on; NULL: none. */
void interrupt_set_session(uldor_session *session);
/* The same for a trainer. */
void interrupt_set_trainer(uldor_trainer *trainer);
/* Whether a call runs that asks interrupt_received(), from its progress, and stops. */
void interrupt_set_asked(bool value);
/* The signal that came in, or 0. */
int interrupt_received(void);
/* How a command ends that would end with `code`: where a signal came in, with 128 + it, and `text` is said. */
int interrupt_exit_code(int code, const char *text);

/* Between hold and release the process is not ended: for steps that create, rename and announce a file. */
void interrupt_hold(void);
void interrupt_release(void);
/* The unfinished file to remove; the string must live until it is replaced. NULL: none. Call it while holding. */
void interrupt_set_unfinished(const char *path);

#endif
