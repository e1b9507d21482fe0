/* fuzz_channel.c
 *
 * Arbitrary frames of an authenticated peer, arbitrary datagrams, owner's calls and time into one
 * channel.
 *
 *   input:  setup  { action  operand... }*
 *
 * The channel gets its keys without a handshake, so that frames reach it by channel_take_frames as
 * those of a packet that authenticated. Streams are owned by an application that reads, writes and
 * gives up as told. Checked after every step: buffers within their limits, no chunk and no stream
 * lost, books of packets in flight that agree, output that ends, deadlines that go away.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/rpc/channel_recovery.h"
#include "dataplane/rpc/channel_stream.h"
#include "dataplane/tcp/tcp_seq.h"

#define MS_NS 1000000ull

enum { CHUNKS = 48, STREAMS = 24, OUTPUTS_MAX = 3000, OWNED_MAX = 64 };

struct reader {
    const uint8_t *p, *end;
};

static uint64_t read_number(struct reader *r, uint32_t n)
{
    uint64_t v = 0;

    for (; n > 0; n--)
        v = v << 8 | (r->p < r->end ? *r->p++ : 0);
    return v;
}

struct world {
    struct channel *channel;
    struct channel_config config;
    struct chunk_pool chunks;
    struct counters counters;
    uint64_t now, window_number;
    struct stream *owned[OWNED_MAX];
    struct reader reader; /* events decide by it too */
    uint8_t behaviour;
};

static struct chunk chunk_memory[CHUNKS];
static _Alignas(64) uint8_t stream_memory[64 * 1024];
static struct noise_identity identity;
static const uint8_t secret[32];
static uint8_t text[70000];

static void own(struct world *w, struct stream *s)
{
    for (uint32_t i = 0; i < OWNED_MAX; i++) {
        if (w->owned[i] == NULL) {
            w->owned[i] = s;
            stream_set_user(s, &w->owned[i]);
            return;
        }
    }
    stream_reset(w->channel, s, STREAM_REFUSED);
}

static void disown(struct stream *s)
{
    struct stream **slot = stream_user(s);

    if (slot != NULL) {
        assert(*slot == s);
        *slot = NULL;
    }
}

static void act(struct world *w, struct stream *s, uint32_t what)
{
    struct channel *c = w->channel;
    uint32_t bytes = (uint32_t)read_number(&w->reader, 2);

    switch (what % 8) {
    case 0:
    case 1: {
        size_t room = stream_room(c, s);

        if (s->send_end == SEND_OPEN && !s->is_detached)
            assert(stream_write(c, s, text, bytes) >= (bytes < room ? bytes : room));
        break;
    }
    case 2:
    case 3:
        stream_consume(c, s, bytes < stream_available(s) ? bytes : (uint32_t)stream_available(s));
        break;
    case 4:
        if (s != &c->control)
            stream_end(c, s);
        break;
    case 5:
        if (s != &c->control) {
            disown(s);
            stream_release(c, s);
        }
        break;
    case 6:
        if (s != &c->control) {
            disown(s);
            stream_reset(c, s, 1 + bytes % 3);
        }
        break;
    default: {
        size_t len;

        stream_peek(s, bytes, &len);
        assert(!stream_is_ended(s) || stream_available(s) == 0);
    }
    }
}

static void in_event(struct world *w, struct stream *s)
{
    if (w->behaviour & 1)
        act(w, s, (uint32_t)read_number(&w->reader, 1));
    if ((w->behaviour & 2) && read_number(&w->reader, 1) == 0xee) {
        channel_close(w->channel, w->now);
        memset(w->owned, 0, sizeof(w->owned));
    }
}

static void on_up(void *arg, struct channel *c)
{
}

static void on_down(void *arg, struct channel *c, enum channel_down why)
{
    struct world *w = arg;

    assert(channel_state(c) == CHANNEL_CLOSED && channel_open_stream(c, NULL) == NULL);
    if (w->behaviour & 4) {
        for (uint32_t i = 0; i < OWNED_MAX; i++) {
            if (w->owned[i] != NULL)
                stream_release(c, w->owned[i]);
        }
    }
    memset(w->owned, 0, sizeof(w->owned));
}

static void on_opened(void *arg, struct channel *c, struct stream *s)
{
    struct world *w = arg;

    own(w, s);
    if (stream_user(s) != NULL)
        in_event(w, s);
}

static void on_news(void *arg, struct channel *c, struct stream *s)
{
    in_event(arg, s);
}

static void on_reset(void *arg, struct channel *c, struct stream *s, enum stream_reset code)
{
    disown(s);
}

static const struct channel_events events = {
    .up = on_up,
    .down = on_down,
    .opened = on_opened,
    .readable = on_news,
    .writable = on_news,
    .reset = on_reset,
};

static void zero(void *arg, void *out, size_t bytes)
{
    memset(out, 7, bytes);
}

static void check(struct world *w)
{
    const struct channel *c = w->channel;
    const struct recovery *r = &c->recovery;
    uint32_t chunks = 0, streams = 0, flying = 0, in_flight = 0;

    for (const struct link *l = c->all.next; l != &c->all; l = l->next) {
        const struct stream *s = LINK_OWNER(l, struct stream, all);

        streams += s != &c->control;
        assert(s->channel == c);
        for (const struct chunk *k = s->tx.head; k != NULL; k = k->next)
            chunks++;
        for (const struct chunk *k = s->rx.first; k != NULL; k = k->next)
            chunks++;
        assert(s->tx.bytes <= CHANNEL_STREAM_BUFFER);
        assert(stream_available(s) <= CHANNEL_STREAM_WINDOW);
        assert(seq_le(s->una, s->nxt) && seq_le(s->nxt, s->una + s->tx.bytes));
        assert(s->lost.count <= RANGES_MAX && s->acked.count <= RANGES_MAX);
        for (uint32_t i = 0; i < s->lost.count; i++) {
            assert(seq_le(s->una, s->lost.range[i].start) && seq_le(s->lost.range[i].end, s->nxt));
            assert(seq_lt(s->lost.range[i].start, s->lost.range[i].end));
            assert(i == 0 || seq_lt(s->lost.range[i - 1].end, s->lost.range[i].start));
        }
        for (uint32_t i = 0; i < s->acked.count; i++)
            assert(seq_lt(s->una, s->acked.range[i].start));
    }
    assert(chunks + w->chunks.free_count == w->chunks.count);
    assert(streams == c->streams);
    assert(streams + stream_pool_free_count(w->config.streams) == STREAMS);
    if (c->state != CHANNEL_OPEN) {
        assert(streams == 0);
        return;
    }
    assert(r->next - r->una <= CHANNEL_IN_FLIGHT_MAX);
    assert(r->record_next - r->record_first <= RECORDS);
    for (uint64_t n = r->una; n < r->next; n++) {
        const struct sent *s = &r->sent[n % CHANNEL_IN_FLIGHT_MAX];

        if (s->state == SENT_FLYING) {
            flying++;
            in_flight += s->bytes;
        }
    }
    assert(flying == r->flying && in_flight == r->in_flight);
    assert(r->cc.cwnd >= CHANNEL_DATAGRAM_MIN);
    assert(r->mtu >= CHANNEL_DATAGRAM_MIN && r->mtu <= w->config.datagram_bytes_max);
}

static void drain(struct world *w, uint32_t max)
{
    static uint8_t out[CHANNEL_DATAGRAM_MAX];

    for (uint32_t i = 0; i < max; i++) {
        bool has = channel_has_output(w->channel, w->now);
        size_t len = channel_output(w->channel, out, sizeof(out), w->now);
        uint32_t index;

        assert(has == (len > 0) && len <= w->config.datagram_bytes_max);
        if (len == 0)
            return;
        assert(datagram_peek(out, len, &index) != DATAGRAM_BAD);
        assert(i < OUTPUTS_MAX);
    }
}

static uint64_t near_id(struct world *w, struct reader *r)
{
    uint32_t how = (uint32_t)read_number(r, 1);

    if (how & 0x80)
        return read_number(r, 6);
    return (uint64_t)(how >> 5) << SLOT_BITS | (how & 0x1f);
}

static uint8_t *near_ack(struct world *w, struct reader *r, uint8_t *p)
{
    uint32_t count = (uint32_t)read_number(r, 1) % 5;
    uint64_t next = w->channel->recovery.next;

    *p++ = FRAME_ACK;
    *p++ = (uint8_t)count;
    p = put_u16(p, (uint16_t)read_number(r, 2));
    p = put_u32(p, (uint32_t)(next - 1 - read_number(r, 1) % 8));
    p = put_u16(p, (uint16_t)read_number(r, 1) % 16);
    for (; count > 0; count--) {
        p = put_u16(p, 1 + (uint16_t)read_number(r, 1) % 4);
        p = put_u16(p, (uint16_t)read_number(r, 1) % 8);
    }
    return p;
}

/* Frames near what the channel expects, or raw ones. */
static void peer_packet(struct world *w, struct reader *r)
{
    uint8_t *frames = malloc(CHANNEL_DATAGRAM_MAX), *p = frames, *exact;
    uint32_t count = 1 + (uint32_t)read_number(r, 1) % 6;
    bool has_ack = false, wants_ack;

    for (; count > 0 && p - frames < 6000; count--) {
        uint32_t what = (uint32_t)read_number(r, 1) % 10;
        uint64_t id = near_id(w, r);

        if (what == 0 && !has_ack) {
            has_ack = true;
            p = near_ack(w, r, p);
        } else if (what == 1) {
            *p++ = FRAME_CREDIT;
            p = put_u32(put_u48(p, id), (uint32_t)read_number(r, 3));
        } else if (what == 2) {
            *p++ = FRAME_RESET;
            p = put_u48(p, id);
            *p++ = 1 + (uint8_t)read_number(r, 1) % 3;
        } else if (what == 3) {
            *p++ = FRAME_STOP;
            p = put_u48(p, id);
        } else if (what == 4) {
            uint32_t n = (uint32_t)read_number(r, 1);

            for (; n > 0; n--)
                *p++ = (uint8_t)read_number(r, 1);
        } else {
            uint32_t offset = (uint32_t)read_number(r, 2), bytes = (uint32_t)read_number(r, 1) * 5;

            if (what == 5)
                offset *= 3;
            p = frame_write_stream(p, id, offset, bytes, what == 6);
            memset(p, 'x', bytes);
            p += bytes;
        }
    }
    exact = malloc((size_t)(p - frames) + 1); /* the sanitizer sees a step over its end */
    memcpy(exact, frames, (size_t)(p - frames));
    if (channel_state(w->channel) == CHANNEL_OPEN)
        channel_take_frames(w->channel, exact, (size_t)(p - frames), &wants_ack, w->now);
    free(exact);
    free(frames);
}

static void raw_datagram(struct world *w, struct reader *r)
{
    size_t len = (size_t)read_number(r, 1) + DATA_OVERHEAD_BYTES;
    uint8_t *bytes = malloc(len);
    struct datagram_init init;

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)read_number(r, 1);
    if (bytes[0] & 0x80) {
        bytes[0] = DATAGRAM_DATA;
        bytes[1] = 0;
        put_u16(bytes + 2, w->channel->keys.session);
        put_u32(bytes + 4, w->config.index);
    }
    assert(channel_input(w->channel, bytes, len, w->now) != CHANNEL_TAKEN);
    assert(!datagram_open_init(&init, &identity, secret, bytes, len));
    free(bytes);
}

static void step(struct world *w)
{
    struct reader *r = &w->reader;
    struct channel *c = w->channel;

    switch (read_number(r, 1) % 10) {
    case 0: {
        struct stream *s = channel_open_stream(c, NULL);

        if (s != NULL)
            own(w, s);
        break;
    }
    case 1:
        w->now += read_number(r, 2) * 10000;
        if (channel_deadline(c) <= w->now)
            channel_timeout(c, w->now);
        break;
    case 2:
        if (channel_deadline(c) != UINT64_MAX) {
            if (channel_deadline(c) > w->now)
                w->now = channel_deadline(c);
            channel_timeout(c, w->now);
            drain(w, OUTPUTS_MAX + 1);
            assert(channel_deadline(c) > w->now);
        }
        break;
    case 3:
        raw_datagram(w, r);
        break;
    case 4:
    case 5: {
        struct stream *s = w->owned[read_number(r, 1) % OWNED_MAX];

        if (channel_state(c) == CHANNEL_OPEN)
            act(w, s != NULL ? s : channel_control(c), (uint32_t)read_number(r, 1));
        break;
    }
    case 6:
        drain(w, 1 + (uint32_t)read_number(r, 1) % 4);
        break;
    default:
        peer_packet(w, r);
    }
    check(w);
    if (read_number(r, 1) & 1)
        drain(w, OUTPUTS_MAX + 1);
    check(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    struct world *w = &world;
    struct noise_keys keys = {.send = {1}, .receive = {2}, .hash = {3}};

    if (size < 4)
        return 0;
    if (w->channel == NULL) {
        uint8_t key[32] = {5};

        assert(aead_init() == 0 && noise_identity_init(&identity, key) == 0);
        assert(stream_pool_bytes(STREAMS) <= sizeof(stream_memory));
        w->channel = aligned_alloc(CHANNEL_ALIGN, channel_bytes());
    }
    memset(w->owned, 0, sizeof(w->owned));
    w->reader = (struct reader){data, data + size};
    w->now = 5000 * MS_NS;
    w->counters = (struct counters){0};
    w->behaviour = (uint8_t)read_number(&w->reader, 1);
    chunk_pool_init(&w->chunks, chunk_memory, CHUNKS);
    w->config = (struct channel_config){
        .arg = w,
        .events = &events,
        .chunks = &w->chunks,
        .streams = stream_pool_init(stream_memory, STREAMS),
        .counters = &w->counters,
        .identity = &identity,
        .secret = secret,
        .own_id = w->behaviour & 8 ? 1 : 2,
        .peer_id = w->behaviour & 8 ? 2 : 1,
        .index = 77,
        .datagram_bytes_max = w->behaviour & 16 ? 1472 : CHANNEL_DATAGRAM_MAX,
        .silence_ns = 800 * MS_NS,
        .rekey_packets = 40,
        .random = zero,
    };
    channel_init(w->channel, &w->config, w->now);
    channel_install(w->channel, &keys, 99, w->now);
    check(w);
    while (w->reader.p < w->reader.end)
        step(w);
    channel_fini(w->channel);
    assert(w->chunks.free_count == CHUNKS && stream_pool_free_count(w->config.streams) == STREAMS);
    return 0;
}
