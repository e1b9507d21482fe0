/* tls_ticket.h
 *
 * The keys that seal session tickets (RFC 8446 4.6.1, RFC 5077): stateless, AES-256-GCM, the name
 * of the key in front and authenticated. They rotate by time: one seals, and the two before it
 * still open, so a ticket lives for two to three periods.
 *
 *   slot   [ 0 ][ 1 ][ 2 ][ 3 ]     rotations = 5: slot 1 seals, 1, 0 and 3 open, 2 is written next
 *
 * Four slots for three keys: the one that is written is nobody's. So the control thread rotates
 * beneath the sessions of all cores without a lock and without new contexts; a session would have
 * to stand still for a whole period between two of its instructions to see a key half written.
 *
 * Thread: tls_tickets_rotate in the control thread; the rest anywhere. Memory: the caller's.
 *
 * Rejected: new keys with a new world, which would make every context anew.
 */
#ifndef HEARTH_TLS_TICKET_H
#define HEARTH_TLS_TICKET_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    TLS_TICKET_NAME_BYTES = 16,
    TLS_TICKET_KEY_BYTES = 32,
    TLS_TICKET_KEYS = 3,                                              /* that open */
    TLS_TICKET_SECONDS = 24 * 3600,                                   /* what clients are told */
    TLS_TICKET_PERIOD_S = TLS_TICKET_SECONDS / (TLS_TICKET_KEYS - 1), /* between rotations */
};

struct tls_ticket_key {
    uint8_t name[TLS_TICKET_NAME_BYTES], key[TLS_TICKET_KEY_BYTES];
};

struct tls_tickets {
    _Atomic uint32_t rotations;
    struct tls_ticket_key slot[TLS_TICKET_KEYS + 1];
};

void tls_tickets_init(struct tls_tickets *, const struct tls_ticket_key *first);
/* The new key seals from now on; the oldest of three opens no more. */
void tls_tickets_rotate(struct tls_tickets *, const struct tls_ticket_key *);
void tls_tickets_wipe(struct tls_tickets *);

/* The i-th youngest key, 0 the one that seals; NULL: there is none. */
const struct tls_ticket_key *tls_tickets_key(const struct tls_tickets *, uint32_t i);

#endif
