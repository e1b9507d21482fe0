#include "dataplane/rpc/capability.h"

#include <assert.h>
#include <string.h>

#include "dataplane/base/mutant.h"
#include "dataplane/base/siphash.h"
#include "runtime/octets.h"

/* What is under the MAC: everything before it. */
enum { SEALED_BYTES = 40, MAC_BYTES = 16 };
static_assert(SEALED_BYTES == 8 + 2 + 1 + 1 + 4 + 8 + 8 + 8, "layout");
static_assert(CAPABILITY_BYTES == SEALED_BYTES + MAC_BYTES, "layout");

enum { NO_SLOT = UINT32_MAX };

static bool is_kind(uint32_t kind)
{
    return kind > 0 && kind < CAPABILITY_KINDS;
}

static bool is_single_use(enum capability_kind kind)
{
    return kind == CAPABILITY_LAZY_WORKER;
}

void capability_table_init(struct capability_table *t, uint64_t owner, uint16_t core,
                           const uint8_t key[16], struct capability_slot *memory, uint32_t slots)
{
    assert(slots > 0 && slots <= CAPABILITIES_MAX);
    *t = (struct capability_table){.owner = owner, .core = core, .slots = slots, .slot = memory};
    memcpy(t->key, key, sizeof(t->key));
    for (uint32_t i = 0; i < slots; i++)
        memory[i] = (struct capability_slot){.next_free = i + 1 < slots ? i + 1 : NO_SLOT};
}

static void seal(const struct capability_table *t, const struct capability *c,
                 uint8_t out[CAPABILITY_BYTES])
{
    struct octets_writer w = octets_writer(out, SEALED_BYTES);

    octets_put_u64(&w, c->owner);
    octets_put_u16(&w, c->core);
    octets_put_u8(&w, c->kind);
    octets_put_zero(&w, 1);
    octets_put_u32(&w, c->slot);
    octets_put_u64(&w, c->object);
    octets_put_u64(&w, c->serial);
    octets_put_u64(&w, c->expires_ms);
    assert(octets_written(&w) == SEALED_BYTES);
    siphash_128(t->key, out, SEALED_BYTES, out + SEALED_BYTES);
}

bool capability_issue(struct capability_table *t, enum capability_kind kind, uint64_t object,
                      uint64_t expires_ms, uint8_t out[CAPABILITY_BYTES])
{
    assert(is_kind(kind));
    if (t->free_head == NO_SLOT)
        return false;

    uint32_t index = t->free_head;
    struct capability_slot *s = &t->slot[index];

    assert(s->serial == 0);
    t->free_head = s->next_free;
    t->count++;
    *s = (struct capability_slot){
        .serial = ++t->last_serial, .object = object, .kind = (uint8_t)kind, .next_free = NO_SLOT};

    struct capability c = {
        .owner = t->owner,
        .core = t->core,
        .kind = (uint8_t)kind,
        .slot = index,
        .object = object,
        .serial = s->serial,
        .expires_ms = expires_ms,
    };
    seal(t, &c, out);
    return true;
}

static void release(struct capability_table *t, struct capability_slot *s)
{
    assert(s->serial != 0 && t->count > 0);
    *s = (struct capability_slot){.next_free = t->free_head};
    t->free_head = (uint32_t)(s - t->slot);
    t->count--;
}

bool capability_read(struct capability *c, const uint8_t sealed[CAPABILITY_BYTES])
{
    struct octets_reader r = octets_reader(sealed, CAPABILITY_BYTES);

    c->owner = octets_get_u64(&r);
    c->core = octets_get_u16(&r);
    c->kind = octets_get_u8(&r);
    octets_get_zero(&r, 1);
    c->slot = octets_get_u32(&r);
    c->object = octets_get_u64(&r);
    c->serial = octets_get_u64(&r);
    c->expires_ms = octets_get_u64(&r);
    octets_get_copy(&r, c->mac, sizeof(c->mac));
    return octets_end(&r) && is_kind(c->kind);
}

static bool is_mac_right(const struct capability_table *t, const struct capability *c,
                         const uint8_t sealed[CAPABILITY_BYTES])
{
    uint8_t right[MAC_BYTES], difference = 0;

    siphash_128(t->key, sealed, SEALED_BYTES, right);
    for (int i = 0; i < MAC_BYTES; i++)
        difference |= right[i] ^ c->mac[i];
    explicit_bzero(right, sizeof(right)); /* the right MAC of a forged one is worth keeping */
    return difference == 0;
}

/* Ours and true, from cheap to expensive. */
static enum capability_result check(const struct capability_table *t, struct capability *c,
                                    const uint8_t sealed[CAPABILITY_BYTES])
{
    if (!capability_read(c, sealed))
        return CAPABILITY_BAD;
    if (c->owner != t->owner || c->core != t->core)
        return CAPABILITY_FOREIGN;
    return MUTANT(MAC_UNCHECKED) || is_mac_right(t, c, sealed) ? CAPABILITY_OK : CAPABILITY_FORGED;
}

/* The slot that still stands for it; NULL: it is spent. */
static struct capability_slot *find(const struct capability_table *t, const struct capability *c)
{
    /* We made it, so the slot exists and the serial is not 0; a MAC of 128 bits is not quite a
     * proof. */
    if (c->slot >= t->slots || c->serial == 0 || t->slot[c->slot].serial != c->serial)
        return NULL;
    return &t->slot[c->slot];
}

enum capability_result capability_redeem(struct capability_table *t,
                                         const uint8_t sealed[CAPABILITY_BYTES],
                                         enum capability_kind kind, uint64_t now_ms,
                                         uint64_t *object)
{
    struct capability c;
    enum capability_result result = check(t, &c, sealed);

    if (result != CAPABILITY_OK)
        return result;
    if (c.kind != kind)
        return CAPABILITY_BAD;

    struct capability_slot *s = find(t, &c);
    bool is_expired = now_ms >= c.expires_ms && !MUTANT(EXPIRY_IGNORED);

    if (s && !is_expired)
        *object = s->object;
    if (s && (is_expired || (is_single_use(kind) && !MUTANT(LAZY_NOT_SPENT))))
        release(t, s);
    if (is_expired)
        return CAPABILITY_EXPIRED;
    return s ? CAPABILITY_OK : CAPABILITY_SPENT;
}

void capability_revoke(struct capability_table *t, const uint8_t sealed[CAPABILITY_BYTES])
{
    struct capability c;
    struct capability_slot *s = check(t, &c, sealed) == CAPABILITY_OK ? find(t, &c) : NULL;

    if (s && !MUTANT(REVOKE_FORGOTTEN))
        release(t, s);
}
