/* station.h
 *
 * Where the simulated clients of a run sit: one address or more on the wire, with a network stack
 * and memory for their TCP connections.
 *
 *   a client's struct tcp --station_send--> [ net, tx ] --> port
 *                         <--by its port--- station_input <-- port
 *
 * Owns all but the port. Time is sim_now_ns. At its end every chunk is back, or the run fails.
 */
#ifndef HEARTH_SIM_STATION_H
#define HEARTH_SIM_STATION_H

#include "dataplane/net/net.h"
#include "dataplane/net/tx.h"
#include "dataplane/tcp/tcp.h"

struct station {
    struct net net;
    struct tx tx;
    struct counters counters;
    struct neighbours *neighbours;
    struct chunk_pool chunks;
    void *chunk_memory;
    struct tcp_env env; /* for the clients' tcp_open_active */
};

extern const uint8_t station_mac[6];

/* At 10.0.0.100/24. */
void station_init(struct station *, struct port *, uint16_t mtu, uint32_t chunks);
void station_fini(struct station *);
/* One more address that it answers to, "192.0.2.7/32"; at most NET_ADDRESSES_MAX in all. */
const uint8_t *station_add_address(struct station *, const char *address);

/* All that has come: each segment goes to the connection that find gives for its port; NULL:
 * to none. */
void station_input(struct station *, struct tcp *(*find)(void *arg, uint16_t port), void *arg);
/* What the connection wants to send, as far as the stack takes it. */
void station_send(struct station *, struct tcp *, const uint8_t server_ip[16]);
void station_send_from(struct station *, struct tcp *, const uint8_t ip[16],
                       const uint8_t server_ip[16]);

static inline const uint8_t *station_ip(const struct station *s)
{
    return s->net.config.address[0].ip;
}

#endif
