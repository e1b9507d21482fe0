/* channel_recovery.h
 *
 * The packets of a session: which are in flight, which arrived, which are lost, when to worry, how
 * much may be out.
 *
 *   una ........................ largest_acked ......... next    numbers; sent[] is a ring of them
 *    | lost if 3 younger arrived,  |  in flight            |
 *    | or 9/8 rtt older            |                       |
 *
 * Packets are never sent again: their records say what was in them, and the streams send that in
 * new ones. The probe timeout sends what is oldest once more (packets of CHANNEL_DATAGRAM_MIN, in
 * case the path lost its MTU), and calls nothing lost.
 *
 * Congestion: tcp_cc.h with an initial window of 32 packets: a data centre's switch takes 38 KB,
 * and calls come in batches. Pacing: 1.25 cwnd per srtt; 16 packets, or what 250 us let through,
 * may go at once. Path MTU: one probe of the most that the port carries, then halving between what
 * passed and what did not (RFC 8899 5.3). A black hole: RECOVERY_LARGE_LOST packets above
 * CHANNEL_DATAGRAM_MIN lost, and none arrived since.
 *
 * Sources: RFC 9002, RFC 8899.
 */
#ifndef HEARTH_CHANNEL_RECOVERY_H
#define HEARTH_CHANNEL_RECOVERY_H

#include "dataplane/rpc/channel_state.h"

enum {
    RECOVERY_WINDOW_PACKETS = 32,
    RECOVERY_BURST_PACKETS = 16,
    RECOVERY_BURST_NS = 250 * 1000,
    RECOVERY_PACKET_THRESHOLD = 3,
    RECOVERY_GRANULARITY_NS = 1000 * 1000,
    RECOVERY_ACK_DELAY_NS = 1000 * 1000, /* how long an acknowledgement may wait for company */
    RECOVERY_FIRST_RTT_NS = 5 * 1000 * 1000,
    RECOVERY_LARGE_LOST = 6,
    RECOVERY_MTU_STEP = 64, /* the search ends when it is that near */
    RECOVERY_MTU_TRIES = 3,
};

#define RECOVERY_MTU_AGAIN_NS (60ull * 1000000000) /* a larger size is tried again */
#define RECOVERY_MTU_AFTER_NS (1ull * 1000000000)  /* the same, after a black hole */
#define RECOVERY_IDLE_NS      (1ull * 1000000000)  /* what cwnd was is not known any more */

void recovery_init(struct channel *, uint64_t now_ns);

/* Packet `next` leaves. record_count records stand at record_next. told: see struct sent. */
void recovery_sent(struct channel *, uint32_t bytes, bool wants_ack, bool is_mtu_probe,
                   uint32_t record_count, uint64_t told, uint64_t now_ns);

/* What the peer says it has. False: an event closed the channel. */
bool recovery_acked(struct channel *, const struct frame_ack *, uint64_t now_ns);

/* May a packet that wants an acknowledgement leave? */
bool recovery_may_send(const struct channel *, uint64_t now_ns);
/* The table has room for another packet that may wait. */
bool recovery_has_room(const struct channel *);
/* Nothing leaves now: was there more to send? */
void recovery_note_limit(struct channel *, bool has_more);
/* Records that a packet may have now. */
uint32_t recovery_records(const struct channel *);
/* Room in the table for one more packet, whatever it takes. */
void recovery_make_room(struct channel *, uint64_t now_ns);
bool recovery_is_mtu_probe_due(const struct channel *);

uint64_t recovery_deadline(const struct channel *);
void recovery_timeout(struct channel *, uint64_t now_ns);

#endif
