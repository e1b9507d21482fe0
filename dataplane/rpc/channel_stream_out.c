#include "dataplane/base/least.h"
#include "dataplane/rpc/channel_stream_parts.h"

#include "dataplane/base/mutant.h"
#include "dataplane/tcp/tcp_seq.h"

enum {
    ROOM_QUARTER = CHANNEL_STREAM_BUFFER / 4,
    PIECE_MIN = 64, /* bytes of a stream that are worth a frame at a packet's end */
};

/* ---- ranges ---- */

static void ranges_remove(struct ranges *set, uint32_t i, uint32_t count)
{
    set->count -= count;
    memmove(&set->range[i], &set->range[i + count], (set->count - i) * sizeof(set->range[0]));
}

/* False: no place; the set is as before. */
static bool ranges_add(struct ranges *set, struct tcp_range r)
{
    uint32_t i = 0, j;

    while (i < set->count && seq_lt(set->range[i].end, r.start))
        i++;
    for (j = i; j < set->count && seq_le(set->range[j].start, r.end); j++) {
        r.start = seq_min(r.start, set->range[j].start);
        r.end = seq_max(r.end, set->range[j].end);
    }
    if (i == j) {
        if (set->count == RANGES_MAX)
            return false;
        memmove(&set->range[i + 1], &set->range[i], (set->count - i) * sizeof(r));
        set->count++;
    } else {
        ranges_remove(set, i + 1, j - i - 1);
    }
    set->range[i] = r;
    return true;
}

/* A set that is full keeps more than it must. */
static void ranges_subtract(struct ranges *set, struct tcp_range r)
{
    for (uint32_t i = 0; i < set->count;) {
        struct tcp_range *at = &set->range[i];

        if (seq_le(at->end, r.start) || seq_le(r.end, at->start)) {
            i++;
        } else if (seq_le(r.start, at->start) && seq_le(at->end, r.end)) {
            ranges_remove(set, i, 1);
        } else if (seq_le(r.start, at->start)) {
            at->start = r.end;
            i++;
        } else if (seq_le(at->end, r.end)) {
            at->end = r.start;
            i++;
        } else {
            struct tcp_range above = {r.end, at->end};

            if (set->count < RANGES_MAX) {
                at->end = r.start;
                ranges_add(set, above);
            }
            return;
        }
    }
}

static void lost_add_piece(struct stream *s, struct tcp_range r)
{
    struct ranges *set = &s->lost;
    uint32_t i = 0;

    if (ranges_add(set, r))
        return;
    /* Full: the nearest one grows over the gap, and some bytes are sent once more than needed. */
    while (i < set->count && seq_lt(set->range[i].start, r.start))
        i++;
    if (i < set->count)
        set->range[i].start = r.start;
    else
        set->range[i - 1].end = r.end;
}

/* What of r was not acknowledged is sent again. */
static void lost_add(struct stream *s, struct tcp_range r)
{
    r.start = seq_max(r.start, s->una);
    for (uint32_t i = 0; i < s->acked.count && seq_lt(r.start, r.end); i++) {
        struct tcp_range acked = s->acked.range[i];

        if (seq_lt(r.start, acked.start))
            lost_add_piece(s, (struct tcp_range){r.start, seq_min(r.end, acked.start)});
        r.start = seq_max(r.start, acked.end);
    }
    if (seq_lt(r.start, r.end))
        lost_add_piece(s, r);
}

/* ---- what a stream wants ---- */

static bool end_is_due(const struct stream *s)
{
    return s->send_end == SEND_END_DUE && s->nxt == write_end(s);
}

static bool wants_to_send(const struct stream *s)
{
    if (s->is_reset)
        return s->reset_due;
    return s->lost.count > 0 || seq_lt(s->nxt, seq_min(write_end(s), s->limit)) || end_is_due(s) ||
           s->credit_due || s->stop_due;
}

void stream_update_ready(struct channel *c, struct stream *s, bool is_urgent)
{
    bool wants = wants_to_send(s);

    if (wants == (s->ready.next != NULL))
        return;
    if (!wants)
        link_remove(&s->ready);
    else if (is_urgent || s == &c->control)
        link_add(c->ready.next, &s->ready);
    else
        link_add(&c->ready, &s->ready);
}

/* ---- what leaves ---- */

static struct record *record_at(struct channel *c, uint32_t i)
{
    return &c->recovery.record[i % RECORDS];
}

/* The next piece of a stream: bytes that were lost, else new ones, and the end. NULL: no room for
 * it. */
static uint8_t *write_bytes(struct channel *c, struct stream *s, uint8_t *p, const uint8_t *end,
                            struct record *record)
{
    bool is_again = s->lost.count > 0;
    uint32_t from = is_again ? s->lost.range[0].start : s->nxt;
    uint32_t to = is_again ? s->lost.range[0].end : seq_min(write_end(s), s->limit);
    uint32_t head = frame_stream_header_bytes(from);
    size_t room = (size_t)(end - p);
    uint32_t bytes = seq_lt(from, to) ? to - from : 0;

    if (room < head + min_u32(bytes, PIECE_MIN))
        return NULL;
    bytes = min_u32(min_u32(bytes, (uint32_t)room - head), UINT16_MAX);
    to = from + bytes;

    bool is_end = s->send_end == SEND_END_DUE && to == write_end(s);

    p = frame_write_stream(p, s->id, from, bytes, is_end);
    byte_queue_copy(&s->tx, from - s->una, p, bytes);
    if (is_again) {
        c->recovery.retransmitted_bytes += bytes;
        ranges_subtract(&s->lost, (struct tcp_range){from, to});
    }
    s->nxt = seq_max(s->nxt, to);
    if (is_end)
        s->send_end = SEND_END_SENT;
    *record = (struct record){
        .id = s->id, .type = FRAME_STREAM, .is_end = is_end, .offset = from, .bytes = bytes};
    return p + bytes;
}

/* One frame. NULL: no room for it. */
static uint8_t *write_one(struct channel *c, struct stream *s, uint8_t *p, const uint8_t *end,
                          struct record *record)
{
    enum frame_type type;

    if (s->is_reset)
        type = FRAME_RESET;
    else if (s->stop_due)
        type = FRAME_STOP;
    else if (s->credit_due)
        type = FRAME_CREDIT;
    else
        return write_bytes(c, s, p, end, record);

    if (end - p < FRAME_CREDIT_BYTES)
        return NULL;
    *record = (struct record){.id = s->id, .type = type};
    *p++ = (uint8_t)type;
    p = put_u48(p, s->id);
    if (type == FRAME_RESET) {
        *p++ = s->reset_code;
        s->reset_due = false;
    } else if (type == FRAME_STOP) {
        s->stop_due = false;
    } else {
        s->granted = s->rx.start + CHANNEL_STREAM_WINDOW;
        p = put_u32(p, s->granted);
        s->credit_due = false;
    }
    return p;
}

uint8_t *streams_write_refused(struct channel *c, uint8_t *p, const uint8_t *end)
{
    while (c->refused_count > 0 && end - p >= FRAME_RESET_BYTES) {
        *p++ = FRAME_RESET;
        p = put_u48(p, c->refused[--c->refused_count]);
        *p++ = STREAM_REFUSED;
    }
    return p;
}

uint8_t *streams_write(struct channel *c, uint8_t *p, uint8_t *end, uint32_t first,
                       uint32_t *records)
{
    uint32_t max = *records, count = 0;

    while (!link_is_empty(&c->ready) && count < max) {
        struct stream *s = LINK_OWNER(c->ready.next, struct stream, ready);
        uint8_t *next = write_one(c, s, p, end, record_at(c, first + count));

        if (next == NULL) {
            /* The next packet begins with another stream's turn. */
            if (s != &c->control) {
                link_remove(&s->ready);
                link_add(&c->ready, &s->ready);
            }
            break;
        }
        p = next;
        count++;
        if (!wants_to_send(s))
            link_remove(&s->ready);
    }
    *records = count;
    return p;
}

/* ---- what became of it ---- */

static void advance(struct channel *c, struct stream *s, uint32_t to)
{
    while (s->acked.count > 0 && seq_le(s->acked.range[0].start, to)) {
        to = seq_max(to, s->acked.range[0].end);
        ranges_remove(&s->acked, 0, 1);
    }
    if (s->lost.count > 0)
        ranges_subtract(&s->lost, (struct tcp_range){s->una, to});
    byte_queue_consume(&s->tx, c->config.chunks, to - s->una);
    s->una = to;

    uint32_t held = s->tx.account.held;

    if (s->tx.account.floor > STREAM_FLOOR_CHUNKS && held < s->tx.account.floor)
        chunk_reserve(c->config.chunks, &s->tx.account,
                      held > STREAM_FLOOR_CHUNKS ? held : STREAM_FLOOR_CHUNKS, CHUNK_MUST);
}

/* False: an event closed the channel. */
static bool bytes_acked(struct channel *c, struct stream *s, const struct record *r)
{
    struct tcp_range range = {r->offset, r->offset + r->bytes};
    uint32_t room = CHANNEL_STREAM_BUFFER - s->tx.bytes;

    s->end_acked |= r->is_end;
    if (seq_lt(s->una, range.end)) {
        if (seq_le(range.start, s->una)) {
            advance(c, s, range.end);
        } else if (ranges_add(&s->acked, range)) {
            ranges_subtract(&s->lost, range);
        } else {
            /* No place to remember it: the bytes go once more. */
            lost_add(s, range);
            stream_update_ready(c, s, true);
            return true;
        }
    }
    if (s->end_acked && s->tx.bytes == 0) {
        s->send_end = SEND_DONE;
        byte_queue_fini(&s->tx, c->config.chunks);
    }
    if (!s->is_released && s->send_end == SEND_OPEN &&
        CHANNEL_STREAM_BUFFER - s->tx.bytes >= ROOM_QUARTER &&
        (room < ROOM_QUARTER || s->is_short)) {
        s->is_short = false;
        stream_update_ready(c, s, false);
        c->config.events->writable(c->config.arg, c, s);
        return c->state == CHANNEL_OPEN;
    }
    stream_settle(c, s);
    return true;
}

bool stream_record_acked(struct channel *c, const struct record *r)
{
    struct stream *s;

    if (stream_find(c, r->id, &s) != FOUND_OPEN)
        return true;
    if (s->is_reset) {
        if (r->type == FRAME_RESET)
            stream_free(c, s);
        return true;
    }
    return r->type != FRAME_STREAM || bytes_acked(c, s, r);
}

void stream_record_lost(struct channel *c, const struct record *r, bool is_urgent)
{
    struct stream *s;

    if (stream_find(c, r->id, &s) != FOUND_OPEN)
        return;
    if (s->is_reset) {
        s->reset_due |= r->type == FRAME_RESET;
    } else if (r->type == FRAME_STREAM) {
        lost_add(s, (struct tcp_range){r->offset, r->offset + r->bytes});
        if (r->is_end && s->send_end == SEND_END_SENT && !s->end_acked && !MUTANT(END_NOT_RESENT))
            s->send_end = SEND_END_DUE;
    } else if (r->type == FRAME_CREDIT) {
        s->credit_due |= !s->has_end && !s->is_released && !MUTANT(CREDIT_NOT_RESENT);
    } else if (r->type == FRAME_STOP) {
        s->stop_due |= !is_received(s);
    }
    stream_update_ready(c, s, is_urgent);
}

bool streams_starved(struct channel *c, uint64_t now)
{
    uint32_t count = c->streams + 1;

    c->is_starved = false;
    c->fed_ns = now;
    /* Events may free any stream: each one goes to the end before its turn. */
    for (; count > 0 && !link_is_empty(&c->all); count--) {
        struct stream *s = LINK_OWNER(c->all.next, struct stream, all);

        link_remove(&s->all);
        link_add(&c->all, &s->all);
        if (!s->is_short || s->is_released || s->send_end != SEND_OPEN ||
            stream_room(c, s) < ROOM_QUARTER)
            continue;
        s->is_short = false;
        c->config.events->writable(c->config.arg, c, s);
        if (c->state != CHANNEL_OPEN)
            return false;
    }
    return true;
}

/* ---- for the owner ---- */

static size_t room_of(struct channel *c, struct stream *s)
{
    size_t room = CHANNEL_STREAM_BUFFER - s->tx.bytes;
    size_t memory = byte_queue_room(&s->tx, c->config.chunks, CHUNK_WAITS);

    if (memory >= room)
        return room;
    c->is_starved |= memory < ROOM_QUARTER;
    return memory;
}

size_t stream_room(struct channel *c, struct stream *s)
{
    assert_owned(c, s);
    if (s->is_stopped)
        return CHANNEL_STREAM_BUFFER;
    if (c->state != CHANNEL_OPEN)
        return 0;

    size_t room = room_of(c, s);

    s->is_short |= room < ROOM_QUARTER;
    return room;
}

bool stream_set_aside(struct channel *c, struct stream *s, size_t bytes)
{
    assert_owned(c, s);
    if (s->is_stopped)
        return true;
    if (c->state != CHANNEL_OPEN || bytes > CHANNEL_STREAM_BUFFER - s->tx.bytes)
        return false;

    uint32_t chunks = byte_queue_chunks(s->tx.bytes + (uint32_t)bytes);

    return chunks <= s->tx.account.floor ||
           chunk_reserve(c->config.chunks, &s->tx.account, chunks, CHUNK_BEGINS);
}

size_t stream_write(struct channel *c, struct stream *s, const void *bytes, size_t len)
{
    assert_owned(c, s);
    if (s->is_stopped)
        return len;
    if (c->state != CHANNEL_OPEN)
        return 0;
    assert(s->send_end == SEND_OPEN);

    size_t room = room_of(c, s);

    if (len > room) {
        len = room;
        s->is_short = true;
    }
    len = byte_queue_append(&s->tx, c->config.chunks, bytes, len);
    stream_update_ready(c, s, false);
    return len;
}

void stream_end(struct channel *c, struct stream *s)
{
    assert_owned(c, s);
    assert(s != &c->control);
    if (s->send_end != SEND_OPEN)
        return;
    s->send_end = SEND_END_DUE;
    if (c->state == CHANNEL_OPEN)
        stream_update_ready(c, s, false);
}

bool stream_is_delivered(const struct stream *s)
{
    return s->send_end == SEND_DONE || s->is_stopped ||
           (s->send_end == SEND_OPEN && s->tx.bytes == 0);
}

bool stream_is_stopped(const struct stream *s)
{
    return s->is_stopped;
}
