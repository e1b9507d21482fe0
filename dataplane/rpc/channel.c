#include "dataplane/rpc/channel.h"

#include <assert.h>

#include "dataplane/base/least.h"
#include "dataplane/base/mutant.h"
#include "dataplane/rpc/channel_recovery.h"
#include "dataplane/rpc/channel_stream.h"

#define MS_NS 1000000ull

/* How long unused keys are kept, and how long our own init waits for their first use. */
#define RESPONDED_NS      (5000 * MS_NS)
#define RESPONDED_WAIT_NS (1000 * MS_NS)

enum {
    INIT_RETRY_MAX_MS = 1000,
    ACK_PACKETS = 4, /* that may wait for an acknowledgement */
    ACK_EAGER = 3,   /* acknowledged at once after a gap: the sender needs them to see a loss */
};

static const char protocol[] = "hearth rpc 5";

static_assert((int)INIT_BYTES <= (int)CHANNEL_DATAGRAM_MIN, "an init fits any path");
static_assert(CHANNEL_STREAMS_MAX % 2 == 0, "each side opens half of them");
static_assert(sizeof(struct channel) % CHANNEL_ALIGN == 0, "channels may stand in an array");

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* ---- life ---- */

size_t channel_bytes(void)
{
    return sizeof(struct channel);
}

void channel_init(struct channel *c, const struct channel_config *config, uint64_t now)
{
    assert((uintptr_t)c % CHANNEL_ALIGN == 0 && config->own_id != config->peer_id);
    assert(config->index != 0 && config->silence_ns > 0);
    assert(config->datagram_bytes_max >= CHANNEL_DATAGRAM_MIN &&
           config->datagram_bytes_max <= CHANNEL_DATAGRAM_MAX);

    /* The tables mean something only in a session. */
    memset(c, 0, offsetof(struct channel, own_free));
    c->config = *config;
    if (c->config.rekey_packets == 0)
        c->config.rekey_packets = CHANNEL_REKEY_PACKETS;
    if (c->config.rekey_ns == 0)
        c->config.rekey_ns = CHANNEL_REKEY_NS;
    c->init_at = c->ack_at = c->ping_at = UINT64_MAX;
    link_init(&c->ready);
    link_init(&c->all);
    recovery_init(c, now);
    c->rx_datagrams = c->tx_datagrams = c->rekeys = 0;
}

static void init_drop(struct channel *c)
{
    noise_fini(&c->init);
    c->has_init = false;
    c->init_at = UINT64_MAX;
}

static void responded_drop(struct channel *c)
{
    explicit_bzero(&c->responded, sizeof(c->responded));
    c->has_responded = c->is_response_due = false;
}

void channel_fini(struct channel *c)
{
    c->state = CHANNEL_CLOSED;
    streams_fini(c);
    init_drop(c);
    responded_drop(c);
    packet_keys_wipe(&c->keys);
}

enum channel_state channel_state(const struct channel *c)
{
    return c->state;
}

const struct channel_config *channel_config(const struct channel *c)
{
    return &c->config;
}

void channel_go_down(struct channel *c, enum channel_down why)
{
    assert(c->state == CHANNEL_OPEN);
    c->state = CHANNEL_CLOSED;
    c->config.counters->rpc_down += why != CHANNEL_DROPPED; /* may be agreed: the owner knows */
    packet_keys_wipe(&c->keys);
    /* The streams' memory stays until the owner has heard of it. */
    c->config.events->down(c->config.arg, c, why);
    streams_fini(c);
}

void channel_close(struct channel *c, uint64_t now)
{
    bool was_open = c->state == CHANNEL_OPEN;

    c->state = CHANNEL_CLOSED;
    if (was_open) {
        c->farewell[DATA_HEADER_BYTES] = FRAME_CLOSE;
        packet_seal(&c->keys, c->farewell, 1, c->recovery.next++);
        c->is_farewell_due = true;
        packet_keys_wipe(&c->keys);
    }
    streams_fini(c);
    init_drop(c);
    responded_drop(c);
}

/* OPEN, with the keys that are in place. */
static void session_start(struct channel *c, uint64_t now)
{
    c->state = CHANNEL_OPEN;
    c->config.counters->rpc_handshakes++;
    init_drop(c);
    memset(&c->window, 0, sizeof(c->window));
    c->is_ack_due = false;
    c->ack_count = c->ack_eager = 0;
    c->ack_at = UINT64_MAX;
    c->is_ping_due = true; /* the peer may be waiting for a first packet */
    c->heard_ns = now;
    c->ping_at = now + c->config.silence_ns / 5;
    c->phase_first = 1;
    c->phase_ns = now;
    c->is_proven = false;
    recovery_init(c, now);
    streams_init(c);
}

void channel_install(struct channel *c, const struct noise_keys *keys, uint32_t peer_index,
                     uint64_t now)
{
    packet_keys_init(&c->keys, keys, peer_index);
    session_start(c, now);
}

/* ---- handshakes ---- */

void channel_connect(struct channel *c, uint64_t now)
{
    if (c->state != CHANNEL_CLOSED)
        return;
    c->state = CHANNEL_INIT;
    c->init_tries = 0;
    c->init_at = now;
    /* The peer's own handshake may be about to end well. */
    if (c->has_responded && now - c->responded_ns < RESPONDED_WAIT_NS)
        c->init_at = c->responded_ns + RESPONDED_WAIT_NS;
}

enum { PROLOGUE_BYTES = sizeof(protocol) + INIT_HEADER_BYTES };

/* What both must agree on: the protocol, and the init's header. */
static void prologue_of(uint8_t prologue[PROLOGUE_BYTES], const uint8_t *datagram)
{
    memcpy(prologue, protocol, sizeof(protocol));
    memcpy(prologue + sizeof(protocol), datagram, INIT_HEADER_BYTES);
}

static void init_make(struct channel *c)
{
    uint8_t ephemeral[NOISE_KEY_BYTES], payload[INIT_PAYLOAD_BYTES], prologue[PROLOGUE_BYTES];
    uint8_t seal_key[NOISE_SEAL_KEY_BYTES];
    uint8_t *d = c->init_datagram;

    memset(d, 0, INIT_HEADER_BYTES);
    d[0] = DATAGRAM_INIT;
    put_u32(d + 4, c->config.index);
    prologue_of(prologue, d);
    put_u16(put_u16(put_u64(payload, c->config.own_id), c->config.own_core), c->config.peer_core);
    c->config.random(c->config.random_arg, ephemeral, sizeof(ephemeral));
    c->has_init = noise_write_init(&c->init, c->config.identity, c->config.peer_key,
                                   c->config.secret, ephemeral, prologue, sizeof(prologue), payload,
                                   sizeof(payload), d + INIT_HEADER_BYTES) == NOISE_OK;
    explicit_bzero(ephemeral, sizeof(ephemeral));
    noise_seal_key(seal_key, c->config.secret, c->config.peer_key);
    init_seal(d + INIT_SEALED_BYTES, seal_key, d);
    explicit_bzero(seal_key, sizeof(seal_key));
}

static size_t init_output(struct channel *c, uint8_t *out, uint64_t now)
{
    uint64_t retry_ms = CHANNEL_INIT_RETRY_MS;

    for (uint32_t i = 0; i < c->init_tries && retry_ms < INIT_RETRY_MAX_MS; i++)
        retry_ms *= 2;
    c->init_tries++;
    c->init_at = now + min_u64(retry_ms, INIT_RETRY_MAX_MS) * MS_NS;
    /* The same one again, so that an answer to any copy will do. From now on ours wins (is_wanted):
     * what we responded before must not be answered again, or each end opens the session of its own
     * init, and then takes the other's. */
    if (!c->has_init) {
        init_make(c);
        if (c->config.own_id < c->config.peer_id)
            responded_drop(c);
    }
    if (!c->has_init)
        return 0; /* the configured key of the peer is none */
    memcpy(out, c->init_datagram, INIT_BYTES);
    return INIT_BYTES;
}

bool datagram_open_init(struct datagram_init *init, const struct noise_identity *identity,
                        const uint8_t secret[32], const uint8_t *bytes, size_t len)
{
    uint8_t prologue[PROLOGUE_BYTES], payload[NOISE_PAYLOAD_BYTES_MAX];
    uint8_t seal_key[NOISE_SEAL_KEY_BYTES];
    size_t payload_bytes = 0;
    uint32_t index;

    if (datagram_peek(bytes, len, &index) != DATAGRAM_INIT)
        return false;
    noise_seal_key(seal_key, secret, identity->public_key);
    bool is_sealed = datagram_is_sealed(seal_key, bytes, len);
    explicit_bzero(seal_key, sizeof(seal_key));
    if (!is_sealed)
        return false;
    prologue_of(prologue, bytes);
    if (noise_read_init(&init->noise, identity, secret, prologue, sizeof(prologue),
                        bytes + INIT_HEADER_BYTES, INIT_SEALED_BYTES - INIT_HEADER_BYTES, payload,
                        &payload_bytes) != NOISE_OK)
        return false;
    init->sender_index = get_u32(bytes + 4);
    if (payload_bytes != INIT_PAYLOAD_BYTES || init->sender_index == 0) {
        noise_fini(&init->noise);
        return false;
    }
    memcpy(init->static_key, init->noise.remote_static, sizeof(init->static_key));
    init->node_id = get_u64(payload);
    init->core = get_u16(payload + 8);
    init->to_core = get_u16(payload + 10);
    return true;
}

static bool is_wanted(struct channel *c, const struct datagram_init *init)
{
    const uint8_t *ephemeral = init->noise.remote_ephemeral;

    if (c->state == CHANNEL_OPEN && memcmp(ephemeral, c->open_ephemeral, NOISE_KEY_BYTES) == 0)
        return false; /* a late copy of what opened this session */
    if (c->has_responded && memcmp(ephemeral, c->responded_ephemeral, NOISE_KEY_BYTES) == 0) {
        c->is_response_due = true; /* the answer was lost: the same again */
        return false;
    }
    if (c->config.own_id > c->config.peer_id)
        return true;
    /* Both sent inits, and ours wins: also when its answer came sooner than the other's init. */
    return c->state == CHANNEL_INIT ? !c->has_init : c->state != CHANNEL_OPEN || c->is_proven;
}

void channel_accept(struct channel *c, struct datagram_init *init, uint64_t now)
{
    uint8_t ephemeral[NOISE_KEY_BYTES], payload[RESPONSE_PAYLOAD_BYTES];
    uint8_t remote_ephemeral[NOISE_KEY_BYTES];
    uint8_t *d = c->response_datagram;

    assert(init->node_id == c->config.peer_id);
    if (!is_wanted(c, init)) {
        noise_fini(&init->noise);
        return;
    }

    responded_drop(c);
    if (MUTANT(INIT_ENDS_SESSION) && c->state == CHANNEL_OPEN)
        channel_go_down(c, CHANNEL_RESTARTED);
    memcpy(remote_ephemeral, init->noise.remote_ephemeral, sizeof(remote_ephemeral));
    memset(d, 0, RESPONSE_HEADER_BYTES);
    d[0] = DATAGRAM_RESPONSE;
    put_u32(put_u32(d + 4, c->config.index), init->sender_index);
    memcpy(payload, d + 4, sizeof(payload));
    c->config.random(c->config.random_arg, ephemeral, sizeof(ephemeral));
    c->has_responded = noise_write_response(&init->noise, ephemeral, payload, sizeof(payload),
                                            d + RESPONSE_HEADER_BYTES, &c->responded) == NOISE_OK;
    explicit_bzero(ephemeral, sizeof(ephemeral));
    /* Two sessions that look the same from outside, once in 65536: the peer tries again. */
    if (!c->has_responded ||
        (c->state == CHANNEL_OPEN && packet_session(&c->responded) == c->keys.session)) {
        responded_drop(c);
        return;
    }
    c->is_response_due = true;
    c->responded_index = init->sender_index;
    c->responded_ns = now;
    memcpy(c->responded_ephemeral, remote_ephemeral, NOISE_KEY_BYTES);
    if (c->state == CHANNEL_INIT)
        c->init_at = max_u64(c->init_at, now + RESPONDED_WAIT_NS);
}

static enum channel_result response_input(struct channel *c, const uint8_t *bytes, size_t len,
                                          uint64_t now)
{
    uint8_t payload[NOISE_PAYLOAD_BYTES_MAX];
    size_t payload_bytes = 0;
    struct noise_keys keys;

    if (c->state != CHANNEL_INIT || !c->has_init)
        return CHANNEL_REFUSED_NO_SESSION;

    struct noise before = c->init;
    bool is_good =
        noise_read_response(&c->init, bytes + RESPONSE_HEADER_BYTES, len - RESPONSE_HEADER_BYTES,
                            payload, &payload_bytes, &keys) == NOISE_OK;

    /* The header is not part of the message: its indices stand in the payload too. With a header
     * that was tampered with, the true one may still come. */
    if (is_good && (payload_bytes != RESPONSE_PAYLOAD_BYTES ||
                    memcmp(payload, bytes + 4, payload_bytes) != 0)) {
        c->init = before;
        explicit_bzero(&keys, sizeof(keys));
        is_good = false;
    }
    explicit_bzero(&before, sizeof(before));
    if (!is_good)
        return CHANNEL_REFUSED_AUTH;
    memset(c->open_ephemeral, 0, sizeof(c->open_ephemeral));
    channel_install(c, &keys, get_u32(bytes + 4), now);
    explicit_bzero(&keys, sizeof(keys));
    c->rx_datagrams++;
    c->config.events->up(c->config.arg, c);
    return CHANNEL_TAKEN;
}

/* ---- data packets ---- */

static enum frame_fate take_frame(struct channel *c, uint8_t type, struct frame_reader *r,
                                  bool *has_ack, uint64_t now)
{
    const uint8_t *p;

    if ((type & ~(FRAME_STREAM_FIN | FRAME_STREAM_OFFSET)) == FRAME_STREAM) {
        struct frame_stream f;

        frame_read_stream(r, type, &f);
        return r->bad ? FRAME_BAD : stream_take_bytes(c, &f);
    }
    switch (type) {
    case FRAME_PAD:
        r->p = r->end;
        return FRAME_TAKEN;
    case FRAME_PING:
        return FRAME_TAKEN;
    case FRAME_ACK: {
        struct frame_ack ack;

        /* One is enough to say all, and costs what it costs. */
        frame_read_ack(r, c->recovery.next, &ack);
        if (r->bad || *has_ack)
            return FRAME_BAD;
        *has_ack = true;
        return recovery_acked(c, &ack, now) ? FRAME_TAKEN : FRAME_GONE;
    }
    case FRAME_CREDIT:
        p = read_bytes(r, FRAME_CREDIT_BYTES - 1);
        return p == NULL ? FRAME_BAD : stream_take_credit(c, get_u48(p), get_u32(p + 6));
    case FRAME_RESET:
        p = read_bytes(r, FRAME_RESET_BYTES - 1);
        return p == NULL ? FRAME_BAD : stream_take_reset(c, get_u48(p), p[6]);
    case FRAME_STOP:
        p = read_bytes(r, FRAME_STOP_BYTES - 1);
        return p == NULL ? FRAME_BAD : stream_take_stop(c, get_u48(p));
    case FRAME_CLOSE:
        channel_go_down(c, CHANNEL_DROPPED);
        return FRAME_GONE;
    default:
        return FRAME_BAD;
    }
}

bool channel_take_frames(struct channel *c, const uint8_t *frames, size_t len, bool *wants_ack,
                         uint64_t now)
{
    struct frame_reader r = {.p = frames, .end = frames + len};
    bool is_taken = true, has_ack = false;

    *wants_ack = false;
    while (r.p < r.end) {
        uint8_t type = *r.p++;

        switch (take_frame(c, type, &r, &has_ack, now)) {
        case FRAME_TAKEN:
            *wants_ack |= type != FRAME_ACK && type != FRAME_PAD;
            break;
        case FRAME_REFUSED:
            is_taken = false;
            break;
        case FRAME_BAD:
            c->config.counters->rpc_bad_frame++;
            channel_go_down(c, CHANNEL_MISBEHAVED);
            return false;
        case FRAME_GONE:
            return false;
        }
    }
    return is_taken;
}

/* The frames of a packet that authenticated. */
static void packet_input(struct channel *c, const uint8_t *bytes, size_t len, uint64_t number,
                         uint64_t now)
{
    bool is_next = number == c->window.top + 1, wants_ack;

    c->rx_datagrams++;
    c->is_proven = true;
    window_see(&c->window, number);
    if (c->window.top == number)
        c->top_at_ns = now;
    c->heard_ns = now;
    c->ping_at = now + c->config.silence_ns / 5;

    bool is_taken = channel_take_frames(c, bytes + DATA_HEADER_BYTES, len - DATA_OVERHEAD_BYTES,
                                        &wants_ack, now);

    if (c->state != CHANNEL_OPEN)
        return;
    if (!is_taken) {
        /* No acknowledgement, but a sign of life: want of memory is not silence. */
        if (c->ack_at == UINT64_MAX)
            c->ack_at = now + RECOVERY_ACK_DELAY_NS;
        return;
    }
    window_take(&c->window, number);
    if (!is_next)
        c->ack_eager = ACK_EAGER;
    if (!wants_ack)
        return;
    c->ack_count++;
    if (c->ack_at == UINT64_MAX)
        c->ack_at = now + RECOVERY_ACK_DELAY_NS;
    if (c->ack_eager > 0) {
        c->ack_eager--;
        c->is_ack_due = true;
    }
    c->is_ack_due |= c->ack_count >= ACK_PACKETS;
}

/* The first packet under the keys that we responded with: the initiator is there, and it is no
 * replay. */
static enum channel_result first_input(struct channel *c, uint8_t *bytes, size_t len,
                                       const struct packet_header *h, uint64_t now)
{
    struct packet_keys keys;

    packet_keys_init(&keys, &c->responded, c->responded_index);
    if (!packet_open(&keys, bytes, len, h)) {
        packet_keys_wipe(&keys);
        return CHANNEL_REFUSED_AUTH;
    }
    responded_drop(c);
    if (c->state == CHANNEL_OPEN)
        channel_go_down(c, CHANNEL_RESTARTED);
    c->keys = keys;
    packet_keys_wipe(&keys);
    memcpy(c->open_ephemeral, c->responded_ephemeral, sizeof(c->open_ephemeral));
    session_start(c, now);
    c->config.events->up(c->config.arg, c);
    if (c->state == CHANNEL_OPEN)
        packet_input(c, bytes, len, h->number, now);
    return CHANNEL_TAKEN;
}

static enum channel_result data_input(struct channel *c, uint8_t *bytes, size_t len, uint64_t now)
{
    struct packet_header h = packet_read_header(bytes);

    if (h.number == 0 || h.number == UINT64_MAX)
        return CHANNEL_REFUSED_AUTH; /* no sender makes them */
    if (c->state == CHANNEL_OPEN && h.session == c->keys.session) {
        if (!window_is_new(&c->window, h.number) && !MUTANT(REPLAY_TAKEN))
            return CHANNEL_REFUSED_REPLAY;
        if (!packet_open(&c->keys, bytes, len, &h))
            return CHANNEL_REFUSED_AUTH;
        packet_input(c, bytes, len, h.number, now);
        return CHANNEL_TAKEN;
    }
    if (c->has_responded && h.session == packet_session(&c->responded))
        return first_input(c, bytes, len, &h, now);
    return CHANNEL_REFUSED_NO_SESSION;
}

enum channel_result channel_input(struct channel *c, uint8_t *bytes, size_t len, uint64_t now)
{
    uint32_t index;

    switch (datagram_peek(bytes, len, &index)) {
    case DATAGRAM_RESPONSE:
        return index == c->config.index ? response_input(c, bytes, len, now)
                                        : CHANNEL_REFUSED_NO_SESSION;
    case DATAGRAM_DATA:
        return index == c->config.index ? data_input(c, bytes, len, now)
                                        : CHANNEL_REFUSED_NO_SESSION;
    default:
        return CHANNEL_REFUSED_BAD;
    }
}

/* ---- output ---- */

static void rekey_if_due(struct channel *c, uint64_t now)
{
    const struct recovery *r = &c->recovery;

    if (r->next - c->phase_first < c->config.rekey_packets &&
        now - c->phase_ns < c->config.rekey_ns)
        return;
    /* The peer follows one step at a time: it must have seen the last one. */
    if (r->largest_acked < c->phase_first)
        return;
    packet_keys_advance_send(&c->keys);
    c->phase_first = r->next;
    c->phase_ns = now;
    c->rekeys++;
    c->config.counters->rpc_rekeys++;
}

static bool wants_packet(const struct channel *c, uint64_t now)
{
    return c->is_ack_due || c->recovery.probes > 0 ||
           ((!link_is_empty(&c->ready) || c->is_ping_due || recovery_is_mtu_probe_due(c)) &&
            recovery_may_send(c, now));
}

static uint8_t *write_ack(struct channel *c, uint8_t *p, const uint8_t *end, uint64_t *told,
                          uint64_t now)
{
    uint64_t delay_us = (now - c->top_at_ns) / 1000, largest = 0;
    bool is_whole = false;

    p = window_write_ack(&c->window, p, end, (uint16_t)min_u64(delay_us, UINT16_MAX), &largest,
                         &is_whole);
    *told = is_whole ? largest : 0;
    c->ack_count = 0;
    c->is_ack_due = false;
    c->ack_at = UINT64_MAX;
    return p;
}

static size_t packet_output(struct channel *c, uint8_t *out, size_t cap, uint64_t now)
{
    struct recovery *r = &c->recovery;
    bool is_probe = r->probes > 0, is_mtu_probe = false, wants_ack = false;
    uint32_t records = 0;
    uint64_t told = 0;

    recovery_make_room(c, now);

    bool may_send = recovery_may_send(c, now);
    size_t bytes_max = r->mtu;

    if (is_probe) {
        bytes_max = CHANNEL_DATAGRAM_MIN;
    } else if (may_send && recovery_is_mtu_probe_due(c)) {
        is_mtu_probe = true;
        bytes_max = r->mtu_probe;
    }
    if (bytes_max > cap)
        bytes_max = cap;

    uint8_t *frames = out + DATA_HEADER_BYTES, *end = out + bytes_max - AEAD_TAG_BYTES, *p = frames;

    rekey_if_due(c, now);
    if (c->ack_count > 0 || c->is_ack_due)
        p = write_ack(c, p, end, &told, now);
    p = streams_write_refused(c, p, end);
    if (is_mtu_probe) {
        *p++ = FRAME_PING;
        memset(p, FRAME_PAD, (size_t)(end - p));
        p = end;
        wants_ack = true;
    } else if (may_send) {
        records = recovery_records(c);
        p = streams_write(c, p, end, r->record_next, &records);
        wants_ack = records > 0;
        if (!wants_ack && (c->is_ping_due || is_probe)) {
            *p++ = FRAME_PING;
            wants_ack = true;
        }
    }
    if (wants_ack)
        c->is_ping_due = false;
    if (p == frames)
        *p++ = FRAME_PAD;

    size_t len = packet_seal(&c->keys, out, (size_t)(p - frames), r->next);

    recovery_sent(c, (uint32_t)len, wants_ack, is_mtu_probe, records, told, now);
    return len;
}

size_t channel_output(struct channel *c, uint8_t *out, size_t cap, uint64_t now)
{
    size_t len = 0;

    assert(cap >= CHANNEL_DATAGRAM_MIN);
    if (c->is_farewell_due) {
        c->is_farewell_due = false;
        len = DATA_BYTES_MIN;
        memcpy(out, c->farewell, len);
    } else if (c->is_response_due) {
        c->is_response_due = false;
        len = RESPONSE_BYTES;
        memcpy(out, c->response_datagram, len);
    } else if (c->state == CHANNEL_INIT && c->init_at <= now) {
        len = init_output(c, out, now);
    } else if (c->state == CHANNEL_OPEN) {
        if (wants_packet(c, now))
            len = packet_output(c, out, cap, now);
        else
            recovery_note_limit(c, !link_is_empty(&c->ready));
    }
    c->tx_datagrams += len > 0;
    return len;
}

bool channel_has_output(const struct channel *c, uint64_t now)
{
    if (c->is_farewell_due || c->is_response_due)
        return true;
    if (c->state == CHANNEL_OPEN)
        return wants_packet(c, now);
    return c->state == CHANNEL_INIT && c->init_at <= now;
}

/* ---- time ---- */

uint64_t channel_deadline(const struct channel *c)
{
    uint64_t at = c->has_responded ? c->responded_ns + RESPONDED_NS : UINT64_MAX;

    if (c->state == CHANNEL_INIT)
        return min_u64(at, c->init_at);
    if (c->state == CHANNEL_CLOSED)
        return at;
    at = min_u64(at, c->heard_ns + c->config.silence_ns);
    at = min_u64(at, c->ping_at);
    if (c->is_starved)
        at = min_u64(at, c->fed_ns + STARVED_AGAIN_NS);
    if (!c->is_ack_due)
        at = min_u64(at, c->ack_at);
    return min_u64(at, recovery_deadline(c));
}

void channel_timeout(struct channel *c, uint64_t now)
{
    if (c->has_responded && c->responded_ns + RESPONDED_NS <= now)
        responded_drop(c);
    if (c->state != CHANNEL_OPEN)
        return;
    if (c->heard_ns + c->config.silence_ns <= now && !MUTANT(DEATH_UNNOTICED)) {
        channel_go_down(c, CHANNEL_SILENT);
        return;
    }
    if (c->ping_at <= now) {
        c->ping_at =
            UINT64_MAX; /* until something is heard; lost ones are the probe timeout's business */
        c->is_ping_due = true;
    }
    c->is_ack_due |= c->ack_at <= now;
    recovery_timeout(c, now);
    if (c->is_starved && c->fed_ns + STARVED_AGAIN_NS <= now)
        streams_starved(c, now);
}

void channel_stats(const struct channel *c, struct channel_stats *stats)
{
    const struct recovery *r = &c->recovery;

    *stats = (struct channel_stats){
        .rx_datagrams = c->rx_datagrams,
        .tx_datagrams = c->tx_datagrams,
        .lost_packets = r->lost_packets,
        .retransmitted_bytes = r->retransmitted_bytes,
        .rekeys = c->rekeys,
        .srtt_us = (uint32_t)(r->srtt / 1000),
        .rtt_min_us = r->srtt ? (uint32_t)(r->rtt_min / 1000) : 0,
        .cwnd = r->cc.cwnd,
        .in_flight_bytes = r->in_flight,
        .streams = c->streams,
        .datagram_bytes = r->mtu,
    };
}
