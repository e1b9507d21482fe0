#include <stdio.h>
#include <stdlib.h>

#include "tests/perf/stages/stages.h"
#include "tests/unit/dataplane/call/link_end.h"

enum { ROUNDS = 64, JOBS = 4 };

static struct link_rig *rig;

/* A few jobs start, one doorbell; the cell takes them and says a head with its body; the core
 * hears them. Both ends' rings are counted. */
static void run(void)
{
    struct job_slot start[JOBS], answer[JOBS];
    uint32_t heard = 0;

    for (uint32_t i = 0; i < JOBS; i++) {
        enum job_start_result result;
        MEASURED(result = rig_start(rig, i, false));
        if (result != JOB_STARTED)
            abort();
    }
    MEASURED(job_link_flush(&rig->link));
    for (uint32_t i = 0; i < JOBS; i++) {
        MEASURED(start[i] = end_receive(rig));
        answer[i] = end_reply_to(&start[i], JOB_HEAD, JOB_F_END);
        end_fill(rig, &answer[i], "head", 4);
    }
    for (uint32_t i = 0; i < JOBS; i++)
        MEASURED(end_send(rig, &answer[i]));
    MEASURED(heard = job_link_poll(&rig->link, 16));
    if (heard != JOBS || rig->link.live_jobs != 0) {
        fprintf(stderr, "stages: %u answers of jobs\n", heard);
        exit(1);
    }
}

void stages_of_job(void)
{
    rig = rig_create(JOBS);
    stage_count("job_start_to_answer", ROUNDS, JOBS, run);
    rig_destroy(rig);
}
