#include "tests/perf/stages/stages.h"

#include <stdio.h>

#include "drivers/aead.h"

void stage_count(const char *name, uint32_t rounds, uint32_t operations, void (*run)(void))
{
    run();
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
    for (uint32_t i = 0; i < rounds; i++)
        run();
    CALLGRIND_DUMP_STATS_AT(name);
    CALLGRIND_STOP_INSTRUMENTATION;
    printf("%s %u\n", name, rounds * operations);
}

int main(int argc, char **argv)
{
    if (argc != 3 || aead_init() != 0) {
        fprintf(stderr, "usage: stages HELLOS CERTS, with an AES-GCM engine\n");
        return 2;
    }
    stages_of_first_frame(argv[1]);
    stages_of_conn(argv[2]);
    stages_of_job();
    stages_of_rpc();
    return 0;
}
