/* egress.h
 *
 * The way out: what scripts fetch() from the world goes through hearthd, by hearthd's own stack. A
 * cell has no network, so this is the only way, and what it refuses is refused.
 *
 *   sub.c --fetch.h--> [ fetch ] --resolver.h--> addresses --address.h--> those that may be reached
 *                         |
 *                         +--pool.h--> a kept connection, or
 *                         +--origin.h--> a new one: TCP, TLS --> HTTP/1.1 --> head, body
 *
 *   address.h   which addresses may be reached             dns.h   the messages of DNS
 *   resolver.h  names to addresses, remembered             pool.h  connections between two requests
 *   origin.h    a connection to a server                   fetch.h one request
 *   session.h   TLS sessions to be resumed
 *
 * Which core. A connection lives on the core whose script asked for it, and what comes back must
 * get there. Our ports for the world, EGRESS_PORT_FIRST and the EGRESS_PORTS behind it, are
 * divided among the cores: egress_ports() of them are a core's own, and drivers/spread.h sends TCP
 * and UDP to one of them to its core, whatever a card's RSS or the hash of the software spread
 * says of the flow. They lie below the kernel's own range (32768 on), so that a shared address
 * (net/exception.h) has both. A card that spreads by RSS puts such a frame on any queue; the core
 * that reads it hands it over, as it does with RPC datagrams where there are no rules for them.
 * Rejected: a source port that RSS hashes to this core: what a card hashes, and by which table, is
 * its driver's secret (spread.h), and where the guess is wrong no answer ever comes.
 *
 * Accounts. Each has as many requests under way on a core, and as many kept connections, as the
 * configuration says; beyond, its fetch fails and others' do not. A kept connection serves the
 * account that opened it and no other.
 *
 * Thread: the core. Memory: fixed tables (EGRESS_CONNS_MAX, EGRESS_FETCHES_MAX), chunks of the
 * core's pool, and wolfSSL's malloc. Not here: HTTP/2 and 3, proxies.
 */
#ifndef HEARTH_EGRESS_H
#define HEARTH_EGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/egress/address.h"
#include "dataplane/net/net.h"
#include "dataplane/tcp/tcp.h"

struct core;
struct tls_context;

/* A line of /etc/hosts. */
struct egress_host {
    char name[HOST_BYTES_MAX + 1]; /* canonical */
    uint8_t ip[16];
};

/* Of all cores; made at start, and not changed afterwards. */
struct egress_config {
    bool is_on;
    struct address_rules rules;
    uint32_t resolver_count, host_count;
    uint8_t resolver[EGRESS_RESOLVERS_MAX][16];
    struct egress_host *host;
    struct tls_context *tls; /* NULL: no authorities: https fails */
    uint32_t account_fetches, account_kept;
    uint32_t connect_ms, answer_ms, stall_ms, keep_ms;
};

/* Our ports for the world that a core has: *first and how many. */
static inline uint16_t egress_ports(uint32_t core_index, uint32_t cores, uint16_t *first)
{
    uint32_t each = EGRESS_PORTS / cores;
    *first = (uint16_t)(EGRESS_PORT_FIRST + core_index * each);
    return (uint16_t)each;
}

/* ---- the core's part ---- */

struct egress;
size_t egress_bytes(void);
/* config NULL: it is off, as with is_on false. It is the caller's, and stays. */
struct egress *egress_init(void *memory, const struct egress_config *, uint64_t now_ns);
void egress_fini(struct egress *);
/* May scripts ask the world at all? */
bool egress_is_on(const struct core *);

/* The values of the core's flow table from conns_max on are connections to the world: index less
 * conns_max. */
void egress_segment(struct core *, uint32_t index, const struct tcp_segment *);
void egress_path_mtu(struct core *, uint32_t index, const struct net_pmtu *);
/* UDP to a port of ours. False: to none that has a question out. */
bool egress_datagram(struct core *, const struct net_packet *);

/* What is due. Returns how much was done. */
uint32_t egress_run(struct core *);
uint64_t egress_next_ns(const struct core *);
/* The core ends: peers are reset. */
void egress_end(struct core *);

#endif
