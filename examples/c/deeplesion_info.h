/* deeplesion_info.h - pixel spacing and slice interval from DeepLesion's DL_info.csv */
#ifndef DEEPLESION_INFO_H
#define DEEPLESION_INFO_H

#include <stdbool.h>

#include "reason.h"

typedef struct deeplesion_info deeplesion_info;

int deeplesion_info_read(const char *path, deeplesion_info **info, reason *why);
void deeplesion_info_free(deeplesion_info *info);
/*
 * x, y and slice interval in mm for ".../000001_03_01/088.png": from the row of that image, or from another row of its series
 * (only key slices have rows, and a series has one spacing).
 */
bool deeplesion_info_find(const deeplesion_info *info, const char *path, double spacing_mm[3]);

#endif
