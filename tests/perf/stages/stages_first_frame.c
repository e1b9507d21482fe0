#include <stdio.h>
#include <stdlib.h>

#include "tests/perf/first_frame.h"
#include "tests/perf/stages/stages.h"

enum { HOSTS = 512, ROUNDS = 4 };

static struct first_frames frames;
static struct burst burst;
static uint32_t order[PORT_BURST];
static enum stage measured;

static void *take(const char *name, size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);

    if (memory)
        __builtin_memset(memory, 0, bytes);
    return memory;
}

/* All stages, of which one is measured: each wants those before it. */
static void run(void)
{
    first_frame_begin(&burst);
    for (int i = 0; i < STAGES; i++) {
        if (i == (int)measured)
            MEASURED(first_frame_run(&burst, (enum stage)i));
        else
            first_frame_run(&burst, (enum stage)i);
    }
    first_frame_check(&burst, order);
}

void stages_of_first_frame(const char *hellos)
{
    static const char *const name[STAGES] = {"classify_checksum", "classify_net",
                                             "classify_flow",     "classify_hello",
                                             "classify_route",    "classify_ring"};

    if (!first_frame_build(&frames, hellos, HOSTS, take)) {
        fprintf(stderr, "stages: no memory, or no ClientHello in %s\n", hellos);
        exit(1);
    }
    for (uint32_t i = 0; i < PORT_BURST; i++)
        order[i] = i;
    first_frame_burst(&burst, order);
    for (measured = CSUM; measured < STAGES; measured++)
        stage_count(name[measured], ROUNDS, PORT_BURST, run);
}
