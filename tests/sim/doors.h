/* doors.h
 *
 * One seed of the simulation of a dp core under a crowd (doors.c): for sim_doors and sim_mutants.
 */
#ifndef HEARTH_SIM_DOORS_H
#define HEARTH_SIM_DOORS_H

#include <stdint.h>

void doors_run(uint64_t seed);

#endif
