#include "dataplane/rpc/channel_recovery.h"

#include <assert.h>

#include "dataplane/base/least.h"
#include "dataplane/rpc/channel_stream.h"

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static struct sent *sent_at(struct recovery *r, uint64_t number)
{
    return &r->sent[number % CHANNEL_IN_FLIGHT_MAX];
}

static void mtu_search(struct channel *c, uint64_t now)
{
    struct recovery *r = &c->recovery;

    r->mtu = r->mtu_low = CHANNEL_DATAGRAM_MIN;
    r->mtu_high = c->config.datagram_bytes_max;
    r->mtu_tries = r->large_lost = 0;
    r->mtu_probe = 0;
    r->mtu_at = r->mtu_high > r->mtu_low ? now : UINT64_MAX;
}

void recovery_init(struct channel *c, uint64_t now)
{
    struct recovery *r = &c->recovery;

    /* sent[] and record[] mean nothing outside [una, next). */
    memset(r, 0, offsetof(struct recovery, sent));
    r->una = r->next = 1;
    r->loss_at = UINT64_MAX;
    r->last_sent_ns = now;
    r->rtt_min = UINT64_MAX;
    mtu_search(c, now);
    tcp_cc_init(&r->cc, TCP_CC_CUBIC, r->mtu);
    r->cc.cwnd = RECOVERY_WINDOW_PACKETS * (uint32_t)r->mtu;
}

/* ---- the clock ---- */

static void rtt_sample(struct recovery *r, uint64_t rtt, uint64_t delay)
{
    r->rtt_latest = rtt;
    r->rtt_min = min_u64(r->rtt_min, rtt);
    delay = min_u64(delay, RECOVERY_ACK_DELAY_NS);
    if (rtt >= r->rtt_min + delay)
        rtt -= delay;
    if (r->srtt == 0) {
        r->srtt = max_u64(rtt, 1);
        r->rttvar = rtt / 2;
        return;
    }

    uint64_t apart = r->srtt > rtt ? r->srtt - rtt : rtt - r->srtt;

    r->rttvar = r->rttvar - r->rttvar / 4 + apart / 4;
    r->srtt = max_u64(r->srtt - r->srtt / 8 + rtt / 8, 1);
}

static uint64_t probe_timeout(const struct channel *c)
{
    const struct recovery *r = &c->recovery;
    uint64_t srtt = r->srtt != 0 ? r->srtt : RECOVERY_FIRST_RTT_NS;
    uint64_t var = r->srtt != 0 ? r->rttvar : RECOVERY_FIRST_RTT_NS / 2;
    uint64_t pto = srtt + max_u64(4 * var, RECOVERY_GRANULARITY_NS) + RECOVERY_ACK_DELAY_NS;

    /* Several must fit into the silence that ends a channel. */
    return min_u64(pto << min_u64(r->pto_count, 16), max_u64(pto, c->config.silence_ns / 8));
}

static void pace_update(struct recovery *r)
{
    uint64_t burst;

    /* ns per byte, times 1024: what 1.25 cwnd per srtt comes to */
    r->pace_per_byte = (r->srtt << 10) * 4 / (5ull * r->cc.cwnd);
    burst = (RECOVERY_BURST_PACKETS * (uint64_t)r->mtu * r->pace_per_byte) >> 10;
    r->pace_burst_ns = max_u64(burst, RECOVERY_BURST_NS);
}

/* ---- the path's MTU ---- */

static void mtu_next(struct channel *c, uint64_t now)
{
    struct recovery *r = &c->recovery;

    if (r->mtu_high - r->mtu_low >= RECOVERY_MTU_STEP)
        r->mtu_at = now;
    else
        r->mtu_at =
            r->mtu < c->config.datagram_bytes_max ? now + RECOVERY_MTU_AGAIN_NS : UINT64_MAX;
}

/* The size to try: the most first, since most paths carry it. */
static uint16_t mtu_candidate(struct channel *c)
{
    struct recovery *r = &c->recovery;

    if (r->mtu_high - r->mtu_low < RECOVERY_MTU_STEP)
        r->mtu_high =
            c->config.datagram_bytes_max; /* some time after a search that ended below it */
    if (r->mtu_high == c->config.datagram_bytes_max)
        return r->mtu_high;
    return (uint16_t)((r->mtu_low + r->mtu_high + 1) / 2);
}

static void mtu_passed(struct channel *c, uint16_t bytes, uint64_t now)
{
    struct recovery *r = &c->recovery;

    if (bytes <= r->mtu_low || bytes > r->mtu_high)
        return; /* of a search that a black hole ended */
    r->mtu = r->mtu_low = bytes;
    r->mtu_tries = 0;
    mtu_next(c, now);
}

static void mtu_failed(struct channel *c, uint16_t bytes, uint64_t now)
{
    struct recovery *r = &c->recovery;

    if (bytes <= r->mtu_low || bytes > r->mtu_high)
        return;
    if (++r->mtu_tries < RECOVERY_MTU_TRIES) {
        r->mtu_at = now;
        return;
    }
    r->mtu_tries = 0;
    r->mtu_high = bytes - 1;
    mtu_next(c, now);
}

static void large_packet_lost(struct channel *c, uint64_t now)
{
    struct recovery *r = &c->recovery;

    if (r->mtu == CHANNEL_DATAGRAM_MIN || ++r->large_lost < RECOVERY_LARGE_LOST)
        return;
    mtu_search(c, now);
    r->mtu_at = now + RECOVERY_MTU_AFTER_NS;
}

bool recovery_is_mtu_probe_due(const struct channel *c)
{
    return c->recovery.mtu_probe != 0;
}

/* ---- sending ---- */

bool recovery_may_send(const struct channel *c, uint64_t now)
{
    const struct recovery *r = &c->recovery;

    if (r->probes > 0)
        return true;
    return r->in_flight < r->cc.cwnd && r->pace_ns <= now && recovery_has_room(c);
}

bool recovery_has_room(const struct channel *c)
{
    const struct recovery *r = &c->recovery;

    return r->next - r->una < CHANNEL_IN_FLIGHT_MAX - SPARE_PACKETS &&
           RECORDS - (r->record_next - r->record_first) >= RECORDS_PER_PACKET_MAX;
}

uint32_t recovery_records(const struct channel *c)
{
    const struct recovery *r = &c->recovery;
    uint32_t room = RECORDS - (r->record_next - r->record_first);

    return room < RECORDS_PER_PACKET_MAX ? room : RECORDS_PER_PACKET_MAX;
}

void recovery_note_limit(struct channel *c, bool has_more)
{
    struct recovery *r = &c->recovery;

    if (!has_more)
        r->is_limited = false;
    else if (r->in_flight >= r->cc.cwnd)
        r->is_limited = true;
}

void recovery_sent(struct channel *c, uint32_t bytes, bool wants_ack, bool is_mtu_probe,
                   uint32_t record_count, uint64_t told, uint64_t now)
{
    struct recovery *r = &c->recovery;

    assert(r->next - r->una < CHANNEL_IN_FLIGHT_MAX);
    if (wants_ack && r->flying == 0 && now - r->last_sent_ns > RECOVERY_IDLE_NS) {
        r->cc.cwnd = (uint32_t)min_u64(r->cc.cwnd, RECOVERY_WINDOW_PACKETS * (uint64_t)r->mtu);
        r->cc.epoch_at = 0;
        pace_update(r);
    }
    *sent_at(r, r->next) = (struct sent){
        .at_ns = now,
        .told = told,
        .record = r->record_next,
        .record_count = (uint16_t)record_count,
        .bytes = (uint16_t)bytes,
        .state = wants_ack ? SENT_FLYING : SENT_OVER,
        .is_mtu_probe = is_mtu_probe,
    };
    r->record_next += record_count;
    r->next++;
    if (!wants_ack) {
        if (r->flying == 0) {
            r->una = r->next;
            r->record_first = r->record_next;
        }
        return;
    }
    r->flying++;
    r->in_flight += bytes;
    r->last_sent_ns = now;
    r->pace_ns = max_u64(r->pace_ns, now > r->pace_burst_ns ? now - r->pace_burst_ns : 0) +
                 ((bytes * r->pace_per_byte) >> 10);
    if (r->probes > 0)
        r->probes--;
    if (is_mtu_probe)
        r->mtu_probe = 0;
}

/* ---- what became of it ---- */

/* una to the oldest packet in flight. */
static void advance(struct recovery *r)
{
    while (r->una < r->next && sent_at(r, r->una)->state == SENT_OVER)
        r->una++;
    r->record_first = r->una < r->next ? sent_at(r, r->una)->record : r->record_next;
}

static void send_again(struct channel *c, const struct sent *s, bool is_urgent)
{
    for (uint32_t i = 0; i < s->record_count; i++)
        stream_record_lost(c, &c->recovery.record[(s->record + i) % RECORDS], is_urgent);
}

static void packet_over(struct recovery *r, struct sent *s)
{
    s->state = SENT_OVER;
    r->flying--;
    r->in_flight -= s->bytes;
}

static void packet_lost(struct channel *c, struct sent *s, uint64_t now)
{
    struct recovery *r = &c->recovery;

    packet_over(r, s);
    if (s->is_mtu_probe) {
        mtu_failed(c, s->bytes, now);
        return;
    }
    r->lost_packets++;
    c->config.counters->rpc_lost_packets++;
    if (s->bytes > CHANNEL_DATAGRAM_MIN)
        large_packet_lost(c, now);
    send_again(c, s, true);
}

/* Losses judged by what arrived. is_long: probes had to tell. */
static void detect(struct channel *c, bool is_long, uint64_t now)
{
    struct recovery *r = &c->recovery;
    uint64_t rtt = r->srtt != 0 ? max_u64(r->srtt, r->rtt_latest) : RECOVERY_FIRST_RTT_NS;
    uint64_t patience = max_u64(rtt + rtt / 8, RECOVERY_GRANULARITY_NS);
    uint64_t newest = 0;
    uint32_t flight = r->in_flight;

    r->loss_at = UINT64_MAX;
    for (uint64_t n = r->una; n < r->largest_acked && n < r->next; n++) {
        struct sent *s = sent_at(r, n);

        if (s->state != SENT_FLYING)
            continue;
        if (r->largest_acked - n < RECOVERY_PACKET_THRESHOLD && s->at_ns + patience > now) {
            r->loss_at = min_u64(r->loss_at, s->at_ns + patience);
            continue;
        }
        if (!s->is_mtu_probe)
            newest = max_u64(newest, s->at_ns);
        packet_lost(c, s, now);
    }
    advance(r);
    if (newest == 0 || newest <= r->reduced_ns)
        return;

    r->reduced_ns = now;
    if (is_long)
        tcp_cc_timed_out(&r->cc, flight, r->mtu, true);
    else
        tcp_cc_lost(&r->cc, flight, r->mtu);
    r->cc.cwnd = (uint32_t)max_u64(r->cc.cwnd, 2u * r->mtu);
}

void recovery_make_room(struct channel *c, uint64_t now)
{
    struct recovery *r = &c->recovery;

    if (r->next - r->una < CHANNEL_IN_FLIGHT_MAX)
        return;
    packet_lost(c, sent_at(r, r->una), now);
    advance(r);
}

static void grow(struct recovery *r, uint32_t bytes, uint64_t now)
{
    /* In slow start tcp_cc counts two segments of an acknowledgement; ours may tell of many. */
    while (bytes > 0) {
        uint32_t step = (uint32_t)min_u64(bytes, 2u * r->mtu);

        tcp_cc_acked(&r->cc, step, r->mtu, (uint32_t)(r->srtt / 1000), r->is_limited, now);
        if (!r->is_limited)
            return;
        bytes -= step;
    }
}

bool recovery_acked(struct channel *c, const struct frame_ack *ack, uint64_t now)
{
    struct recovery *r = &c->recovery;
    uint64_t largest = ack->range[0].high, sampled_at = 0;
    uint32_t grown = 0;
    bool is_news = false;

    for (uint32_t i = 0; i < ack->range_count && ack->range[i].high >= r->una; i++) {
        for (uint64_t n = max_u64(ack->range[i].low, r->una); n <= ack->range[i].high; n++) {
            struct sent *s = sent_at(r, n);

            if (s->state != SENT_FLYING)
                continue;
            packet_over(r, s);
            is_news = true;
            if (n == largest)
                sampled_at = s->at_ns;
            if (s->at_ns > r->reduced_ns)
                grown += s->bytes;
            c->window.floor = max_u64(c->window.floor, s->told);
            if (s->bytes > CHANNEL_DATAGRAM_MIN)
                r->large_lost = 0;
            if (s->is_mtu_probe)
                mtu_passed(c, s->bytes, now);
            for (uint32_t k = 0; k < s->record_count; k++) {
                if (!stream_record_acked(c, &r->record[(s->record + k) % RECORDS]))
                    return false;
            }
        }
    }
    if (!is_news)
        return true;

    uint32_t pto_count = r->pto_count;

    r->largest_acked = max_u64(r->largest_acked, largest);
    r->pto_count = r->probes = 0;
    if (sampled_at != 0)
        rtt_sample(r, now - sampled_at, ack->delay_us * 1000ull);
    advance(r);
    grow(r, grown, now);
    detect(c, pto_count >= 3, now);
    pace_update(r);
    return true;
}

/* ---- time ---- */

uint64_t recovery_deadline(const struct channel *c)
{
    const struct recovery *r = &c->recovery;
    uint64_t at = r->mtu_at;

    if (r->loss_at != UINT64_MAX)
        at = min_u64(at, r->loss_at);
    else if (r->flying > 0 && r->probes == 0)
        at = min_u64(at, r->last_sent_ns + probe_timeout(c));
    if (!link_is_empty(&c->ready) && r->in_flight < r->cc.cwnd && recovery_has_room(c))
        at = min_u64(at, r->pace_ns);
    return at;
}

/* The two oldest packets' bytes go once more, whatever the window says. */
static void probe(struct channel *c)
{
    struct recovery *r = &c->recovery;
    uint32_t count = 0;

    for (uint64_t n = r->una; n < r->next && count < 2; n++) {
        const struct sent *s = sent_at(r, n);

        if (s->state != SENT_FLYING)
            continue;
        /* Again and again in vain: perhaps it is refused for want of memory, and others have a
         * better chance. */
        send_again(c, s, r->pto_count == 0);
        count++;
    }
    r->pto_count++;
    r->probes = count;
}

void recovery_timeout(struct channel *c, uint64_t now)
{
    struct recovery *r = &c->recovery;

    if (r->loss_at <= now)
        detect(c, false, now);
    /* Both may be due. */
    if (r->loss_at == UINT64_MAX && r->flying > 0 && r->probes == 0 &&
        r->last_sent_ns + probe_timeout(c) <= now)
        probe(c);
    /* After the losses: one of them may have been a probe. */
    if (r->mtu_at <= now) {
        r->mtu_at = UINT64_MAX;
        r->mtu_probe = mtu_candidate(c);
    }
}
