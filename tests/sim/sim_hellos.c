/* Runs the simulation of what strangers say first (hellos.c), seed by seed.
 *
 *   sim_hellos [--certs DIR] [--seed S] [--count N] [--trace]
 *
 * A failure prints the command that repeats it.
 *
 * Without certificates the core refuses good hellos too, and the library has no part in it.
 */
#include <string.h>

#include "dataplane/tls/cert.h"
#include "dataplane/tls/tls.h"
#include "dataplane/tls/tls_ticket.h"
#include "tests/sim/hellos.h"
#include "tests/sim/sim.h"

const char sim_name[] = "build/tests/sim/sim_hellos";

static struct tls_context *read_certificate(const char *dir)
{
    char chain[512], key[512], error[160];
    static const struct tls_tickets keys = {.slot = {{"sim", "sim"}}};
    snprintf(chain, sizeof(chain), "%s/rsa.pem", dir);
    snprintf(key, sizeof(key), "%s/rsa.key", dir);
    struct tls_context *context = tls_context_create(chain, key, &keys, error, sizeof(error));
    if (!context) {
        fprintf(stderr, "sim_hellos: %s\n", error);
        exit(2);
    }
    return context;
}

int main(int argc, char **argv)
{
    uint64_t first = 1, count = 1;
    static char arguments[600];
    struct tls_context *context = NULL;
    struct certs *certs = NULL;
    tls_start();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            first = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc) {
            count = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--certs") == 0 && i + 1 < argc && !context) {
            snprintf(arguments, sizeof(arguments), " --certs %s", argv[++i]);
            sim_arguments = arguments;
            context = read_certificate(argv[i]);
            certs = certs_build(&context, 1, NULL, 0, 0);
        } else if (strcmp(argv[i], "--trace") == 0) {
            sim_trace = true;
        } else {
            fprintf(stderr, "usage: sim_hellos [--certs DIR] [--seed S] [--count N] [--trace]\n");
            return 2;
        }
    }
    for (uint64_t i = 0; i < count; i++)
        hellos_run(first + i, certs);
    if (context) {
        certs_destroy(certs);
        tls_context_destroy(context);
    }
    tls_stop();
    printf("sim_hellos: %lu seeds from %lu, all invariants hold\n", (unsigned long)count,
           (unsigned long)first);
    return 0;
}
