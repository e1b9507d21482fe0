/* Runs a simulation on every mutant of the data plane (dataplane/base/mutant.h): each must be found
 * by the one that the list names, or that proves nothing about such a bug.
 *
 *   mutant, the seed that found it last --clean--> seed 1 --clean--> seed 2 ... --clean--> SURVIVED
 *                      +------------broken------------+----------------+----> FOUND
 *
 * What the unmutated code does not pass proves nothing: it runs the seeds of all finds at the end.
 *
 * Each run is a child process, as a broken run ends its process: by a CHECK, by an assert, by a
 * signal, or by not ending. One that does not end within END_MS of virtual time breaks a CHECK;
 * RUN_S of real time is for a loop in which time stands still. A mutant's seeds run one after the
 * other, two mutants side by side, so the verdicts are the same every time.
 *
 *   sim_mutants [NAME...] [--list]         all mutants, or these; exit code 1: one survived
 *   sim_mutants NAME --seed S [--trace]    repeats one run, and says its hash; NONE: the cluster's,
 *                                          unmutated
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dataplane/base/mutant.h"
#include "drivers/aead.h"
#include "tests/sim/cluster_run.h"
#include "tests/sim/doors.h"
#include "tests/sim/hellos.h"
#include "tests/sim/sim.h"

const char sim_name[] = "tools/sim mutants";
enum mutant mutant_chosen;

enum { PROCESSES = 2, RUN_S = 60, WHY_BYTES = 160 };

enum simulation {
    DOORS,
    HELLOS,
    CLUSTER,
    KILLER, /* the cluster, with a script that ends its cells */
    PLANNED /* the cluster, whose nodes leave and join, and nothing else is wrong */
};

static const struct {
    const char *name, *text;
    enum simulation simulation;
    uint32_t first, seeds;
} mutants[MUTANT_COUNT] = {[MUTANT_NONE] = {"NONE", "nothing is broken", CLUSTER, 1, 1},
#define MUTANT_ROW(mutant, where, seed, count, what)                                               \
    [MUTANT_##mutant] = {#mutant, what, where, seed, count},
                           MUTANTS(MUTANT_ROW)
#undef MUTANT_ROW
};

enum verdict { UNKNOWN = 0, FOUND, SURVIVED };

struct hunt { /* for one mutant; for NONE: of one seed that found another */
    enum mutant mutant;
    enum simulation simulation;
    enum verdict verdict;
    uint32_t first, seeds, tries;
    uint64_t seed; /* that runs, or that found it */
    pid_t child;   /* 0: none */
    FILE *output;  /* of the child */
    char why[WHY_BYTES];
};

static struct hunt hunt_for(enum mutant m)
{
    return (struct hunt){.mutant = m,
                         .simulation = mutants[m].simulation,
                         .first = mutants[m].first,
                         .seeds = mutants[m].seeds};
}

static int run_one(enum mutant mutant, enum simulation simulation, uint64_t seed)
{
    struct cluster_report report = {0};
    static char arguments[32];
    snprintf(arguments, sizeof(arguments), " %s", mutants[mutant].name);
    sim_arguments = arguments;
    mutant_chosen = mutant;
    switch (simulation) {
    case DOORS:
        doors_run(seed);
        break;
    case HELLOS:
        hellos_run(seed, NULL);
        break;
    case CLUSTER:
    case KILLER:
    case PLANNED:
        cluster_run(&(struct cluster_options){.seed = seed,
                                              .is_planned = simulation == PLANNED,
                                              .is_deadly = simulation == KILLER},
                    &report);
        break;
    }
    printf("seed %lu: hash %016lx\n", (unsigned long)seed, (unsigned long)sim_story_hash());
    return 0;
}

/* ---- one child ---- */

/* The first one first, then the others in order. */
static uint64_t next_seed(const struct hunt *h)
{
    if (h->tries == 0)
        return h->first;
    return h->tries < h->first ? h->tries : h->tries + 1;
}

static void start(struct hunt *h)
{
    h->seed = next_seed(h);
    h->tries++;
    h->output = tmpfile();
    if (!h->output) {
        perror("sim_mutants: tmpfile");
        exit(2);
    }
    fflush(NULL);
    h->child = fork();
    if (h->child < 0) {
        perror("sim_mutants: fork");
        exit(2);
    }
    if (h->child > 0)
        return;
    dup2(fileno(h->output), STDERR_FILENO);
    dup2(fileno(h->output), STDOUT_FILENO); /* its hash is of no interest */
    alarm(RUN_S);
    exit(run_one(h->mutant, h->simulation, h->seed));
}

/* What ended it, and the first line that it wrote: without the seed and the condition of a CHECK,
 * without the folders of an assert. */
static void read_why(struct hunt *h, int status)
{
    char line[512] = "";
    rewind(h->output);
    if (!fgets(line, sizeof(line), h->output))
        line[0] = 0;
    line[strcspn(line, "\n")] = 0;
    int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (signal == SIGABRT) {
        const char *file = strstr(line, ".c:");
        while (file && file > line && file[-1] != '/')
            file--;
        snprintf(h->why, sizeof(h->why), "an assert: %s", file ? file : line);
    } else if (signal != 0) {
        snprintf(h->why, sizeof(h->why), signal == SIGALRM ? "not ending" : "signal %d", signal);
    } else {
        const char *condition = strstr(line, ": ");
        const char *message = condition ? strstr(condition + 2, ": ") : NULL;
        snprintf(h->why, sizeof(h->why), "a CHECK: %s", message ? message + 2 : line);
    }
}

static void take_end(struct hunt *h, int status)
{
    h->child = 0;
    if (status != 0) {
        h->verdict = FOUND;
        read_why(h, status);
    } else if (h->tries == h->seeds) {
        h->verdict = SURVIVED;
    }
    fclose(h->output);
}

/* ---- all of them ---- */

static void print(const struct hunt *h)
{
    const char *name = mutants[h->mutant].name;
    if (h->mutant == MUTANT_NONE)
        return;
    if (h->verdict == SURVIVED)
        printf("%-22s SURVIVED %u seeds: %s\n", name, h->seeds, mutants[h->mutant].text);
    else
        printf("%-22s found at seed %lu by %s\n", name, (unsigned long)h->seed, h->why);
    fflush(stdout);
}

/* That which may take most seeds: at the end none runs alone for long. NULL: all run, or are
 * over. */
static struct hunt *longest(struct hunt *hunts, uint32_t count)
{
    struct hunt *found = NULL;
    for (uint32_t i = 0; i < count; i++) {
        struct hunt *h = &hunts[i];
        bool is_idle = h->verdict == UNKNOWN && h->child == 0;
        if (is_idle && (!found || h->seeds > found->seeds))
            found = h;
    }
    return found;
}

/* Until each has its verdict; printed in their order as soon as it is known. */
static void hunt_all(struct hunt *hunts, uint32_t count)
{
    uint32_t printed = 0, running = 0;
    while (printed < count) {
        struct hunt *next;
        while (running < PROCESSES && (next = longest(hunts, count))) {
            start(next);
            running++;
        }
        int status;
        pid_t ended = wait(&status);
        if (ended < 0 && errno == EINTR)
            continue;
        for (uint32_t i = 0; i < count; i++) {
            if (hunts[i].child != ended)
                continue;
            take_end(&hunts[i], status);
            running--;
        }
        for (; printed < count && hunts[printed].verdict != UNKNOWN; printed++)
            print(&hunts[printed]);
    }
}

static enum mutant find(const char *name)
{
    for (uint32_t i = 0; i < MUTANT_COUNT; i++) {
        if (strcmp(mutants[i].name, name) == 0)
            return (enum mutant)i;
    }
    fprintf(stderr, "sim_mutants: no mutant %s; --list tells them\n", name);
    exit(2);
}

/* The unmutated code, with the seeds of all finds. Returns how many it does not pass. */
static uint32_t check_clean(const struct hunt *hunts, uint32_t count)
{
    struct hunt clean[MUTANT_COUNT];
    uint32_t seeds = 0, broken = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct hunt *h = &hunts[i];
        bool is_known = h->verdict != FOUND;
        for (uint32_t k = 0; k < seeds && !is_known; k++)
            is_known = clean[k].simulation == h->simulation && clean[k].first == h->seed;
        if (is_known)
            continue;
        clean[seeds] = hunt_for(MUTANT_NONE);
        clean[seeds].simulation = h->simulation;
        clean[seeds++].first = (uint32_t)h->seed;
    }
    hunt_all(clean, seeds);
    for (uint32_t i = 0; i < seeds; i++) {
        if (clean[i].verdict == SURVIVED)
            continue;
        broken++;
        fprintf(stderr, "sim_mutants: without a mutant seed %lu is broken: %s\n",
                (unsigned long)clean[i].seed, clean[i].why);
    }
    return broken;
}

int main(int argc, char **argv)
{
    struct hunt hunts[MUTANT_COUNT];
    uint32_t count = 0, survived = 0;
    uint64_t seed = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            for (uint32_t k = 1; k < MUTANT_COUNT; k++)
                printf("%-22s %s (%u seeds)\n", mutants[k].name, mutants[k].text, mutants[k].seeds);
            return 0;
        }
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--trace") == 0) {
            sim_trace = true;
        } else if (argv[i][0] == '-' || count == MUTANT_COUNT) {
            fprintf(stderr, "usage: sim_mutants [NAME...] [--seed S [--trace]] [--list]\n");
            return 2;
        } else {
            hunts[count++] = hunt_for(find(argv[i]));
        }
    }
    if (aead_init() < 0) {
        fprintf(stderr, "sim_mutants: no AEAD engine\n");
        return 2;
    }
    if (seed > 0)
        return run_one(count > 0 ? hunts[0].mutant : MUTANT_NONE,
                       count > 0 ? hunts[0].simulation : CLUSTER, seed);
    for (uint32_t i = 1; i < MUTANT_COUNT && count < i; i++)
        hunts[count++] = hunt_for((enum mutant)i);
    hunt_all(hunts, count);
    for (uint32_t i = 0; i < count; i++)
        survived += hunts[i].verdict == SURVIVED;
    printf("sim_mutants: %u of %u found; one again: tools/sim mutants NAME --seed S --trace\n",
           count - survived, count);
    return survived > 0 || check_clean(hunts, count) > 0;
}
