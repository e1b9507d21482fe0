#include "dataplane/tls/tls_ticket.h"

#include <stddef.h>
#include <string.h>

enum { SLOTS = TLS_TICKET_KEYS + 1 };

void tls_tickets_init(struct tls_tickets *t, const struct tls_ticket_key *first)
{
    memset(t->slot, 0, sizeof(t->slot));
    t->slot[0] = *first;
    atomic_init(&t->rotations, 0);
}

void tls_tickets_rotate(struct tls_tickets *t, const struct tls_ticket_key *next)
{
    uint32_t rotations = atomic_load_explicit(&t->rotations, memory_order_relaxed) + 1;

    t->slot[rotations % SLOTS] = *next;
    atomic_store_explicit(&t->rotations, rotations, memory_order_release);
}

void tls_tickets_wipe(struct tls_tickets *t)
{
    explicit_bzero(t->slot, sizeof(t->slot));
}

const struct tls_ticket_key *tls_tickets_key(const struct tls_tickets *t, uint32_t i)
{
    uint32_t rotations = atomic_load_explicit(&t->rotations, memory_order_acquire);

    return i < TLS_TICKET_KEYS && i <= rotations ? &t->slot[(rotations - i) % SLOTS] : NULL;
}
