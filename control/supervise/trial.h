/* trial.h
 *
 * Versions on trial: what is deployed becomes current only when a runtime process has started it
 * and said that it loads.
 *
 *   trial_begin --supervise_try--> the process that will serve the script
 *                (again after TRIAL_ASK_MS; the next one if it is not up)   |
 *   on_verdict(error or NULL) <-- trial_take <--------"loaded"--------------+
 *
 * At home the isolate that was started stays, where there is room for it; elsewhere nobody will ask
 * for it.
 *
 * A process in which an older version is warm says it without being asked. The first word counts,
 * whoever says it. There is a verdict in TRIAL_MS at the latest: no process is up, none says
 * anything, or the one that was asked ends meanwhile (which may be the script's doing). The verdict
 * is given out once, from the loop, never from trial_begin. Bounded by TRIALS_MAX. Control thread
 * only.
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

enum {
    TRIAL_ASK_MS = 1000,
};

struct trial {
    struct script *script; /* NULL: a free place */
    uint64_t client;       /* the caller's */
    bool is_home;
    uint64_t deadline_ns, asked_ns;
    uint32_t runtime;
    uint64_t life; /* of the runtime that was asked; 0: nobody yet */
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

/* Of a script that is in the catalog, and the supervisor knows. Takes the caller's hold. False: no
 * place. */
bool trial_begin(struct trials *, struct script *, uint64_t client, bool is_home);
/* Is a version of that script on trial? */
bool trials_have(const struct trials *, const char *name);

/* A runtime said it (supervise's on_loaded). */
void trial_take(struct trials *, uint64_t handle, const char *error);
/* A runtime came up, was told something, or went down. */
void trials_look(struct trials *);

#endif
