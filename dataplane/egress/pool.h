/* pool.h
 *
 * Connections between two requests: kept for the account that opened them, for keep_ms at most.
 *
 *   fetch --pool_keep--> [ oldest ... newest ] --pool_take--> another one of that account
 *                            |
 *                            +--> the server speaks or ends unasked, or its time is up: closed
 *
 * A server here is scheme, host name and port, not an address: what was judged when the connection
 * was opened (address.h) stays so, whatever the name means by now.
 *
 * Bounded: account_kept of an account, EGRESS_HOST_KEPT_MAX of these to one server; over all, by
 * the table of connections, where the oldest kept one gives way. The newest is taken first: it is
 * the least likely to be gone.
 */
#ifndef HEARTH_EGRESS_POOL_H
#define HEARTH_EGRESS_POOL_H

#include "dataplane/base/age.h"

struct core;
struct egress_account;
struct origin;

struct pool {
    struct age_list kept; /* by origin's `resting`; all for as long: the oldest is the next to go */
};

/* Names a server; secret is the core's. */
uint64_t pool_server(uint64_t secret, bool is_secure, const char *host, uint16_t port);
/* The caller becomes its owner (origin_give). NULL: there is none. */
struct origin *pool_take(struct core *, const struct egress_account *, uint64_t server);
/* False: there are enough; the caller closes it. */
bool pool_keep(struct core *, struct origin *, struct egress_account *, uint64_t server);
/* The oldest goes at once, for want of room. */
void pool_give_way(struct core *);
/* Those whose time is over. */
uint32_t pool_run(struct core *);
uint64_t pool_next_ns(const struct pool *);

#endif
