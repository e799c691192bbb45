/* output_file.c - see output_file.h */
#include "output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "interrupt.h"

/* Whether a loss on standard output was reported; once is enough. */
static bool stdout_loss_told;

static bool is_stdout(const char *path) { return strcmp(path, "-") == 0; }

/* Permissions for the new file: those of the one it replaces, or what the umask leaves. */
static mode_t mode_for(const struct stat *existing) {
    if (existing != NULL) return existing->st_mode & 07777;
    mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

static int open_temporary(output_file *file, const struct stat *existing, reason *why) {
    size_t length = strlen(file->target);
    file->temporary = malloc(length + sizeof ".XXXXXX");
    if (file->temporary == NULL) return reason_set(why, "not enough memory");
    memcpy(file->temporary, file->target, length);
    memcpy(file->temporary + length, ".XXXXXX", sizeof ".XXXXXX");

    interrupt_hold();
    int descriptor = mkstemp(file->temporary);
    int error = errno;
    if (descriptor >= 0) interrupt_set_unfinished(file->temporary);
    interrupt_release();
    if (descriptor < 0) {
        free(file->temporary);
        file->temporary = NULL;
        return reason_set_errno(why, error);
    }
    /* A file system without permissions refuses this; the file is as good without. */
    (void)!fchmod(descriptor, mode_for(existing));
    file->stream = fdopen(descriptor, "wb");
    if (file->stream != NULL) return 0;
    error = errno;
    close(descriptor);
    return reason_set_errno(why, error);
}

int output_file_open(output_file *file, const char *path, reason *why) {
    *file = (output_file){0};
    if (is_stdout(path)) {
        file->stream = stdout;
        return 0;
    }
    struct stat existing;
    bool exists = stat(path, &existing) == 0;
    if (exists && S_ISDIR(existing.st_mode)) return reason_set_errno(why, EISDIR);
    if (exists && !S_ISREG(existing.st_mode)) {
        file->stream = fopen(path, "wb");
        return file->stream != NULL ? 0 : reason_set_errno(why, errno);
    }
    /* Renaming over a symbolic link would replace the link: its target is what is meant. */
    file->target = exists ? realpath(path, NULL) : strdup(path);
    if (file->target == NULL) return reason_set_errno(why, errno);
    if (open_temporary(file, exists ? &existing : NULL, why) == 0) return 0;
    output_file_discard(file);
    return -1;
}

static int flush_and_close(output_file *file, reason *why) {
    FILE *stream = file->stream;
    file->stream = NULL;
    if (stream == stdout) return output_flush_stdout(why);
    errno = 0;
    int failed = fflush(stream) != 0 || ferror(stream);
    int error = errno;
    if (!failed && file->temporary != NULL && fsync(fileno(stream)) != 0) failed = 1, error = errno;
    if (fclose(stream) != 0 && !failed) failed = 1, error = errno;
    if (!failed) return 0;
    return error != 0 ? reason_set_errno(why, error) : reason_set(why, "writing failed");
}

int output_file_commit(output_file *file, reason *why) {
    int status = flush_and_close(file, why);
    if (status == 0 && file->temporary != NULL) {
        interrupt_hold();
        if (rename(file->temporary, file->target) == 0) {
            interrupt_set_unfinished(NULL);
            free(file->temporary);
            file->temporary = NULL;
        } else {
            status = reason_set_errno(why, errno);
        }
        interrupt_release();
    }
    output_file_discard(file);
    return status;
}

void output_file_discard(output_file *file) {
    if (file->stream == stdout) stdout_loss_told = true; /* by who gives up on it */
    else if (file->stream != NULL) fclose(file->stream);
    if (file->temporary != NULL) {
        interrupt_hold();
        unlink(file->temporary);
        interrupt_set_unfinished(NULL);
        interrupt_release();
    }
    free(file->temporary);
    free(file->target);
    *file = (output_file){0};
}

int output_file_check(const char *path, reason *why) {
    if (is_stdout(path)) return 0;
    struct stat existing;
    bool exists = stat(path, &existing) == 0;
    if (exists && S_ISDIR(existing.st_mode)) return reason_set_errno(why, EISDIR);
    if (exists && !S_ISREG(existing.st_mode)) return access(path, W_OK) == 0 ? 0 : reason_set_errno(why, errno);
    char *copy = strdup(path);
    if (copy == NULL) return reason_set(why, "not enough memory");
    int status = 0;
    const char *directory = dirname(copy);
    if (stat(directory, &existing) != 0) status = reason_set_errno(why, errno);
    else if (!S_ISDIR(existing.st_mode)) status = reason_set_errno(why, ENOTDIR);
    else if (access(directory, W_OK | X_OK) != 0) status = reason_set_errno(why, errno);
    free(copy);
    return status;
}

bool output_replaces(const char *path, const char *other) {
    struct stat a, b;
    if (path == NULL || other == NULL || stat(path, &a) != 0 || stat(other, &b) != 0) return false;
    return S_ISREG(a.st_mode) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int output_file_check_input(const char *path, const char *input, reason *why) {
    return output_replaces(path, input) ? reason_set(why, "this is an input; it is not overwritten") : 0;
}

int output_flush_stdout(reason *why) {
    errno = 0;
    if ((fflush(stdout) == 0 && !ferror(stdout)) || stdout_loss_told) return 0;
    stdout_loss_told = true;
    return errno != 0 ? reason_set_errno(why, errno) : reason_set(why, "writing failed");
}
