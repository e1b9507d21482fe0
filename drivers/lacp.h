/* lacp.h
 *
 * The Link Aggregation Control Protocol for two ports of one system: which of them the partner (the
 * switch) takes for one link, by frames of 124 bytes that both send once a second.
 *
 *    no link      PDU heard              silence of 3 s             of 3 s more
 *   DOWN ---> EXPIRED ---> CURRENT -------------------> EXPIRED ----------------> DEFAULTED
 *     ^                       ^                                                       |
 *     +-- from all of them    +------------------------- PDU heard -------------------+
 *
 *   CURRENT, and the same partner as the first port that is: in sync with it; it too: collecting;
 *   it collects as well: distributing
 *
 * Frames are whole, from the Ethernet header on, without a tag. Fields on the wire are big-endian.
 * Bytes in, bytes out, now is a parameter; allocates nothing. Single thread.
 *
 * Ports of different speed, or with different partners, are not aggregated: the first port that has
 * a partner decides. Nobody is sent more than LACP_SENDS_MAX a second. A marker is answered (a
 * partner that moves a flow from one port to another waits for that).
 *
 * Source: IEEE 802.1AX-2014, 6.4; the mux machine is 6.4.15's with independent control, and without
 * the wait for more ports (WAIT_WHILE): there are two, and they are known.
 */
#ifndef HEARTH_LACP_H
#define HEARTH_LACP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LACP_PORTS = 2,
    LACP_FRAME_BYTES = 124,
    LACP_SENDS_MAX = 3,
    LACP_ETHERTYPE = 0x8809, /* slow protocols, of which it is one */
};

/* 6.4.2.3 */
enum lacp_state {
    LACP_ACTIVITY = 0x01,
    LACP_SHORT_TIMEOUT = 0x02,
    LACP_AGGREGATION = 0x04,
    LACP_SYNCHRONIZATION = 0x08,
    LACP_COLLECTING = 0x10,
    LACP_DISTRIBUTING = 0x20,
    LACP_STATE_DEFAULTED = 0x40,
    LACP_STATE_EXPIRED = 0x80,
};

enum lacp_receive { LACP_DOWN, LACP_EXPIRED, LACP_DEFAULTED, LACP_CURRENT };

/* What one end says of itself, and of the other. */
struct lacp_info {
    uint16_t system_priority, key, port_priority, port;
    uint8_t system[6];
    uint8_t state; /* enum lacp_state */
};

struct lacp_port {
    enum lacp_receive receive;
    struct lacp_info actor, partner; /* partner: zeros where there is none */
    uint64_t silent_at_ns;           /* when EXPIRED, or DEFAULTED, comes next */
    uint64_t send_at_ns;             /* the periodic one */
    uint64_t sent_at_ns[LACP_SENDS_MAX];
    bool wants_send;
    bool has_marker; /* to be answered */
    uint8_t marker[LACP_FRAME_BYTES];
    uint64_t received, sent, bad;
};

struct lacp {
    struct lacp_port port[LACP_PORTS];
};

enum lacp_outcome {
    LACP_TAKEN,
    LACP_MARKER,  /* its answer is due */
    LACP_IGNORED, /* another slow protocol, or a marker's answer */
    LACP_SELF,    /* our own: a loop, or two ports of ours on one cable */
    LACP_BAD,     /* too short, or fields that are not where they must be */
};

/* group: where slow protocols are sent to. */
extern const uint8_t lacp_group[6];

/* Both ports without a link. system: a MAC address of ours. */
void lacp_init(struct lacp *, const uint8_t system[6]);

/* mbps: 0 if it is not known; two ports must have the same. Again each time it may have changed. */
void lacp_set_link(struct lacp *, uint32_t port, bool is_up, uint32_t mbps, uint64_t now_ns);

/* Reads a frame with LACP_ETHERTYPE; keeps nothing of its bytes. What is not TAKEN or a MARKER
 * counts as bad, but for IGNORED. */
enum lacp_outcome lacp_input(struct lacp *, uint32_t port, const uint8_t *frame, size_t bytes,
                             uint64_t now_ns);

/* What became of time. Before lacp_output. */
void lacp_timeout(struct lacp *, uint64_t now_ns);

/* The next frame that is due on that port, LACP_FRAME_BYTES; false: none is now. source: the port's
 * own MAC address. */
bool lacp_output(struct lacp *, uint32_t port, const uint8_t source[6],
                 uint8_t frame[LACP_FRAME_BYTES], uint64_t now_ns);

/* Which ports frames are taken from, and sent by: bit n is port n. */
uint32_t lacp_collecting(const struct lacp *);
uint32_t lacp_distributing(const struct lacp *);

#endif
