/* output_table.h - findings for people, on standard output */
#ifndef OUTPUT_TABLE_H
#define OUTPUT_TABLE_H

#include "finding.h"
#include "reason.h"

int output_table_print(const slice_result *slice, reason *why);

#endif
