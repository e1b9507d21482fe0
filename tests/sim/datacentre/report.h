/* report.h
 *
 * What runs came to: a table for people, CSV and a gnuplot script for pictures.
 *
 *   table.csv   a row per variant: every figure of the table
 *   day.csv     time of day, then cold requests per million of each variant, ten minutes a row
 *   memory.csv  memory of each variant for 99.99 %, its share of the first one's, and whether it is
 *               enough
 */
#ifndef HEARTH_SIM_REPORT_H
#define HEARTH_SIM_REPORT_H

#include <stdio.h>

#include "tests/sim/datacentre/sweep.h"

void report_head(FILE *);
void report_row(FILE *, const struct sweep_run *);
/* What the columns mean. */
void report_legend(FILE *);

/* Into directory `out`, which is made. 0, or -1: stderr says why. gnuplot draws out/day.svg if it
 * is installed. */
int report_files(const char *out, const struct sweep_run *, uint32_t count);
/* memory[i]: of run[i]'s variant. Draws out/memory.svg. */
int report_memory(const char *out, const struct sweep_run *, const struct sweep_memory *memory,
                  uint32_t count);

#endif
