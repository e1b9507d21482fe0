/* fuzz_capability: a table under a program of issues, redemptions, revocations and forgeries.
 * Whatever the bytes are, only what was issued, still stands, is of the kind asked for and in time
 * is redeemed.
 *
 *   op u8: 0 issue {kind, lifetime} | 1 redeem {which} | 2 redeem a changed one {which, at, xor}
 *          | 3 redeem bytes {56} | 4 revoke {which} | 5 revoke bytes {56} */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/siphash.h"
#include "dataplane/rpc/capability.h"
#include "runtime/octets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SLOTS = 4, ISSUED_MAX = 64 };

struct issued {
    uint8_t sealed[CAPABILITY_BYTES];
    uint8_t kind;
    uint64_t object, expires_ms;
    bool is_live;
};

struct model {
    struct capability_table table;
    struct capability_slot slot[SLOTS];
    struct issued issued[ISSUED_MAX];
    uint32_t count;
    uint64_t now;
};

static uint32_t live(const struct model *m)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < m->count; i++)
        sum += m->issued[i].is_live;
    return sum;
}

static struct issued *find(struct model *m, const uint8_t *sealed)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (memcmp(m->issued[i].sealed, sealed, CAPABILITY_BYTES) == 0)
            return &m->issued[i];
    return NULL;
}

static void issue(struct model *m, uint8_t kind, uint8_t lifetime)
{
    struct issued *i = &m->issued[m->count];

    if (m->count == ISSUED_MAX)
        return;
    *i = (struct issued){.kind = (uint8_t)(1 + kind % (CAPABILITY_KINDS - 1)),
                         .object = m->count * 7919u,
                         .expires_ms = m->now + lifetime,
                         .is_live = true};
    bool had_room = live(m) < SLOTS;
    bool is_issued = capability_issue(&m->table, (enum capability_kind)i->kind, i->object,
                                      i->expires_ms, i->sealed);
    assert(is_issued == had_room);
    if (is_issued) {
        assert(!find(m, i->sealed)); /* never the same twice */
        m->count++;
    }
}

static void redeem(struct model *m, const uint8_t *sealed)
{
    struct issued *i = find(m, sealed);

    for (uint8_t kind = 1; kind < CAPABILITY_KINDS; kind++) {
        bool is_right = i && i->is_live && i->kind == kind && m->now < i->expires_ms;
        uint64_t object = ~0ull;
        enum capability_result r =
            capability_redeem(&m->table, sealed, (enum capability_kind)kind, m->now, &object);
        assert((r == CAPABILITY_OK) == is_right);
        assert(object == (is_right ? i->object : ~0ull));
        if (i && i->kind == kind && (kind == CAPABILITY_LAZY_WORKER || m->now >= i->expires_ms))
            i->is_live = false;
    }
}

static void revoke(struct model *m, const uint8_t *sealed)
{
    struct issued *i = find(m, sealed);

    capability_revoke(&m->table, sealed);
    if (i)
        i->is_live = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct model m;
    struct octets_reader r = octets_reader(data, size);

    memset(&m, 0, sizeof(m));
    /* A key is that of one start: the fuzzer would else remember capabilities of other runs, and
     * rightly be believed. */
    uint8_t key[16];
    siphash_128((const uint8_t[16]){9}, data, size, key);
    capability_table_init(&m.table, 0x1122334455667788, 3, key, m.slot, SLOTS);
    while (octets_left(&r) > 0 && !r.bad) {
        uint8_t op = octets_get_u8(&r) % 6, bytes[CAPABILITY_BYTES] = {0};

        m.now++;
        if (op == 0) {
            uint8_t kind = octets_get_u8(&r);
            issue(&m, kind, octets_get_u8(&r));
        } else if (op == 3 || op == 5) {
            octets_get_copy(&r, bytes, sizeof(bytes));
        } else if (m.count > 0) {
            memcpy(bytes, m.issued[octets_get_u8(&r) % m.count].sealed, sizeof(bytes));
        }
        if (op == 2) {
            uint8_t at = octets_get_u8(&r) % CAPABILITY_BYTES;
            bytes[at] ^= octets_get_u8(&r);
        }
        if (op == 4 || op == 5)
            revoke(&m, bytes);
        else if (op != 0)
            redeem(&m, bytes);
        assert(m.table.count == live(&m));
    }
    return 0;
}
