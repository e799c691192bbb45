/*
 * source.h - a host's small data set, which is trained on and mined
 */
#ifndef SOURCE_H
#define SOURCE_H

#include <uldor.h>

enum { SOURCE_IMAGES = 4 };

/* SOURCE_IMAGES slices of SIDE x SIDE with a lesion each, the last of them to validate on. Ends the program when it cannot. */
void open_source(const uldor_allocator *allocator, uldor_dataset **dataset);

#endif
