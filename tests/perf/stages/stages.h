/* stages.h
 *
 * Fixed pieces of a core's work, whose instructions callgrind counts (instructions.py): the same
 * input each time, so the same number, however busy the machine is.
 *
 *   stages HELLOS CERTS      under callgrind with --instr-atstart=no --collect-atstart=no
 *
 * Each stage warms up, then its operations are counted, what is between MEASURED's parentheses
 * only, and dumped under its name. One line for each on stdout: name, operations. Without valgrind
 * it does the same uncounted: a test of the drivers.
 */
#ifndef HEARTH_PERF_STAGES_H
#define HEARTH_PERF_STAGES_H

#include <stdint.h>

#include <valgrind/callgrind.h>

#define MEASURED(...)                                                                              \
    do {                                                                                           \
        CALLGRIND_TOGGLE_COLLECT;                                                                  \
        __VA_ARGS__;                                                                               \
        CALLGRIND_TOGGLE_COLLECT;                                                                  \
    } while (0)

/* Counts `rounds` calls of run, of so many operations each, behind one that is not counted. */
void stage_count(const char *name, uint32_t rounds, uint32_t operations, void (*run)(void));

/* Each counts several, and ends the program if something is wrong. */
void stages_of_first_frame(const char *hellos);
void stages_of_conn(const char *certs); /* TCP, TLS records, HTTP/1.1 */
void stages_of_job(void);               /* a job of a cell, through its ring */
void stages_of_rpc(void);               /* a call between two nodes */

#endif
