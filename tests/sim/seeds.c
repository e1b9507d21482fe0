#include "tests/sim/seeds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAILURES_MAX = 10 };

static bool run_all(const struct seeds *s, uint64_t from, uint64_t to)
{
    uint32_t failures = 0;

    for (uint64_t seed = from; seed < to && failures < FAILURES_MAX; seed++) {
        bool failed = false;
        uint64_t trace = s->run(s->arg, seed, false, &failed);

        if (seed % 10 == 0 && !failed && s->run(s->arg, seed, false, &failed) != trace) {
            fprintf(stderr, "FAILED: seed %" PRIu64 " gave two traces\n", seed);
            failed = true;
        }
        failures += failed;
    }
    printf("seeds %" PRIu64 " to %" PRIu64 ": %u failed\n", from, to, failures);
    s->report(s->arg);
    return failures == 0;
}

int seeds_main(const struct seeds *s, int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seed") == 0) {
        bool has_failed = false;

        s->run(s->arg, strtoull(argv[2], NULL, 0), true, &has_failed);
        return has_failed;
    }
    if (argc == 4 && strcmp(argv[1], "--seeds") == 0)
        return !run_all(s, strtoull(argv[2], NULL, 0), strtoull(argv[3], NULL, 0));
    fprintf(stderr, "usage: %s\n", s->usage);
    return 2;
}
