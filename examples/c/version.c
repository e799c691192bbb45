/* version.c - see version.h */
#include "version.h"

#include <stdio.h>

#include <uldor.h>

version version_of_library(void) {
    version version;
    int32_t number = uldor_version();
    snprintf(version.text, sizeof version.text, "%d.%d.%d", (int)(number >> 16 & 0xFF), (int)(number >> 8 & 0xFF),
             (int)(number & 0xFF));
    return version;
}
