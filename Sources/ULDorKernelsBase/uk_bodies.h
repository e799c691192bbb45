/*
 * The kernels' bodies, compiled once for each instruction set. The including file defines first:
 *   UK_TABLE   the table's symbol          UK_NAME    its name
 *   UK_LANES   floats of a vector (divides UK_PANEL)
 *   UK_ROWS    rows of a register tile     UK_PANELS  panels of one, 1 or 2
 *   UK_BROADCAST(pointer)  a vector of copies of one float
 * The arithmetic of one output value is the same chains over taps and channels in a fixed order, whatever tile, job or
 * thread it falls to; where multiply and add are fused, it is the same for every width of vector, too.
 */
#include "ULDorKernelsBase.h"

#include <math.h>
#include <string.h>

#include "bodies/vector.h"
#include "bodies/gemm.h"
#include "bodies/pixels.h"
#include "bodies/direct.h"
#include "bodies/strassen_tile.h"
#include "bodies/strassen.h"
#include "bodies/winograd_transforms.h"
#include "bodies/winograd_edges.h"
#include "bodies/winograd_tiles.h"
#include "bodies/winograd.h"
#include "bodies/winograd_panels.h"
#include "bodies/weight_gradient.h"
#include "bodies/winograd_gradient.h"
#include "bodies/roi_align.h"
#include "bodies/max_pool.h"
#include "bodies/suppress.h"

const uk_table UK_TABLE = {
    .name = UK_NAME,
    .tile_rows = UK_ROWS,
    .tile_panels = UK_PANELS,
    .direct_job = direct_job,
    .strassen_sum_weights = strassen_sum_weights,
    .strassen_job = strassen_job,
    .winograd_4 = {winograd_filters_4, winograd_job_4, winograd_tiles_4, winograd_panels_4},
    .winograd_2 = {winograd_filters_2, winograd_job_2, winograd_tiles_2, winograd_panels_2},
    .gradient_rows = gradient_rows,
    .gradient_panels = gradient_panels,
    .weight_gradient_job = weight_gradient_job,
    .winograd_gradient_inputs = winograd_gradient_inputs,
    .winograd_gradient_rows = winograd_gradient_rows,
    .winograd_gradient_job = winograd_gradient_job,
    .winograd_gradient_finish = winograd_gradient_finish,
    .roi_align = roi_align,
    .roi_align_gradient = roi_align_gradient,
    .max_pool_row = max_pool_row,
    .suppress = suppress,
};
