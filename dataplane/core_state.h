/* core_state.h
 *
 * struct core in full, for the modules that are its parts (core.c, conn.c, exchange.c, call.c,
 * serve.c, sub.c, rpc/peers.c) and for no one else.
 */
#ifndef HEARTH_CORE_STATE_H
#define HEARTH_CORE_STATE_H

#include <assert.h>
#include <stdalign.h>
#include <stddef.h>

#include "dataplane/base/age.h"
#include "dataplane/base/chunk.h"
#include "dataplane/base/counters.h"
#include "dataplane/base/ledger.h"
#include "dataplane/base/longest.h"
#include "dataplane/base/moderation.h"
#include "dataplane/base/request_id.h"
#include "dataplane/base/timer.h"
#include "dataplane/base/token_bucket.h"
#include "dataplane/core_config.h"
#include "dataplane/http/http1.h"
#include "dataplane/net/hop.h"
#include "dataplane/net/net.h"
#include "dataplane/net/source.h"
#include "dataplane/net/tx.h"
#include "dataplane/place/heat.h"
#include "dataplane/place/shed.h"
#include "dataplane/rpc/capability.h"
#include "dataplane/tcp/flow.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tls/handshakes.h"

struct calls;
struct cells;
struct conn;
struct egress;
struct exchange;
struct peers;
struct served_table;
struct stream_pool;
struct subs;
struct trace;
struct trace_sinks;
struct world;

enum {
    CORE_SCRATCH_BYTES = 64 * 1024, /* of a client, as it is read */
    CORE_OUT_BYTES =
        96 * 1024, /* a response head (limit 32 KiB, wider as text) and one slot of body */
};

/* Whose turn it is. Not ours: the connection is at rest, and gives way when connections run out,
 * in this order; one that is busy never does. Within each, the one goes whose peer has been
 * silent for longest. */
enum conn_rest {
    CONN_BUSY = 0,
    CONN_REST_TIME_WAIT,
    CONN_REST_ENDING, /* all was said and taken; the peer's end is awaited */
    CONN_REST_IDLE,   /* kept: no request is under way, nothing is unsaid */
    CONN_REST_FRESH,  /* half-open, in the handshake, or before its first request */
    CONN_RESTS
};

struct core {
    struct core_config config;
    struct net_config net_config;
    uint64_t now_ns; /* of this iteration, or since the core woke up: the one stored clock */
    const struct world *world; /* of this iteration */
    uint64_t world_epoch;
    struct net net;
    struct tx tx;
    struct hops hops;
    struct handshakes handshakes;
    struct chunk_pool chunks;
    struct timers timers;
    struct flow_table flows;
    struct tcp_env tcp_env4, tcp_env6; /* by the peer's address family */
    struct counters counters;
    void *chunk_memory, *flow_memory, *source_memory, *stream_memory;
    struct capability_slot *capability_memory;
    struct conn *conns;         /* config.conns_max of them */
    struct exchange *exchanges; /* one for each */
    struct conn *free_conns;
    struct conn *dirty_first, **dirty_last;
    struct conn *hellos[PORT_BURST]; /* whose names are still to be looked up (conn_hello.c) */
    uint32_t hello_count;
    struct age_list starving; /* connections that wait for chunks or ring slots */
    uint64_t starving_turn_ns;
    bool is_behind;                      /* work was left for the next iteration */
    struct age_list resting[CONN_RESTS]; /* connections whose peer has the next word */
    struct sources sources;
    uint32_t conn_count, half_open, half_open_max;
    struct cells *cells;
    struct request_ids request_ids;
    uint64_t cookies_until_ns; /* SYN cookies are out until then */
    uint32_t warm_per_s;
    struct token_bucket warm; /* cells asked for at ClientHello time */
    struct heat *heat;
    struct heat_tune heat_tune; /* the world's, for one core */
    struct shed_tune shed_tune,
        full_tune; /* when to hand work back; when to refuse what nobody else does */
    struct trace *trace;
    struct calls *calls;
    struct served_table *served;
    struct subs *subs;
    struct egress *egress;
    struct peers *peers; /* NULL: no cluster */
    struct stream_pool *streams;
    struct capability_table capabilities;
    struct trace_sinks *sinks;
    char date[32]; /* IMF-fixdate of this second */
    uint64_t date_until_ns;
    int wake_fd;
    alignas(64) _Atomic uint64_t stop_at_ns; /* 0: running; else the drain's deadline. The control
                                                thread's, read in each iteration */
    alignas(64) struct {
        struct token_bucket bucket[2]; /* of who is afar, of neighbours */
        uint64_t look_ns;              /* at what the kernel sends */
        bool is_readable;
    } tap;
    bool is_stopping, is_announced;
    uint32_t port_epoch;          /* by which our addresses were announced */
    struct http1_request request; /* parser's result: 3 KiB that no connection needs for long */
    uint8_t scratch[CORE_SCRATCH_BYTES];
    uint8_t out[CORE_OUT_BYTES];
    struct ledger ledger;
    struct moderation moderation; /* of the frames that wake it */
    struct core_gauges gauges;
    struct longest longest;
};

static_assert(offsetof(struct core, tap) == offsetof(struct core, stop_at_ns) + 64,
              "the one word that another thread writes has a line of its own");

/* Unique in this node, and not to be guessed (request_id.h). */
uint64_t core_next_request_id(struct core *);
/* IMF-fixdate of this second. */
const char *core_date(struct core *);

#endif
