/* trial.h
 *
 * Versions on trial: what is deployed becomes current only when a cell has started it and said that
 * it loads.
 *
 *   trial_begin --supervise_try--> a cell of its own, now or as soon as there is one
 *                                                |
 *   on_verdict(error or NULL) <-- trial_take <---+ "loaded", or its end
 *
 * At home, and where an older version is warm, the cell stays; elsewhere nobody will ask for it.
 *
 * There is a verdict in TRIAL_MS at the latest: there is no room, or it does not say anything. The
 * verdict is given out once, from the loop, never from trial_begin. Bounded by TRIALS_MAX. Control
 * thread only.
 *
 * Rejected: trying what is current at a restart: 10,000 scripts are minutes, and the first
 * request's log line says the same.
 */
#ifndef HEARTH_TRIAL_H
#define HEARTH_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "control/base/loop.h"
#include "control/deploy/catalog.h"
#include "control/supervise/supervise.h"

struct trial {
    struct script *script; /* NULL: a free place */
    uint64_t client;       /* the caller's */
    uint64_t deadline_ns;
};

struct trials {
    struct loop *loop;
    struct supervise *supervise;
    struct trial trial[TRIALS_MAX];
    struct loop_timer timer;
    uint32_t trial_ms;
    /* The script's hold goes to the callee. error: NULL, or why it does not load. */
    void (*on_verdict)(void *arg, struct script *, uint64_t client, const char *error);
    void *arg;
};

void trials_init(struct trials *, struct loop *, struct supervise *,
                 void (*on_verdict)(void *, struct script *, uint64_t, const char *), void *arg);
/* Gives the holds up, without a verdict. Of zeroed memory too. */
void trials_fini(struct trials *);

/* Of a script that is in the catalog. Takes the caller's hold. False: no
 * place. */
bool trial_begin(struct trials *, struct script *, uint64_t client, bool is_home);
/* Is a version of that script on trial? */
bool trials_have(const struct trials *, const char *name);

/* A cell said it, or ended (supervise's on_loaded). */
void trial_take(struct trials *, uint64_t handle, const char *error);

#endif
