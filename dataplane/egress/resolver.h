/* resolver.h
 *
 * Names to addresses, for one core: /etc/hosts as it was at start, then DNS servers by our own
 * stack, remembered as long as they say within bounds.
 *
 *   resolver_ask --> hosts --> remembered --> A and AAAA to a server, each from a random port of
 *                                             ours with a random id and random case (dns.h)
 *                      waiters <-- both answers, or 50 ms after the first that has addresses
 *                                  (RFC 8305 3)
 *
 * A server that is silent for DNS_TRY_MS is followed by the next one, DNS_TRIES_MAX times in all;
 * from the third try on in lower case. One that says "truncated" is asked again by TCP. A name for
 * which nobody can say anything is remembered as such for a second.
 *
 * Addresses are not judged here: address.h does, when one is connected to. A question goes to the
 * servers that the operator named, wherever they are.
 *
 * Bounded: EGRESS_NAMES_MAX names, the one that is longest unused gives way; NAMES_ASKED_MAX of
 * them at a time are asked for, beyond it the request is refused. Thread: the core. Sources: RFC
 * 1035, 2308, 5452, 8305; /etc/hosts: hosts(5).
 */
#ifndef HEARTH_EGRESS_RESOLVER_H
#define HEARTH_EGRESS_RESOLVER_H

#include "dataplane/base/age.h"
#include "dataplane/base/chunk.h"
#include "dataplane/base/limits.h"
#include "dataplane/net/net.h"

struct core;
struct egress;
struct fetch;
struct origin;

enum { NAMES_ASKED_MAX = 64, NAME_BUCKETS = 2 * EGRESS_NAMES_MAX };

enum name_state { NAME_FREE = 0, NAME_ASKED, NAME_KNOWN, NAME_UNKNOWN, NAME_SILENT };

/* One of both families. */
struct name_question {
    bool is_out; /* asked, and not answered */
    uint16_t type, id, port, tries;
    uint64_t case_seed, again_ns;
    uint8_t server[16];
    struct origin *origin; /* by TCP, */
    bool is_told;          /* which has the question */
    struct byte_queue in;  /* of it */
};

struct name {
    char host[HOST_BYTES_MAX + 1];
    uint8_t state; /* enum name_state */
    uint32_t index, bucket_next;
    uint32_t count;
    uint8_t ip[2 * EGRESS_ADDRESSES_MAX][16]; /* those of IPv6 first */
    uint32_t ttl_s;
    uint64_t until_ns;                /* KNOWN, UNKNOWN, SILENT */
    uint64_t deadline_ns;             /* ASKED: what is there by then is the answer */
    struct age_link use;              /* in `asked`, or in `used` */
    struct age_list waiters;          /* fetches, by their `waits` */
    struct name_question question[2]; /* AAAA, A */
};

struct resolver {
    struct name name[EGRESS_NAMES_MAX];
    uint32_t bucket[NAME_BUCKETS]; /* index + 1 */
    uint32_t taken;
    struct age_list asked, used; /* used: the longest unused is the oldest */
};

enum resolved {
    RESOLVED,  /* *name has addresses, until the next call of anything here */
    RESOLVING, /* fetch_resolved comes */
    RESOLVED_NONE,
    RESOLVED_SILENCE, /* no server said anything of use, lately */
    RESOLVED_BUSY
};

void resolver_init(struct resolver *);
enum resolved resolver_ask(struct core *, const char *host, struct fetch *, const struct name **);
/* It waits no more. */
void resolver_forget(struct fetch *);
/* False: it is no answer to a question of ours. */
bool resolver_datagram(struct core *, const struct net_packet *);
/* Has a question that port? */
bool resolver_has_port(const struct resolver *, uint16_t port);
uint32_t resolver_run(struct core *);
uint64_t resolver_next_ns(const struct resolver *);

#endif
