/* The fallback: plain C that the compiler may turn into whatever the baseline has. */
#define UK_TABLE uk_table_portable
#define UK_NAME "portable"
#define UK_ROWS 2
#define UK_PANELS 1
#define UK_LANES 4
#define UK_BROADCAST(p) ((vec){*(p), *(p), *(p), *(p)})
#include "uk_bodies.h"
