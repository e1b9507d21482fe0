/* Runs the simulation of a dp core under a crowd (doors.c), seed by seed.
 *
 *   sim_doors [--seed S] [--count N] [--trace]       a failure prints the command that repeats it
 */
#include <string.h>

#include "tests/sim/doors.h"
#include "tests/sim/sim.h"

const char sim_name[] = "build/tests/sim/sim_doors";

int main(int argc, char **argv)
{
    uint64_t first = 1, count = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            first = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc) {
            count = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--trace") == 0) {
            sim_trace = true;
        } else {
            fprintf(stderr, "usage: sim_doors [--seed S] [--count N] [--trace]\n");
            return 2;
        }
    }
    for (uint64_t i = 0; i < count; i++)
        doors_run(first + i);
    printf("sim_doors: %lu seeds from %lu, all invariants hold\n", (unsigned long)count,
           (unsigned long)first);
    return 0;
}
