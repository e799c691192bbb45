/*
 * The fallback: plain C that the compiler may turn into whatever the baseline has, and nothing of OpenBLAS, whose choice
 * of a kernel by CPU would give other bits on each (and picks instructions that some virtual CPUs lack).
 */
#define UK_TABLE uk_table_portable
#define UK_NAME "portable"
#define UK_ROWS 2
#define UK_LANES 4
#define UK_OWN_PRODUCT
#define UK_BROADCAST(p) ((vec){*(p), *(p), *(p), *(p)})
#include "uk_bodies.h"
