/* handshakes.h
 *
 * TLS handshakes with something to do, in order: a step of one costs as much as hundreds of
 * requests (key shares, a signature), and strangers decide how many begin. So connections, channels
 * and jobs come first, and handshakes take turns: as many in an iteration as its slice allows
 * (slice.h).
 *
 *   whole ClientHello --> [ fresh: at most HANDSHAKES_WAITING_MAX ] --+--> a turn: conn_turn
 *   next flight ------> [ begun: each was fresh once ]      ---------+
 *
 * The two take turns with each other: what has begun is soon done, and new ones are not starved by
 * peers who dribble. Nothing is computed, and no TLS memory taken, before the first turn. A fresh
 * one that finds no place is refused by its connection: the newest, since those who wait longer
 * have less to wait.
 *
 * A connection owns its link. Single thread, never allocates. All zero: nobody waits.
 *
 * Rejected: a step wherever bytes come in; refusing the oldest. HANDSHAKES_WAITING_MAX are a second
 * of RSA at 2 ms; beyond them a client gets internal_error.
 */
#ifndef HEARTH_HANDSHAKES_H
#define HEARTH_HANDSHAKES_H

#include "dataplane/base/age.h"
#include "dataplane/base/limits.h"

struct handshakes {
    struct age_list fresh, begun;
    bool was_begun; /* whose turn was the last */
};

static inline bool handshakes_are_full(const struct handshakes *h)
{
    return h->fresh.count >= HANDSHAKES_WAITING_MAX;
}

/* Nothing if it waits already. */
static inline void handshakes_add(struct handshakes *h, struct age_link *link, bool has_begun)
{
    if (!age_is_in(link))
        age_add(has_begun ? &h->begun : &h->fresh, link);
}

/* Whose turn it is, taken out. NULL: nobody waits. */
static inline struct age_link *handshakes_next(struct handshakes *h)
{
    bool is_begun = h->begun.count > 0 && (h->fresh.count == 0 || !h->was_begun);
    struct age_link *link = is_begun ? h->begun.oldest : h->fresh.oldest;
    if (link)
        age_remove(link);
    h->was_begun = is_begun;
    return link;
}

static inline bool handshakes_wait(const struct handshakes *h)
{
    return h->fresh.count > 0 || h->begun.count > 0;
}

#endif
