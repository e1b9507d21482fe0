/* rpc_end.h
 *
 * One end of a channel over a port, as a dp core drives it: bursts of frames in, channel, bursts of
 * frames out. The caller makes calls of RPC_CALL_BYTES, or echoes those of the other end.
 *
 *   port_rx -> Ethernet, IPv4, UDP -> channel_input -> opened, readable
 *   port_tx <- Ethernet, IPv4, UDP <- channel_output <- stream_write
 *   a call: a stream of its own, 32 bytes and its end there, 32 bytes and its end back
 *
 * Headers are the least that a datagram needs; checksums are the port's work, as ever. Thread: the
 * one that polls.
 */
#ifndef HEARTH_RPC_END_H
#define HEARTH_RPC_END_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/rpc/channel.h"
#include "drivers/clock.h"
#include "drivers/port.h"

enum { RPC_CALL_BYTES = 32, RPC_CALLS_MAX = 1024, RPC_UDP_PORT = 7000 };

struct rpc_end_config {
    struct port *port;
    const struct clock *clock;
    const struct noise_identity *identity;
    const uint8_t *secret;   /* 32 bytes */
    const uint8_t *peer_key; /* NOISE_KEY_BYTES */
    bool is_caller;
    void (*answered)(void *arg, uint64_t sent_ns, uint64_t now_ns); /* one call of ours is over */
    void *arg;
};

struct rpc_end {
    struct rpc_end_config config;
    struct channel *channel;
    struct chunk_pool chunks;
    struct counters counters;
    uint64_t now_ns;
    uint32_t outstanding;
    bool is_single;    /* one call at a time: time matters more than throughput */
    uint64_t calls;    /* answered: to us, or by us */
    const char *fault; /* what must not happen has: the channel is of no use any more */
    struct rpc_call {
        uint64_t number, sent_ns;
        struct stream *stream; /* NULL: free */
    } call[RPC_CALLS_MAX];
    uint32_t free_call[RPC_CALLS_MAX], free_count;
};

/* False: no memory. */
bool rpc_end_init(struct rpc_end *, const struct rpc_end_config *);
/* One iteration of the loop, with new calls until `outstanding` are under way; returns how many
 * frames came. */
uint32_t rpc_end_poll(struct rpc_end *, uint32_t outstanding);
bool rpc_end_is_open(const struct rpc_end *);

#endif
