/* egress_state.h
 *
 * struct egress in full, for the files of this room and for no one else.
 */
#ifndef HEARTH_EGRESS_STATE_H
#define HEARTH_EGRESS_STATE_H

#include "dataplane/base/age.h"
#include "dataplane/base/timer.h"
#include "dataplane/core_state.h"
#include "dataplane/egress/egress.h"
#include "dataplane/egress/fetch.h"
#include "dataplane/egress/origin.h"
#include "dataplane/egress/pool.h"
#include "dataplane/egress/resolver.h"
#include "dataplane/egress/session.h"
#include "dataplane/http/http1_answer.h"

enum { EGRESS_ACCOUNTS = 2048 }; /* open addressing: more than twice ACCOUNTS_MAX would be full */

/* What one account has under way on this core. */
struct egress_account {
    uint64_t account; /* world_script.account */
    uint32_t fetches, kept;
};

struct egress {
    const struct egress_config *config;
    struct origin *free_origins;
    struct origin *dirty_first, **dirty_last;
    struct timers timers; /* of origins and fetches */
    struct age_list time_wait;
    uint32_t origins_live;
    struct fetch *free_fetches;
    uint32_t fetches_live;
    struct pool pool;
    struct resolver resolver;
    struct sessions sessions;
    struct http1_answer answer; /* the parser's result: 3 KiB that nobody needs for long */
    struct egress_account account[EGRESS_ACCOUNTS];
    struct origin origin[EGRESS_CONNS_MAX];
    struct fetch fetch[EGRESS_FETCHES_MAX];
};

/* Random numbers that a stranger cannot guess. */
uint64_t egress_random(struct core *);
/* Which of our addresses speaks to that one; NULL: none of its family that the world can answer. */
const uint8_t *egress_source(const struct core *, const uint8_t ip[16]);
/* May it be connected to? Counts what may not. */
bool egress_may_reach(struct core *, const uint8_t ip[16]);
/* The account's row, made if there is none. NULL: there are too many. */
struct egress_account *egress_account_of(struct core *, uint64_t account);
/* One of our ports that no flow to there has, and that is not listened on. 0: none. */
uint16_t egress_pick_port(struct core *, const uint8_t local[16], const uint8_t remote[16],
                          uint16_t remote_port);
/* The same for UDP, where no question may have it. */
uint16_t egress_pick_udp_port(struct core *);

#endif
