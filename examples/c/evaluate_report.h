/* evaluate_report.h - from the journal to everything that `uldor evaluate` gives out */
#ifndef EVALUATE_REPORT_H
#define EVALUATE_REPORT_H

#include <uldor.h>

#include "evaluate_journal.h"
#include "evaluate_options.h"

/*
 * Writes results.json, then measures: table, JSON, plot. Images of the split without an entry in the journal were left out,
 * and do not count. Everything is computed from the journal's text, so that a run that was resumed cannot differ from one that
 * was not. `box`: without an image, NULL where it is not asked for. Says what went wrong; -1 then.
 */
int evaluate_report_all(const evaluate_options *options, const uldor_dataset *dataset, evaluate_journal *journal,
                        const image_free_box *box);

#endif
