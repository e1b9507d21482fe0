#include "dataplane/egress/pool.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/egress/egress_state.h"

#define MS 1000000ull

uint64_t pool_server(uint64_t secret, bool is_secure, const char *host, uint16_t port)
{
    return XXH3_64bits_withSeed(host, strlen(host), secret ^ (uint64_t)port << 1 ^ is_secure);
}

static struct origin *of_link(struct age_link *link)
{
    return (struct origin *)((char *)link - offsetof(struct origin, resting));
}

/* It is nobody's here any more. */
static void leave(struct origin *o)
{
    age_remove(&o->resting);
    o->account->kept--;
    o->account = NULL;
}

/* Whatever a server says unasked, or its end. */
static void on_pump(struct core *core, uint32_t owner, struct origin *o)
{
    uint8_t byte;
    size_t len;
    if (!origin_read(core, o, &byte, 1, &len) && !origin_read_ended(o) && !origin_is_cut(o) &&
        !tcp_peer_finished(&o->tcp))
        return;
    leave(o);
    origin_close(core, o);
}

static void on_ended(struct core *core, uint32_t owner, struct origin *o, enum origin_end why)
{
    if (o->account) {
        o->account->kept--;
        o->account = NULL;
    }
}

static const struct origin_events events = {.pump = on_pump, .ended = on_ended};

struct origin *pool_take(struct core *core, const struct egress_account *account, uint64_t server)
{
    for (struct age_link *link = core->egress->pool.kept.newest; link; link = link->older) {
        struct origin *o = of_link(link);
        /* What came since the last look may be its end. */
        if (o->server != server || o->account != account || tcp_state(&o->tcp) != TCP_ESTABLISHED ||
            tcp_readable(&o->tcp) > 0)
            continue;
        leave(o);
        o->was_kept = true;
        return o;
    }
    return NULL;
}

static uint32_t kept_to(const struct pool *p, const struct egress_account *account, uint64_t server)
{
    uint32_t count = 0;
    for (struct age_link *link = p->kept.oldest; link; link = link->newer)
        count += of_link(link)->account == account && of_link(link)->server == server;
    return count;
}

bool pool_keep(struct core *core, struct origin *o, struct egress_account *account, uint64_t server)
{
    struct egress *e = core->egress;
    if (core->is_stopping || account->kept >= e->config->account_kept ||
        kept_to(&e->pool, account, server) >= EGRESS_HOST_KEPT_MAX)
        return false;
    account->kept++;
    o->account = account;
    o->server = server;
    o->kept_until_ns = core->now_ns + e->config->keep_ms * MS;
    origin_give(o, &events, 0);
    age_add(&e->pool.kept, &o->resting);
    return true;
}

void pool_give_way(struct core *core)
{
    for (struct age_link *link = core->egress->pool.kept.oldest; link; link = link->newer) {
        struct origin *o = of_link(link);
        if (o->is_dirty)
            continue; /* its place would not be free at once */
        leave(o);
        origin_drop(core, o);
        return;
    }
}

uint32_t pool_run(struct core *core)
{
    struct pool *p = &core->egress->pool;
    uint32_t count = 0;
    while (p->kept.oldest && of_link(p->kept.oldest)->kept_until_ns <= core->now_ns) {
        struct origin *o = of_link(p->kept.oldest);
        leave(o);
        origin_close(core, o);
        count++;
    }
    return count;
}

uint64_t pool_next_ns(const struct pool *p)
{
    return p->kept.oldest ? of_link(p->kept.oldest)->kept_until_ns : UINT64_MAX;
}
