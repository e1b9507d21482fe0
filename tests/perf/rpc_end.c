#include "tests/perf/rpc_end.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    ETHERNET_BYTES = 14,
    IP_BYTES = 20,
    UDP_BYTES = 8,
    HEADERS_BYTES = ETHERNET_BYTES + IP_BYTES + UDP_BYTES,
    PROTOCOL_UDP = 17,
    CHUNKS = 16384,
    STREAMS = 4096,
    DATAGRAM_BYTES_MAX = 1472,
    BURSTS = 8,
};
/* While the peers are measured, nothing is heard. */
static const uint64_t silence_ns = 600ull * 1000000000;

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void fail(struct rpc_end *e, const char *what)
{
    if (!e->fault)
        e->fault = what;
}

/* ---- calls ---- */

static void on_up(void *arg, struct channel *channel)
{
}

static void on_down(void *arg, struct channel *channel, enum channel_down why)
{
    fail(arg, "the channel went down");
}

static void on_opened(void *arg, struct channel *channel, struct stream *stream)
{
}

static void on_writable(void *arg, struct channel *channel, struct stream *stream)
{
}

static void on_reset(void *arg, struct channel *channel, struct stream *stream,
                     enum stream_reset why)
{
    fail(arg, "a stream was reset");
}

/* One call at a time is timed from the moment that it is made to that of its answer, many by the
 * loop's clock. */
static uint64_t stamp(const struct rpc_end *e)
{
    return e->is_single ? clock_now_ns(e->config.clock) : e->now_ns;
}

/* The bytes of one call; false: they have not all come. */
static bool read_call(struct stream *s, uint8_t bytes[RPC_CALL_BYTES])
{
    if (stream_available(s) < RPC_CALL_BYTES)
        return false;
    for (size_t at = 0, len; at < RPC_CALL_BYTES; at += len) {
        const uint8_t *view = stream_peek(s, (uint32_t)at, &len);
        len = len < RPC_CALL_BYTES - at ? len : RPC_CALL_BYTES - at;
        memcpy(bytes + at, view, len);
    }
    return true;
}

static void write_call(struct rpc_end *e, struct stream *s, const uint8_t bytes[RPC_CALL_BYTES])
{
    if (stream_write(e->channel, s, bytes, RPC_CALL_BYTES) != RPC_CALL_BYTES)
        fail(e, "a stream took less than one call");
    stream_end(e->channel, s);
}

static void on_readable(void *arg, struct channel *channel, struct stream *s)
{
    struct rpc_end *e = arg;
    uint8_t bytes[RPC_CALL_BYTES];

    if (s == channel_control(channel) || !read_call(s, bytes))
        return;
    stream_consume(channel, s, RPC_CALL_BYTES);
    if (!e->config.is_caller) {
        write_call(e, s, bytes);
    } else {
        struct rpc_call *call = stream_user(s);
        if (memcmp(bytes, &call->number, sizeof(call->number)) != 0)
            fail(e, "a wrong answer");
        e->config.answered(e->config.arg, call->sent_ns, stamp(e));
        call->stream = NULL;
        e->free_call[e->free_count++] = (uint32_t)(call - e->call);
        e->outstanding--;
    }
    stream_release(channel, s);
    e->calls++;
}

static const struct channel_events events = {
    .up = on_up,
    .down = on_down,
    .opened = on_opened,
    .readable = on_readable,
    .writable = on_writable,
    .reset = on_reset,
};

static void call_until(struct rpc_end *e, uint32_t outstanding)
{
    while (e->outstanding < outstanding && e->free_count > 0) {
        struct rpc_call *call = &e->call[e->free_call[e->free_count - 1]];
        uint8_t bytes[RPC_CALL_BYTES] = {0};

        call->stream = channel_open_stream(e->channel, call);
        if (!call->stream)
            return; /* ended streams await their acknowledgement */
        e->free_count--;
        e->outstanding++;
        call->number = e->calls + e->outstanding;
        call->sent_ns = stamp(e);
        memcpy(bytes, &call->number, sizeof(call->number));
        write_call(e, call->stream, bytes);
    }
}

/* ---- datagrams ---- */

static void take_init(struct rpc_end *e, const uint8_t *bytes, size_t len)
{
    struct datagram_init init;

    if (!datagram_open_init(&init, e->config.identity, e->config.secret, bytes, len)) {
        fail(e, "a handshake that does not authenticate");
        return;
    }
    if (memcmp(init.static_key, e->config.peer_key, NOISE_KEY_BYTES) != 0)
        fail(e, "a stranger's handshake");
    channel_accept(e->channel, &init, e->now_ns);
}

static void take_frame(struct rpc_end *e, const struct frame *f)
{
    uint8_t *ip = f->bytes + ETHERNET_BYTES, *udp = ip + IP_BYTES, *bytes = udp + UDP_BYTES;
    uint32_t index;

    if (f->len < HEADERS_BYTES || f->rx_csum != FRAME_CSUM_GOOD || ip[9] != PROTOCOL_UDP ||
        (udp[2] << 8 | udp[3]) != RPC_UDP_PORT)
        return;
    size_t len = f->len - HEADERS_BYTES;
    enum datagram_kind kind = datagram_peek(bytes, len, &index);
    if (kind == DATAGRAM_INIT)
        take_init(e, bytes, len);
    else if (kind != DATAGRAM_BAD)
        channel_input(e->channel, bytes, len, e->now_ns);
}

/* Around a datagram that lies in its place already. */
static void put_headers(const struct rpc_end *e, struct frame *f, size_t datagram_bytes)
{
    uint8_t *ip = f->bytes + ETHERNET_BYTES, *udp = ip + IP_BYTES;
    uint8_t own = e->config.is_caller ? 1 : 2;

    memset(f->bytes, 0, HEADERS_BYTES);
    f->bytes[0] = f->bytes[6] = 2; /* locally administered */
    f->bytes[5] = (uint8_t)(3 - own);
    f->bytes[11] = own;
    put16(f->bytes + 12, 0x0800);
    ip[0] = 0x45;
    put16(ip + 2, (uint32_t)(IP_BYTES + UDP_BYTES + datagram_bytes));
    ip[8] = 64;
    ip[9] = PROTOCOL_UDP;
    memcpy(ip + 12, (uint8_t[]){10, 77, 0, own, 10, 77, 0, (uint8_t)(3 - own)}, 8);
    put16(udp, RPC_UDP_PORT);
    put16(udp + 2, RPC_UDP_PORT);
    put16(udp + 4, (uint32_t)(UDP_BYTES + datagram_bytes));
    f->len = (uint32_t)(HEADERS_BYTES + datagram_bytes);
    f->tx_csum = FRAME_TX_UDP;
    f->l3_offset = ETHERNET_BYTES;
    f->l4_offset = ETHERNET_BYTES + IP_BYTES;
}

static void send_all(struct rpc_end *e)
{
    struct frame out[PORT_BURST];
    uint16_t n = 0;

    while (channel_has_output(e->channel, e->now_ns) && port_tx_alloc(e->config.port, 0, &out[n])) {
        size_t bytes =
            channel_output(e->channel, out[n].bytes + HEADERS_BYTES, DATAGRAM_BYTES_MAX, e->now_ns);
        if (bytes == 0) {
            port_free(e->config.port, 0, &out[n], 1);
            break;
        }
        put_headers(e, &out[n++], bytes);
        if (n == PORT_BURST) {
            port_tx(e->config.port, 0, out, n);
            n = 0;
        }
    }
    if (n > 0)
        port_tx(e->config.port, 0, out, n);
}

/* ---- the loop ---- */

static void random_bytes(void *arg, void *out, size_t bytes)
{
    ssize_t n = getrandom(out, bytes, 0);
    assert(n == (ssize_t)bytes); /* at most 256 are never cut short */
}

bool rpc_end_init(struct rpc_end *e, const struct rpc_end_config *config)
{
    void *chunk_memory = calloc(CHUNKS, sizeof(struct chunk));
    void *stream_memory = aligned_alloc(64, (stream_pool_bytes(STREAMS) + 63) / 64 * 64);
    void *channel_memory = aligned_alloc(64, (channel_bytes() + 63) / 64 * 64);

    memset(e, 0, sizeof(*e));
    e->config = *config;
    if (!chunk_memory || !stream_memory || !channel_memory) {
        free(chunk_memory);
        free(stream_memory);
        free(channel_memory);
        return false;
    }
    chunk_pool_init(&e->chunks, chunk_memory, CHUNKS);
    for (uint32_t i = 0; i < RPC_CALLS_MAX; i++)
        e->free_call[e->free_count++] = RPC_CALLS_MAX - 1 - i;
    struct channel_config c = {
        .arg = e,
        .events = &events,
        .chunks = &e->chunks,
        .streams = stream_pool_init(stream_memory, STREAMS),
        .counters = &e->counters,
        .identity = config->identity,
        .secret = config->secret,
        .own_id = config->is_caller ? 1 : 2,
        .peer_id = config->is_caller ? 2 : 1,
        .index = config->is_caller ? 0x11111111 : 0x22222222,
        .datagram_bytes_max = DATAGRAM_BYTES_MAX,
        .silence_ns = silence_ns,
        .random = random_bytes,
    };
    memcpy(c.peer_key, config->peer_key, NOISE_KEY_BYTES);
    e->channel = channel_memory;
    e->now_ns = clock_now_ns(config->clock);
    channel_init(e->channel, &c, e->now_ns);
    return true;
}

uint32_t rpc_end_poll(struct rpc_end *e, uint32_t outstanding)
{
    struct frame in[PORT_BURST];
    uint32_t frames = 0;

    e->now_ns = clock_now_ns(e->config.clock);
    e->is_single = outstanding <= 1;
    if (e->config.is_caller && channel_state(e->channel) == CHANNEL_CLOSED && !e->fault)
        channel_connect(e->channel, e->now_ns);
    for (uint16_t n = PORT_BURST, burst = 0; n == PORT_BURST && burst < BURSTS; burst++) {
        n = port_rx(e->config.port, 0, in, PORT_BURST);
        for (uint16_t i = 0; i < n; i++)
            take_frame(e, &in[i]);
        port_free(e->config.port, 0, in, n);
        frames += n;
    }
    if (channel_deadline(e->channel) <= e->now_ns)
        channel_timeout(e->channel, e->now_ns);
    if (e->config.is_caller && rpc_end_is_open(e))
        call_until(e, outstanding);
    send_all(e);
    return frames;
}

bool rpc_end_is_open(const struct rpc_end *e)
{
    return channel_state(e->channel) == CHANNEL_OPEN;
}
