/* hellos.h: first words of strangers, by seed (hellos.c). */
#ifndef HEARTH_SIM_HELLOS_H
#define HEARTH_SIM_HELLOS_H

#include <stdint.h>

struct certs;

/* One seed; what goes wrong breaks a CHECK. NULL: the core has no certificate, and says that
 * instead of a ServerHello. */
void hellos_run(uint64_t seed, const struct certs *);

#endif
