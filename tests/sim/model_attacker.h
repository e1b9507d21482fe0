/* model_attacker.h
 *
 * Bad faith, from outside and from inside a cluster.
 *
 *   stranger: hears every datagram between nodes (attacker_hear), and sends what it heard again: as
 *   it was, bent, cut short, under other
 *             names, or noise behind an honest header (attacker_strike). It has no key.
 *   member:   has keys and channels, and says what it may not: events for sinks that are forged,
 *             expired, revoked or another node's (attacker_misuse_sink), calls that are none, and
 *             good ones with lies about who called
 * whom
 *             (attacker_misuse_stream).
 *
 * It counts what it did, so that a simulation can compare that with what the nodes counted.
 */
#ifndef HEARTH_SIM_MODEL_ATTACKER_H
#define HEARTH_SIM_MODEL_ATTACKER_H

#include "tests/sim/model_cluster.h"

enum { ATTACKER_HANDSHAKES = 16, ATTACKER_DATA = 48, ATTACKER_FRAME_BYTES_MAX = 1600 };

struct attacker_frame {
    uint32_t len;
    uint8_t bytes[ATTACKER_FRAME_BYTES_MAX];
};

struct attacker {
    struct attacker_frame handshake[ATTACKER_HANDSHAKES], data[ATTACKER_DATA]; /* the last ones */
    uint32_t handshakes, datas;                                                /* heard so far */
    uint64_t injected,
        injected_inits; /* an old init is authentic: it may be taken, and leads nowhere */
    uint64_t forged, expired, revoked, foreign; /* sinks that arrive, if channels stay up */
    uint64_t streams;
};

/* Is it a datagram between nodes? */
bool attacker_is_rpc(const uint8_t *frame, uint32_t len);
void attacker_hear(struct attacker *, const uint8_t *frame, uint32_t len);
/* What was heard may have been lost behind the switch: of a node that died since it would be news.
 * Old handshakes never are. */
void attacker_forget_data(struct attacker *);
void attacker_strike(struct attacker *, struct cluster *);
void attacker_misuse_sink(struct attacker *, struct cluster *);
void attacker_misuse_stream(struct attacker *, struct cluster *);

#endif
