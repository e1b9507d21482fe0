/* What two cores tell each other on the control stream of their channel. */
#include <assert.h>
#include <string.h>

#include "dataplane/base/note.h"
#include "dataplane/rpc/peers_parts.h"
#include "dataplane/world/ring.h"

/* ---- to say ---- */

bool peers_control_say(struct peers *p, struct peers_slot *s, const uint8_t *record, size_t bytes)
{
    struct stream *stream = channel_control(s->channel);
    assert(bytes > 0);
    if (!stream || stream_room(s->channel, stream) < bytes)
        return false;
    size_t written = stream_write(s->channel, stream, record, bytes);
    assert(written == bytes);
    peers_slot_mark(p, s);
    return true;
}

void peers_control_up(struct peers *p, struct peers_slot *s, uint64_t now_ns)
{
    s->wants = WANT_RING | WANT_STATE;
    s->state_ns = now_ns;
    peers_handover_up(p, s);
}

/* STATEs of the channels are spread over the interval by the slot's number, so that hundreds of
 * them do not leave in one iteration. */
static uint64_t next_state_ns(const struct peers *p, const struct peers_slot *s, uint64_t now_ns)
{
    uint64_t step = PEERS_STATE_MS * 1000000ull;
    uint64_t phase = step / 64 * (peers_slot_number(p, s) % 64);
    return now_ns - (now_ns - phase) % step + step;
}

static bool say_state(struct peers *p, struct peers_slot *s, uint64_t now_ns)
{
    uint8_t out[64];
    struct record_state state = {.state = p->own_state,
                                 .is_leaving = p->is_leaving && p->own_state == NODE_SERVING};
    state.load = p->env.events->load(p->env.core, &state.queue_us);
    size_t bytes = record_write_state(out, sizeof(out), &state);
    struct channel_stats stats;
    channel_stats(s->channel, &stats);
    p->peer[s->node].rtt_us = stats.srtt_us;
    p->peer[s->node].rtt_min_us = stats.rtt_min_us;
    s->state_ns = next_state_ns(p, s, now_ns);
    return peers_control_say(p, s, out, bytes);
}

static bool say_ring(struct peers *p, struct peers_slot *s)
{
    uint8_t out[64];
    const struct ring *ring = peers_world(p)->cluster.ring;
    if (!ring)
        return true;
    struct record_ring record = {.epoch = ring_epoch(ring), .digest = ring_digest(ring)};
    return peers_control_say(p, s, out, record_write_ring(out, sizeof(out), &record));
}

static bool say_handed(struct peers *p, struct peers_slot *s)
{
    uint8_t out[RECORD_HEADER_BYTES];
    return peers_control_say(p, s, out, record_write_empty(out, sizeof(out), RECORD_HANDED));
}

static bool say_release(struct peers *p, struct peers_slot *s, enum record_release what)
{
    uint8_t out[16];
    return peers_control_say(p, s, out, record_write_release(out, sizeof(out), what));
}

void peers_control_run(struct peers *p, struct peers_slot *s, uint64_t now_ns)
{
    if (s->wants & WANT_RING && say_ring(p, s))
        s->wants &= (uint8_t)~WANT_RING;
    if (s->wants & WANT_STATE && say_state(p, s, now_ns))
        s->wants &= (uint8_t)~WANT_STATE;
    if (s->wants & WANT_HANDED && say_handed(p, s))
        s->wants &= (uint8_t)~WANT_HANDED;
    if (s->wants & WANT_ASK && say_release(p, s, RELEASE_ASK))
        s->wants &= (uint8_t)~WANT_ASK;
    if (s->wants & WANT_ANSWER &&
        say_release(p, s, s->release == RELEASE_IN_USE ? RELEASE_NO : RELEASE_YES))
        s->wants &= (uint8_t)~WANT_ANSWER;
}

static struct peers_slot *open_slot(struct peers *p, uint16_t node, uint64_t script_hash)
{
    if (node >= p->peer_count || node == p->self)
        return NULL;
    struct channel *c = peers_channel(p, node, script_hash);
    return c ? peers_slot_of(p, c) : NULL;
}

bool peers_warm(struct peers *p, uint16_t node, uint64_t script_hash, uint64_t version,
                bool is_demanded, uint64_t now_ns)
{
    /* Direct-mapped: a collision costs one message too many. Two versions of a script are two keys,
     * two homes too; so is what may be refused and what may not. */
    uint64_t key = (script_hash ^ version * 0x9e3779b97f4a7c15u) + 2 * (uint64_t)node + is_demanded;
    uint32_t place = (uint32_t)(key * 0x9e3779b97f4a7c15u >> 54) % WARM_RECENT;
    if (p->warmed[place].key == key &&
        now_ns - p->warmed[place].at_ns < WARM_RECENT_MS * 1000000ull)
        return false;
    uint8_t out[64];
    struct record_warm warm = {
        .script = script_hash, .version = version, .is_demanded = is_demanded};
    struct peers_slot *s = open_slot(p, node, script_hash);
    if (!s || !peers_control_say(p, s, out, record_write_warm(out, sizeof(out), &warm)))
        return false;
    p->warmed[place].key = key;
    p->warmed[place].at_ns = now_ns;
    return true;
}

bool peers_fin(struct peers *p, struct channel *channel, const struct stream *stream)
{
    uint8_t out[16];
    struct record_fin fin = {.stream = stream_id(stream)};
    return peers_control_say(p, peers_slot_of(p, channel), out,
                             record_write_fin(out, sizeof(out), &fin));
}

bool peers_event(struct peers *p, const uint8_t sink[CAPABILITY_BYTES], const uint8_t *payload,
                 size_t len)
{
    struct capability sealed;
    uint8_t out[RECORD_HEADER_BYTES + CAPABILITY_BYTES + RECORD_EVENT_BYTES_MAX];
    struct record_event event = {.payload = payload, .payload_bytes = (uint32_t)len};
    assert(len <= RECORD_EVENT_BYTES_MAX);
    memcpy(event.sink, sink, CAPABILITY_BYTES);
    bool is_read = capability_read(&sealed, sink);
    if (is_read && sealed.owner == p->own_id)
        return true; /* the call came back to where it began: our own recorder has it */
    struct channel *c = is_read ? peers_channel_of(p, sealed.owner, sealed.core) : NULL;
    size_t bytes = c ? record_write_event(out, sizeof(out), &event) : 0;
    if (bytes == 0 || !peers_control_say(p, peers_slot_of(p, c), out, bytes)) {
        p->env.counters->event_lost++;
        return false;
    }
    return true;
}

bool peers_note(struct peers *p, uint16_t node, const uint8_t *bytes, size_t len)
{
    uint8_t header[RECORD_HEADER_BYTES];
    struct peers_slot *s = open_slot(p, node, 0);
    struct stream *stream = s ? channel_control(s->channel) : NULL;
    if (!stream || len > NOTE_BYTES_MAX || stream_room(s->channel, stream) < sizeof(header) + len) {
        p->env.counters->note_dropped++;
        return false;
    }
    record_write_header(header, RECORD_NOTE, (uint32_t)len);
    size_t written = stream_write(s->channel, stream, header, sizeof(header));
    written += len ? stream_write(s->channel, stream, bytes, len) : 0;
    assert(written == sizeof(header) + len);
    peers_slot_mark(p, s);
    return true;
}

uint32_t peers_control_notes(struct peers *p)
{
    struct note_ring *ring = &p->env.notes->out;
    const struct note *note;
    uint32_t count = 0;
    while (count < NOTE_SLOTS && (note = note_peek(ring))) {
        for (uint16_t node = 0; node < p->peer_count && note->node == NOTE_TO_ALL; node++) {
            if (p->peer[node].open > 0)
                peers_note(p, node, note->body, note->bytes);
        }
        if (note->node != NOTE_TO_ALL)
            peers_note(p, note->node, note->body, note->bytes);
        note_done(ring);
        count++;
    }
    return count;
}

/* ---- to hear ---- */

static bool on_state(struct peers *p, struct peers_slot *s, const uint8_t *bytes, size_t len)
{
    struct record_state state;
    if (!record_read_state(&state, bytes, len))
        return false;
    s->load = state.load;
    s->queue_us = state.queue_us;
    /* A drained node comes back over a channel that never closed. */
    if (state.state == NODE_JOINING && s->said > NODE_JOINING)
        peers_handover_up(p, s);
    s->said = state.state;
    peers_node_changed(p, s->node, state.state, state.is_leaving);
    return true;
}

static bool on_ring(struct peers *p, struct peers_slot *s, const uint8_t *bytes, size_t len)
{
    struct record_ring ring;
    if (!record_read_ring(&ring, bytes, len))
        return false;
    p->peer[s->node].digest = ring.digest;
    p->peer[s->node].has_digest = true;
    if (ring.digest != p->own_digest)
        p->env.counters->rpc_ring_differs++;
    return true;
}

/* A hint: what is not ours to run, or is over the budget, is left out without a word. Guesses have
 * the core's, with those of the ClientHellos here; what is demanded has one of each member's, so
 * that none can have this node start all that it has. */
static void warm_ahead(struct peers *p, struct peers_slot *s, const struct record_warm *warm,
                       uint64_t now_ns)
{
    const struct world_script *script = world_script(peers_world(p), warm->script);
    struct token_bucket *budget = warm->is_demanded ? &p->peer[s->node].demands : p->env.guesses;
    if (!script || script->version_bits != warm->version ||
        world_holds(peers_world(p), script->handle))
        return;
    if (!token_bucket_take(budget, now_ns)) {
        p->env.counters->warm_budget++;
        return;
    }
    p->env.events->warm(p->env.core, script, warm->is_demanded, now_ns);
}

static bool on_warm(struct peers *p, struct peers_slot *s, const uint8_t *bytes, size_t len)
{
    struct record_warm warm;
    if (!record_read_warm(&warm, bytes, len))
        return false;
    if (warm.is_handover)
        return peers_handover_warm(p, s, &warm, peers_now(p));
    warm_ahead(p, s, &warm, peers_now(p));
    return true;
}

static bool on_warmed(struct peers *p, struct peers_slot *s, const uint8_t *bytes, size_t len)
{
    struct record_warmed warmed;
    return record_read_warmed(&warmed, bytes, len) && peers_handover_warmed(p, s, &warmed);
}

static bool on_event(struct peers *p, struct peers_slot *s, const uint8_t *bytes, size_t len)
{
    struct record_event event;
    if (!record_read_event(&event, bytes, len))
        return false;
    p->env.events->spans(p->env.core, s->node, &event);
    return true;
}

static bool on_release(struct peers *p, struct peers_slot *s, const uint8_t *bytes, size_t len)
{
    enum record_release what;
    return record_read_release(&what, bytes, len) && peers_release_heard(p, s, what, peers_now(p));
}

/* Of a call that is over it is late. */
static bool on_fin(struct peers *p, struct peers_slot *s, const uint8_t *bytes, size_t len)
{
    struct record_fin fin;
    if (!record_read_fin(&fin, bytes, len))
        return false;
    struct stream *stream = channel_peer_stream(s->channel, fin.stream);
    if (stream)
        p->env.events->fin(p->env.core, stream);
    return true;
}

static void on_note(struct peers *p, struct peers_slot *s, const uint8_t *bytes, size_t len)
{
    struct notes *notes = p->env.notes;
    if (!notes || !notes_deliver(notes, s->node, bytes, len))
        p->env.counters->note_dropped++;
}

/* False: it breaks the protocol, or it is the last one. */
static bool on_record(struct peers *p, struct peers_slot *s, uint8_t type, const uint8_t *bytes,
                      size_t len)
{
    switch (type) {
    case RECORD_STATE:
        return on_state(p, s, bytes, len);
    case RECORD_RING:
        return on_ring(p, s, bytes, len);
    case RECORD_WARM:
        return on_warm(p, s, bytes, len);
    case RECORD_WARMED:
        return on_warmed(p, s, bytes, len);
    case RECORD_HANDED:
        s->is_handed = true;
        return true;
    case RECORD_EVENT:
        return on_event(p, s, bytes, len);
    case RECORD_RELEASE:
        return on_release(p, s, bytes, len);
    case RECORD_FIN:
        return on_fin(p, s, bytes, len);
    case RECORD_NOTE:
        on_note(p, s, bytes, len);
        return true;
    default: /* a call's */
        return false;
    }
}

/* The bytes of the stream from offset on, in one piece: a view, or a copy in p->record. */
static const uint8_t *gather(struct peers *p, struct stream *stream, uint32_t offset, size_t len)
{
    size_t have = 0, got = 0;
    const uint8_t *view = stream_peek(stream, offset, &have);
    if (have >= len)
        return view;
    while (got < len) {
        view = stream_peek(stream, offset + (uint32_t)got, &have);
        assert(have > 0);
        size_t take = have < len - got ? have : len - got;
        memcpy(p->record + got, view, take);
        got += take;
    }
    return p->record;
}

void peers_control_readable(struct peers *p, struct peers_slot *s, struct stream *stream)
{
    struct record_header header;
    while (!s->is_condemned && stream_available(stream) >= RECORD_HEADER_BYTES) {
        bool is_ok = record_read_header(&header, gather(p, stream, 0, RECORD_HEADER_BYTES)) &&
                     header.bytes <= sizeof(p->record);
        if (is_ok && stream_available(stream) < RECORD_HEADER_BYTES + header.bytes)
            return;
        if (is_ok && header.type == RECORD_GOAWAY) {
            s->is_condemned = true;
            return;
        }
        is_ok =
            is_ok && on_record(p, s, header.type,
                               gather(p, stream, RECORD_HEADER_BYTES, header.bytes), header.bytes);
        if (!is_ok) {
            p->env.counters->rpc_bad_frame++;
            s->is_condemned = true;
            return;
        }
        stream_consume(s->channel, stream, RECORD_HEADER_BYTES + header.bytes);
    }
    if (stream_is_ended(stream)) /* it never ends before its channel */
        s->is_condemned = true;
}
