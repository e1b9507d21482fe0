/* options.h
 *
 * What the command line says of a simulated data centre: one table of numbers by name, with their
 * defaults, which `--help` prints and every report lists beside its figures as the assumptions that
 * it stands on.
 */
#ifndef HEARTH_SIM_OPTIONS_H
#define HEARTH_SIM_OPTIONS_H

#include <stdio.h>

#include "tests/sim/datacentre/centre.h"

enum study {
    STUDY_NONE,
    STUDY_PAPER,
    STUDY_BEST,
    STUDY_MEMORY,
    STUDY_SENSITIVITY,
    STUDY_FLASH,
    STUDY_CHECK
};

struct options {
    enum study study;
    struct centre_config config;
    double hours, memory_mb; /* memory 0: what `none` needs for 99.9 % */
    double hot_enter, hot_leave, widen, narrow;
    const char *only; /* variants, comma between; NULL: all */
    const char *out;  /* directory for CSV and plots; NULL: none */
};

/* 0; 1: --help was asked for and answered; -1: *error says what is wrong. */
int options_parse(struct options *, int argc, char **argv, char *error, size_t error_bytes);
/* Sets the traffic's times: hours around three in the afternoon, or from midnight for a whole day,
 * behind an hour that is not counted. Losses and planned restarts are of whole days. */
void options_set_hours(struct centre_config *, double hours);
/* The number of that name in the help, as if the command line had said it. */
void options_set(struct options *, const char *name, double value);
void options_print(FILE *, const struct options *);

#endif
