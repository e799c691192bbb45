/* durable.c - see durable.h */
#include "durable.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int durable_sync(int descriptor, reason *why) {
    int status;
    do status = fsync(descriptor);
    while (status != 0 && errno == EINTR);
    return status == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : reason_set_errno(why, errno);
}

int durable_sync_entry(const char *path, reason *why) {
    char *copy = strdup(path);
    if (copy == NULL) return reason_set(why, "not enough memory");
    int descriptor = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    /* One that may be written to but not read cannot be opened; it gets there with the system's next flush. */
    if (descriptor < 0) return errno == EACCES ? 0 : reason_set_errno(why, errno);
    int status = durable_sync(descriptor, why);
    close(descriptor);
    return status;
}
