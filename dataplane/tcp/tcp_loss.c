#include "dataplane/tcp/tcp_loss.h"

#include <assert.h>
#include <string.h>

#include "dataplane/tcp/tcp_seq.h"

enum { DUP_THRESH = 3 };

void tcp_loss_init(struct tcp *t, uint32_t iss)
{
    struct tcp_loss *l = &t->loss;

    l->recover = l->lost_edge = l->high_rxt = iss;
    l->dup_acks = 0;
    l->mode = TCP_RECOVERY_NONE;
    l->is_forced = l->is_rescued = l->is_careful = false;
    l->sacked_count = 0;
}

/* ---- the scoreboard ---- */

/* True: the range holds something that was not known. */
static bool sacked_add(struct tcp_loss *l, struct tcp_range r)
{
    uint32_t i = 0, j;

    while (i < l->sacked_count && seq_lt(l->sacked[i].end, r.start))
        i++;
    for (j = i; j < l->sacked_count && seq_le(l->sacked[j].start, r.end); j++) {
        if (seq_le(l->sacked[j].start, r.start) && seq_le(r.end, l->sacked[j].end))
            return false;
        r.start = seq_min(r.start, l->sacked[j].start);
        r.end = seq_max(r.end, l->sacked[j].end);
    }
    /* [i, j) become one. A full board forgets: those bytes may be sent once more than needed. */
    if (i == j && l->sacked_count == TCP_OOO_RANGES_MAX)
        return false;
    memmove(&l->sacked[i + 1], &l->sacked[j], (l->sacked_count - j) * sizeof(r));
    l->sacked_count = (uint8_t)(l->sacked_count - (j - i) + 1);
    l->sacked[i] = r;
    return true;
}

bool tcp_loss_sacked(struct tcp *t, const struct tcp_segment *seg)
{
    bool is_new = false;

    for (uint32_t i = 0; i < seg->sack_count; i++) {
        struct tcp_range r = {seg->sack[i].start, seg->sack[i].end};

        /* Only what is outstanding; a D-SACK (RFC 2883) lies below the ACK and tells no news of
         * losses. */
        if (!seq_lt(r.start, r.end) || !seq_lt(t->snd_una, r.start) || !seq_lt(seg->ack, r.start) ||
            seq_lt(t->snd_nxt, r.end))
            continue;
        is_new |= sacked_add(&t->loss, r);
    }
    return is_new;
}

void tcp_loss_acked(struct tcp *t, uint32_t una_before)
{
    struct tcp_loss *l = &t->loss;
    uint32_t una = t->snd_una;
    uint32_t gone = 0;

    while (gone < l->sacked_count && seq_le(l->sacked[gone].end, una))
        gone++;
    if (gone > 0) {
        l->sacked_count = (uint8_t)(l->sacked_count - gone);
        memmove(&l->sacked[0], &l->sacked[gone], l->sacked_count * sizeof(l->sacked[0]));
    }
    l->lost_edge = seq_max(l->lost_edge, una);
    l->high_rxt = seq_max(l->high_rxt, una);

    if (l->mode == TCP_RECOVERY_NONE) {
        l->recover = una;
        l->dup_acks = 0;
        l->is_careful = false;
        return;
    }
    if (seq_le(l->recover, una)) {
        l->mode = TCP_RECOVERY_NONE;
        l->recover = l->lost_edge = l->high_rxt = una;
        l->dup_acks = 0;
        l->is_forced = false;
        l->is_careful = true;
        return;
    }
    if (l->mode == TCP_RECOVERY_FAST && !t->has_sack) {
        /* A partial ACK (RFC 6582 3.2 step 3): the next segment is lost too; what was acknowledged
         * no longer stands for duplicate ACKs, but for the one that was sent again. */
        uint32_t segments = (una - una_before) / t->mss;

        l->dup_acks -= segments < l->dup_acks ? segments : l->dup_acks;
        l->lost_edge = seq_min(una + t->mss, t->snd_nxt);
        l->high_rxt = una;
        l->is_forced = true;
    }
}

void tcp_loss_duplicate(struct tcp *t)
{
    uint32_t segments = (t->snd_nxt - t->snd_una) / t->mss;

    /* No more segments can have left than are outstanding: forged duplicates do not open the
     * window. */
    if (t->loss.dup_acks <= segments)
        t->loss.dup_acks++;
}

/* IsLost of RFC 6675: DUP_THRESH ranges or more than (DUP_THRESH - 1) segments were SACKed above.
 * Returns the highest sequence number with that property. */
static uint32_t lost_edge(const struct tcp *t)
{
    const struct tcp_loss *l = &t->loss;
    uint32_t bytes = 0;

    for (uint32_t i = l->sacked_count; i-- > 0;) {
        bytes += l->sacked[i].end - l->sacked[i].start;
        if (l->sacked_count - i >= DUP_THRESH || bytes > (DUP_THRESH - 1) * (uint32_t)t->mss)
            return l->sacked[i].start;
    }
    return t->snd_una;
}

void tcp_loss_detect(struct tcp *t)
{
    struct tcp_loss *l = &t->loss;

    if (t->has_sack)
        l->lost_edge = seq_max(l->lost_edge, lost_edge(t));
    if (l->mode != TCP_RECOVERY_NONE)
        return;
    if (t->has_sack ? seq_le(l->lost_edge, t->snd_una) : l->dup_acks < DUP_THRESH || l->is_careful)
        return;

    l->mode = TCP_RECOVERY_FAST;
    l->recover = t->snd_nxt;
    l->high_rxt = t->snd_una;
    if (!t->has_sack)
        l->lost_edge = seq_min(t->snd_una + t->mss, t->snd_nxt);
    l->is_forced = true;
    l->is_rescued = false;
    tcp_cc_lost(&t->cc, t->snd_nxt - t->snd_una, t->mss);
    t->env->counters->tcp_fast_recoveries++;
}

void tcp_loss_resend(struct tcp *t)
{
    struct tcp_loss *l = &t->loss;

    l->mode = TCP_RECOVERY_TIMEOUT;
    l->recover = l->lost_edge = t->snd_nxt;
    l->high_rxt = t->snd_una;
    l->dup_acks = 0;
    l->is_forced = true;
    t->is_timed = false;
}

void tcp_loss_timed_out(struct tcp *t)
{
    struct tcp_loss *l = &t->loss;

    /* A receiver may forget what it SACKed (RFC 2018 section 8). It did when the first outstanding
     * byte is SACKed but not acknowledged; two timeouts in a row say so too. */
    if (t->backoff > 0 || (l->sacked_count > 0 && seq_le(l->sacked[0].start, t->snd_una)))
        l->sacked_count = 0;
    tcp_cc_timed_out(&t->cc, t->snd_nxt - t->snd_una, t->mss, t->backoff == 0);
    tcp_loss_resend(t);
}

/* The first hole at or after from; false: none before limit. */
static bool next_hole(const struct tcp *t, uint32_t from, uint32_t limit, struct tcp_range *hole)
{
    const struct tcp_loss *l = &t->loss;

    hole->end = limit;
    for (uint32_t i = 0; i < l->sacked_count; i++) {
        if (seq_lt(from, l->sacked[i].start)) {
            hole->end = seq_min(limit, l->sacked[i].start);
            break;
        }
        from = seq_max(from, l->sacked[i].end);
    }
    hole->start = from;
    return seq_lt(hole->start, hole->end);
}

static uint32_t overlap(uint32_t start, uint32_t end)
{
    return seq_lt(start, end) ? end - start : 0;
}

uint32_t tcp_loss_pipe(const struct tcp *t)
{
    const struct tcp_loss *l = &t->loss;
    uint32_t pipe = 0, from = t->snd_una;
    struct tcp_range hole;

    if (l->mode == TCP_RECOVERY_NONE && l->sacked_count == 0 && l->dup_acks == 0)
        return t->snd_nxt - t->snd_una;

    while (next_hole(t, from, t->snd_nxt, &hole)) {
        pipe += overlap(seq_max(hole.start, l->lost_edge), hole.end);
        if (l->mode != TCP_RECOVERY_NONE)
            pipe += overlap(hole.start, seq_min(hole.end, l->high_rxt));
        from = hole.end;
    }

    uint32_t left = l->dup_acks * t->mss;

    return left < pipe ? pipe - left : 0;
}

bool tcp_loss_next(const struct tcp *t, struct tcp_range *hole)
{
    const struct tcp_loss *l = &t->loss;

    return l->mode != TCP_RECOVERY_NONE && next_hole(t, l->high_rxt, l->lost_edge, hole);
}

bool tcp_loss_next_doubtful(const struct tcp *t, struct tcp_range *hole, bool *is_rescue)
{
    const struct tcp_loss *l = &t->loss;

    if (l->mode != TCP_RECOVERY_FAST || l->sacked_count == 0)
        return false;

    *is_rescue = false;
    if (next_hole(t, l->high_rxt, l->sacked[l->sacked_count - 1].start, hole))
        return true;
    if (l->is_rescued)
        return false;

    /* The tail: one segment that includes the highest byte not SACKed. */
    uint32_t top = l->sacked[l->sacked_count - 1].end;

    *is_rescue = true;
    if (!seq_lt(top, t->snd_nxt))
        return false;
    *hole = (struct tcp_range){seq_max(top, t->snd_nxt - t->mss), t->snd_nxt};
    return true;
}

/* ---- the clock ---- */

void tcp_rtt_sample(struct tcp *t, uint64_t rtt_us)
{
    uint32_t rtt = rtt_us < TCP_RTO_MAX_MS * 1000ull ? (uint32_t)rtt_us : TCP_RTO_MAX_MS * 1000u;

    if (rtt == 0)
        rtt = 1;
    if (t->srtt_us == 0) {
        t->srtt_us = rtt;
        t->rttvar_us = rtt / 2;
    } else {
        uint32_t apart = t->srtt_us > rtt ? t->srtt_us - rtt : rtt - t->srtt_us;

        t->rttvar_us = t->rttvar_us - t->rttvar_us / 4 + apart / 4;
        t->srtt_us = t->srtt_us - t->srtt_us / 8 + rtt / 8;
        if (t->srtt_us == 0)
            t->srtt_us = 1;
    }

    uint64_t rto = t->srtt_us + (t->rttvar_us * 4ull > 1000 ? t->rttvar_us * 4ull : 1000);

    if (rto < TCP_RTO_MIN_MS * 1000ull)
        rto = TCP_RTO_MIN_MS * 1000ull;
    if (rto > TCP_RTO_MAX_MS * 1000ull)
        rto = TCP_RTO_MAX_MS * 1000ull;
    t->rto_us = (uint32_t)rto;
}

void tcp_rto_keep(struct tcp *t)
{
    t->rto_us = (uint32_t)(tcp_rto_ns(t) / 1000);
}

uint64_t tcp_rto_ns(const struct tcp *t)
{
    uint64_t rto = (uint64_t)t->rto_us << (t->backoff < 16 ? t->backoff : 16);

    if (rto > TCP_RTO_MAX_MS * 1000ull)
        rto = TCP_RTO_MAX_MS * 1000ull;
    return rto * 1000;
}
