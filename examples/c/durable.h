/* durable.h - what was written outlives a power cut, not just the process */
#ifndef DURABLE_H
#define DURABLE_H

#include "reason.h"

/* What was written to the file is on the disk. A file system that knows no such thing is as good without. */
int durable_sync(int descriptor, reason *why);
/* So is the entry of the file `path` in its directory: a new file is only found again after that. */
int durable_sync_entry(const char *path, reason *why);

#endif
