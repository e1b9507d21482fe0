/* capability.h
 *
 * A sealed reference to something that one dp core of one node keeps. Whoever holds it may invoke
 * it, at its owner and nowhere else.
 *
 *   owner:   issue --> [ table of what is out ] --seal--> 56 bytes -- anywhere, by anybody --+
 *            redeem <-- object, or why not <------------- 56 bytes <-------------------------+
 *
 *   wire, big-endian:  owner u64 | core u16 | kind u8 | zero u8 | slot u32 | object u64
 *                      | serial u64 | expires_ms u64 | mac 16
 *
 * The MAC is SipHash-2-4 with 128 bits of output under the owner's secret: a pseudo-random
 * function, so nobody else can make one. Expiry is the owner's own clock. A slot remembers the
 * serial of what it issued: one that was redeemed (single-use kinds), revoked or whose slot serves
 * another by now is refused. Serials never repeat in the life of a key, and a key is that of one
 * start.
 *
 * What was issued stays out until it is redeemed (single-use kinds), revoked, or comes back
 * expired: the issuer revokes it when its object ends. All refusals are outcomes, and one counter
 * each (capability_*).
 *
 * Thread: a table belongs to its core (or to the control thread). Bounded by CAPABILITIES_MAX;
 * never allocates after init. Source: the idea of a sealed reference: Dennis and Van Horn, 1966;
 * SipHash: Aumasson and Bernstein, 2012.
 */
#ifndef HEARTH_CAPABILITY_H
#define HEARTH_CAPABILITY_H

#include <stdbool.h>
#include <stdint.h>

enum { CAPABILITY_BYTES = 56, CAPABILITIES_MAX = 16384, CAPABILITY_CORE_CONTROL = UINT16_MAX };

enum capability_kind {
    CAPABILITY_LAZY_WORKER = 1, /* "run it where it came from": single use; object: the call */
    CAPABILITY_TRACE_SINK,      /* events of a request; object: its id */
    CAPABILITY_SERVICE,         /* a script to call; object: its hash */
    CAPABILITY_TAIL,            /* log lines of a script; object: the subscription */
    CAPABILITY_KINDS,
};

struct capability { /* the wire form, read */
    uint64_t owner; /* id of the node */
    uint16_t core;
    uint8_t kind;
    uint32_t slot;
    uint64_t object, serial, expires_ms;
    uint8_t mac[16];
};

enum capability_result {
    CAPABILITY_OK,
    CAPABILITY_BAD,     /* not a capability (kind, zero), or of another kind than is asked for */
    CAPABILITY_FOREIGN, /* of another node or core */
    CAPABILITY_FORGED,
    CAPABILITY_EXPIRED,
    CAPABILITY_SPENT, /* redeemed before, revoked, or long gone */
};

struct capability_slot {
    uint64_t serial; /* 0: free */
    uint64_t object;
    uint8_t kind;
    uint32_t next_free;
};

struct capability_table {
    uint64_t owner;
    uint16_t core;
    uint8_t key[16];
    uint64_t last_serial;
    uint32_t count, free_head, slots; /* in use; first free; size */
    struct capability_slot *slot;     /* the caller's memory */
};

/* slots: at most CAPABILITIES_MAX; memory for them is the caller's. key: random, of this start of
 * this core: serials begin anew, and with an old key those of the last start would be believed. */
void capability_table_init(struct capability_table *, uint64_t owner, uint16_t core,
                           const uint8_t key[16], struct capability_slot *memory, uint32_t slots);

/* False: the table is full. */
bool capability_issue(struct capability_table *, enum capability_kind, uint64_t object,
                      uint64_t expires_ms, uint8_t out[CAPABILITY_BYTES]);
/* OK: *object is what was issued; a single-use kind is spent with it. Constant time in the MAC. */
enum capability_result capability_redeem(struct capability_table *,
                                         const uint8_t sealed[CAPABILITY_BYTES],
                                         enum capability_kind, uint64_t now_ms, uint64_t *object);
/* What was issued under these bytes is over. Nothing happens if it is spent, or not ours. */
void capability_revoke(struct capability_table *, const uint8_t sealed[CAPABILITY_BYTES]);

/* What anybody can read of it: to route it to its owner. False: not a capability. */
bool capability_read(struct capability *, const uint8_t sealed[CAPABILITY_BYTES]);

#endif
