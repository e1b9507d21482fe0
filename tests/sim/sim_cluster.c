/* A cluster of whole cores on virtual time, by seed: clients enter anywhere, scripts have their homes on the ring, and between the
 * nodes lies a network that loses, delays, reorders, doubles and corrupts.
 *
 *   caller 0..C -- net -- station N --+-- switch --+-- node 0: core, 2 runtimes
 *                                     |            +-- node 1 ...
 *                     attacker: sees every datagram between nodes, replays, bends and invents
 *
 * By seed, one or more of: overload (runtimes stall), a node killed and started again, a planned leave and join, an attacker, capabilities
 * that are forged, expired or revoked, scripts that call each other (and linger, and abandon what they called), deploys that reach one
 * node before the others, tables and memory that are much too small, calls that are none. Checked:
 *
 *   - each request is answered exactly once, with the bytes it asked for; it reaches one isolate, once, unless what ran it died,
 *     and then only if it may run again; body bytes arrive in order, each once (model_runtime)
 *   - it runs at its home, whichever node it enters, as long as nothing is wrong with the home
 *   - 503 only under overload, 502 only for what may not run again while a node died, a cut answer only while a node died
 *   - body bytes wasted on a bounce are at most W
 *   - a death is known everywhere within a second and a half; a planned leave and join causes no cold start
 *   - no datagram is taken twice, and none that no member sent; bad capabilities are refused and counted
 *   - at the end everything is back (model_cluster), and every frame is accounted for
 *
 *   sim_cluster [--seed S] [--count N] [--nodes N] [--trace]        a failure prints the command that repeats it
 */
#include <string.h>

#include "drivers/aead.h"
#include "tests/sim/cluster_run.h"
#include "tests/sim/model_cluster.h"

const char sim_name[] = "sim_cluster";

int main(int argc, char **argv)
{
    struct cluster_report total = {0};
    uint64_t first = 1, count = 1;
    uint32_t nodes = 0;
    static char arguments[32];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            first = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc) {
            count = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--nodes") == 0 && i + 1 < argc) {
            nodes = (uint32_t)strtoul(argv[++i], NULL, 0);
            snprintf(arguments, sizeof(arguments), "--nodes %u", nodes);
            sim_arguments = arguments;
        } else if (strcmp(argv[i], "--trace") == 0) {
            sim_trace = true;
        } else {
            fprintf(stderr, "usage: sim_cluster [--seed S] [--count N] [--nodes N] [--trace]\n");
            return 2;
        }
    }
    if (nodes > CLUSTER_NODES_MAX)
        nodes = CLUSTER_NODES_MAX;
    if (aead_init() < 0) {
        fprintf(stderr, "sim_cluster: no AEAD engine\n");
        return 2;
    }
    for (uint64_t i = 0; i < count; i++)
        cluster_run(&(struct cluster_options){.seed = first + i, .nodes = nodes}, &total);
    aead_fini();
    printf("sim_cluster: %lu answers, %lu forwarded, %lu bounced (%lu bounces), %lu run again, %lu "
           "with 5xx, %lu cut; "
           "%lu handed over; %lu datagrams, %lu lost, %lu injected, %lu refused; %lu bad "
           "capabilities\n",
           total.answered, total.forwarded, total.bounced, total.bounces, total.rerun, total.failed,
           total.cut, total.handed, total.datagrams, total.lost_packets, total.injected,
           total.refused_datagrams, total.capabilities);
    printf("sim_cluster: %lu seeds from %lu, all invariants hold\n", (unsigned long)count,
           (unsigned long)first);
    return 0;
}
