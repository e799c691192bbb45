/* fingerprint.c - see fingerprint.h */
#include "fingerprint.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>

/* FNV-1a, 64 bits. */
int fingerprint_of_file(const char *path, fingerprint *print, reason *why) {
    unsigned char block[1 << 14];
    uint64_t hash = 0xCBF29CE484222325, bytes = 0;
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) return reason_set_errno(why, errno);
    errno = 0;
    for (size_t count; (count = fread(block, 1, sizeof block, stream)) > 0; bytes += count)
        for (size_t i = 0; i < count; i++) hash = (hash ^ block[i]) * 0x100000001B3;
    int error = ferror(stream) ? (errno != 0 ? errno : EIO) : 0;
    fclose(stream);
    if (error != 0) return reason_set_errno(why, error);
    snprintf(print->text, sizeof print->text, "%llu bytes, %016llx", (unsigned long long)bytes, (unsigned long long)hash);
    return 0;
}
