/* version.h - the library's version as text */
#ifndef VERSION_H
#define VERSION_H

typedef struct version {
    char text[32]; /* "1.2.3" */
} version;

version version_of_library(void);

#endif
