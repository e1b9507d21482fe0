#include "dataplane/tcp/tcp_rx.h"

#include <assert.h>
#include <string.h>

#include "dataplane/tcp/tcp_seq.h"

/* The head of a chunk's bytes holds its base; 8, so that the stream's bytes stay aligned. */
enum { HEAD = 8, ROOM = CHUNK_ROOM - HEAD };

static uint32_t base_of(const struct chunk *chunk)
{
    uint32_t base;

    memcpy(&base, chunk->bytes, sizeof(base));
    return base;
}

static uint32_t on_grid(const struct tcp_rx *rx, uint32_t seq)
{
    return rx->grid + (seq - rx->grid) / ROOM * ROOM;
}

static void begin_at(struct tcp_rx *rx, uint32_t seq)
{
    rx->first = rx->last = rx->seen = NULL;
    rx->grid = rx->start = rx->next = seq;
    rx->range_count = 0;
}

void tcp_rx_init(struct tcp_rx *rx, uint32_t seq)
{
    begin_at(rx, seq);
    rx->account = (struct chunk_account){0};
    rx->rank = CHUNK_WAITS;
}

uint32_t tcp_rx_span(const struct tcp_rx *rx, uint32_t end)
{
    return (end - rx->grid + ROOM - 1) / ROOM;
}

static void range_remove(struct tcp_rx *rx, uint32_t i)
{
    memmove(&rx->range[i], &rx->range[i + 1], (--rx->range_count - i) * sizeof(rx->range[0]));
}

/* Forgets the early bytes of the last chunk, if it begins after base. */
static bool forget_last(struct tcp_rx *rx, struct chunk_pool *pool, uint32_t base)
{
    struct chunk *last = rx->last;

    if (last == NULL || seq_le(base_of(last), base))
        return false;

    uint32_t gone = base_of(last);
    struct chunk **link = &rx->first;

    rx->last = NULL;
    while (*link != last) {
        rx->last = *link;
        link = &rx->last->next;
    }
    *link = NULL;
    if (rx->seen == last)
        rx->seen = NULL;
    chunk_give(pool, &rx->account, last);

    for (uint32_t i = rx->range_count; i-- > 0;) {
        if (seq_le(gone, rx->range[i].start))
            range_remove(rx, i);
        else
            rx->range[i].end = seq_min(rx->range[i].end, gone);
    }
    return true;
}

/* The chunk with this base, made if need be. NULL: no memory. */
static struct chunk *chunk_at(struct tcp_rx *rx, struct chunk_pool *pool, uint32_t base,
                              bool is_early)
{
    struct chunk *before = NULL;

    if (rx->last != NULL && seq_le(base_of(rx->last), base))
        before = rx->last;
    else if (rx->seen != NULL && seq_le(base_of(rx->seen), base))
        before = rx->seen;
    else if (rx->first != NULL && seq_le(base_of(rx->first), base))
        before = rx->first;
    while (before != NULL && before->next != NULL && seq_le(base_of(before->next), base))
        before = before->next;
    if (before != NULL && base_of(before) == base)
        return before;

    /* The first chunks were promised (tcp_rx_room), in whatever order their bytes come. */
    enum chunk_rank rank = rx->account.held < CHUNK_FIRST ? CHUNK_COMES
                           : is_early                     ? CHUNK_WAITS
                                                          : (enum chunk_rank)rx->rank;
    struct chunk *chunk = chunk_take(pool, &rx->account, rank);

    if (chunk == NULL && !is_early && before != rx->last && forget_last(rx, pool, base))
        chunk = chunk_take(pool, &rx->account, CHUNK_MUST);
    if (chunk == NULL)
        return NULL;
    memcpy(chunk->bytes, &base, sizeof(base));
    if (before == NULL) {
        chunk->next = rx->first;
        rx->first = chunk;
    } else {
        chunk->next = before->next;
        before->next = chunk;
    }
    if (chunk->next == NULL)
        rx->last = chunk;
    return chunk;
}

uint32_t tcp_rx_room(const struct tcp_rx *rx, const struct chunk_pool *pool)
{
    uint32_t held = rx->account.held, own = chunk_owed(&rx->account, rx->account.floor);
    uint32_t shared = chunk_shared(pool), spare = pool->count >> CHUNK_WAITS,
             comes = pool->count >> CHUNK_COMES;
    uint32_t chunks = shared > spare ? (shared - spare) / CHUNKS_WINDOW_PART : 0;

    if (shared > comes && held + own + chunks < CHUNK_FIRST)
        chunks = CHUNK_FIRST - held - own;
    return on_grid(rx, rx->next + ROOM - 1) - rx->next + (own + chunks) * ROOM;
}

static void range_add(struct tcp_rx *rx, struct tcp_range r)
{
    for (uint32_t i = rx->range_count; i-- > 0;) {
        if (seq_lt(rx->range[i].end, r.start) || seq_lt(r.end, rx->range[i].start))
            continue;
        r.start = seq_min(r.start, rx->range[i].start);
        r.end = seq_max(r.end, rx->range[i].end);
        range_remove(rx, i);
    }
    assert(rx->range_count < TCP_OOO_RANGES_MAX);
    memmove(&rx->range[1], &rx->range[0], rx->range_count++ * sizeof(r));
    rx->range[0] = r;
}

static bool range_would_fit(const struct tcp_rx *rx, uint32_t seq)
{
    if (rx->range_count < TCP_OOO_RANGES_MAX)
        return true;
    /* Judged by the first byte alone: memory may end before the rest is stored. */
    for (uint32_t i = 0; i < rx->range_count; i++) {
        if (seq_le(rx->range[i].start, seq) && seq_le(seq, rx->range[i].end))
            return true;
    }
    return false;
}

bool tcp_rx_has(const struct tcp_rx *rx, uint32_t seq, size_t len)
{
    for (uint32_t i = 0; i < rx->range_count; i++) {
        if (seq_le(rx->range[i].start, seq) && seq_le(seq + (uint32_t)len, rx->range[i].end))
            return true;
    }
    return false;
}

/* The stream grew: early ranges that it reached belong to it now. */
static void absorb(struct tcp_rx *rx)
{
    for (uint32_t i = 0; i < rx->range_count;) {
        if (seq_lt(rx->next, rx->range[i].start)) {
            i++;
            continue;
        }
        rx->next = seq_max(rx->next, rx->range[i].end);
        range_remove(rx, i);
        i = 0;
    }
}

size_t tcp_rx_put(struct tcp_rx *rx, struct chunk_pool *pool, uint32_t seq, const uint8_t *bytes,
                  size_t len)
{
    bool is_early = seq != rx->next;
    uint32_t at = seq;
    size_t left = len;

    assert(seq_le(rx->next, seq));
    if (is_early && !range_would_fit(rx, seq))
        return 0;

    while (left > 0) {
        uint32_t base = on_grid(rx, at);
        struct chunk *chunk = chunk_at(rx, pool, base, is_early);

        if (chunk == NULL)
            break;

        size_t n = ROOM - (at - base);

        if (n > left)
            n = left;
        memcpy(chunk->bytes + HEAD + (at - base), bytes, n);
        rx->seen = chunk;
        bytes += n;
        at += (uint32_t)n;
        left -= n;
    }
    if (at == seq)
        return 0;
    if (is_early) {
        range_add(rx, (struct tcp_range){seq, at});
    } else {
        rx->next = at;
        if (rx->range_count > 0)
            absorb(rx);
    }
    return len - left;
}

const uint8_t *tcp_rx_peek(struct tcp_rx *rx, uint32_t offset, size_t *len)
{
    uint32_t at = rx->start + offset;

    if (offset >= rx->next - rx->start) {
        *len = 0;
        return NULL;
    }

    struct chunk *chunk = rx->seen;

    if (chunk == NULL || seq_lt(at, base_of(chunk)))
        chunk = rx->first;
    while (seq_le(base_of(chunk) + ROOM, at))
        chunk = chunk->next;
    rx->seen = chunk;

    uint32_t end = seq_min(base_of(chunk) + ROOM, rx->next);

    *len = end - at;
    return chunk->bytes + HEAD + (at - base_of(chunk));
}

void tcp_rx_consume(struct tcp_rx *rx, struct chunk_pool *pool, uint32_t bytes)
{
    assert(bytes <= rx->next - rx->start);

    rx->start += bytes;
    if (rx->start == rx->next && rx->range_count == 0) {
        /* An idle connection holds no memory, and its next request begins a chunk. */
        tcp_rx_clear(rx, pool);
        return;
    }
    rx->grid = on_grid(rx, rx->start);
    while (rx->first != NULL && seq_lt(base_of(rx->first), rx->grid)) {
        struct chunk *chunk = rx->first;

        rx->first = chunk->next;
        if (rx->seen == chunk)
            rx->seen = NULL;
        if (rx->last == chunk)
            rx->last = NULL;
        chunk_give(pool, &rx->account, chunk);
    }
}

void tcp_rx_clear(struct tcp_rx *rx, struct chunk_pool *pool)
{
    while (rx->first != NULL) {
        struct chunk *chunk = rx->first;

        rx->first = chunk->next;
        chunk_give(pool, &rx->account, chunk);
    }
    begin_at(rx, rx->next);
}

void tcp_rx_fini(struct tcp_rx *rx, struct chunk_pool *pool)
{
    if (rx->first != NULL)
        tcp_rx_clear(rx, pool);
    chunk_reserve(pool, &rx->account, 0, CHUNK_MUST);
}
