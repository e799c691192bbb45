/* The fallback: plain C that the compiler may turn into whatever the baseline has. */
#define UK_TABLE uk_table_portable
#define UK_NAME "portable"
#define UK_ROWS 2
#define UK_LANES 4
#include "uk_bodies.h"
