/* Runs the simulation of one whole node (node_run.c), seed by seed.
 *
 *   sim_node [--seed S] [--count N] [--twice] [--trace]   a failure prints the command that repeats
 *                                                         it; of many seeds each kind of weather
 *                                                         must have happened
 */
#include <string.h>

#include "tests/sim/node_run.h"
#include "tests/sim/sim.h"

const char sim_name[] = "tools/sim node";

enum { SEEDS_FOR_ALL = 60 };

static const struct {
    const char *name, *what;
    size_t offset;
} events[] = {
#define NODE_EVENT_ROW(name, text) {#name, text, offsetof(struct node_report, name)},
    NODE_EVENTS(NODE_EVENT_ROW)
#undef NODE_EVENT_ROW
};

/* What no seed has seen is not tested. False: something never happened. */
static bool tell(const struct node_report *r, uint64_t count)
{
    bool is_seen = true;
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        uint64_t times = *(const uint64_t *)((const char *)r + events[i].offset);
        printf("%s%s %lu", i ? ", " : "", events[i].name, (unsigned long)times);
        if (times > 0 || count < SEEDS_FOR_ALL)
            continue;
        fprintf(stderr, "%lu seeds, in which nothing ever %s\n", (unsigned long)count,
                events[i].what);
        is_seen = false;
    }
    printf("; %lu virtual seconds\n", (unsigned long)(r->virtual_ms / 1000));
    return is_seen;
}

int main(int argc, char **argv)
{
    struct node_report total = {0};
    uint64_t first = 1, count = 1;
    bool is_twice = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            first = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc) {
            count = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--twice") == 0) {
            is_twice = true;
        } else if (strcmp(argv[i], "--trace") == 0) {
            sim_trace = true;
        } else {
            bool asks = strcmp(argv[i], "--help") == 0;
            fprintf(asks ? stdout : stderr,
                    "usage: tools/sim node [--seed S] [--count N] [--twice] [--trace]\n");
            return asks ? 0 : 2;
        }
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (uint64_t i = 0; i < count; i++) {
        struct node_report again = {0};
        node_run(first + i, &total);
        if (is_twice)
            node_run(first + i, &again);
        CHECK(!is_twice || again.hash == total.hash, "two runs, two stories");
    }
    if (!tell(&total, count))
        return 1;
    printf("sim_node: %lu seeds from %lu, all invariants hold\n", (unsigned long)count,
           (unsigned long)first);
    return 0;
}
