/* study.h: questions to the simulated data centre, each a few runs and a table. All return 0, or 1
 * if a run failed or (check) the answer is not what it should be. */
#ifndef HEARTH_SIM_STUDY_H
#define HEARTH_SIM_STUDY_H

#include "tests/sim/datacentre/options.h"

int study_paper(struct options *);
int study_best(struct options *);
/* Just the variants, once. */
int study_table(struct options *);
int study_memory(struct options *);
int study_sensitivity(struct options *);
int study_flash(struct options *);
struct study_crowd {
    double worst;      /* load ratio of a minute, once it has settled */
    uint32_t most_hot; /* servers where its script was hot */
};

/* Prints the story of one. */
struct study_crowd study_flash_one(const struct options *, uint32_t variant, uint32_t rank);
int study_check(struct options *);

#endif
