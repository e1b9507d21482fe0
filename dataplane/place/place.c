#include "dataplane/place/place.h"

#include <assert.h>

#include "dataplane/base/mutant.h"
#include "drivers/rng.h"

enum { BOUND_PERCENT_MAX = 10000 }; /* no bound to speak of */

/* The homes of a script: the first `width` usable successors. A bit of a set is an index into
 * successor[]. */
struct homes {
    uint32_t usable;       /* set */
    uint32_t set;          /* of the homes: bits of usable */
    uint32_t first;        /* index; count if there is none */
    uint32_t own;          /* set: self, if it is one of the homes */
    uint32_t count, loads; /* of the homes; the sum of their loads */
};

static struct homes find_homes(const struct place_query *q)
{
    struct homes h = {.first = q->count};

    for (uint32_t i = q->count; i-- > 0;) {
        bool is_usable = q->successor[i].state == NODE_SERVING;
        is_usable |= MUTANT(DRAINING_IS_HOME) && q->successor[i].state == NODE_DRAINING;
        h.usable |= (uint32_t)is_usable << i;
        h.first = is_usable ? i : h.first;
    }
    for (uint32_t i = 0; i < q->count; i++) {
        uint32_t is_home = (h.usable >> i & 1) & (h.count < q->width);
        h.set |= is_home << i;
        h.own |= (is_home & (q->successor[i].node == q->self)) << i;
        h.loads += is_home * q->successor[i].load;
        h.count += is_home;
    }
    return h;
}

/* What a home can still take before it passes (1 + e) x the mean; negative: unwilling. In shares of
 * its load, so that nothing is divided. The mean is that of all usable nodes, or of these homes if
 * that is greater: with one busy script in an idle cluster no home is under the first, and some
 * home is always at or under the second. */
static int64_t headroom(const struct homes *h, const struct place_query *q, uint32_t load)
{
    uint64_t mean = q->mean_load < UINT16_MAX ? q->mean_load : UINT16_MAX;
    uint64_t bound = q->bound_percent < BOUND_PERCENT_MAX ? q->bound_percent : BOUND_PERCENT_MAX;
    uint64_t sum = mean * h->count > h->loads ? mean * h->count : h->loads;

    return (int64_t)((100 + bound) * sum) - (int64_t)(100ull * h->count * load);
}

/* Draws one of the homes in `among`, each willing one with the weight 3 x limit - load. Taking the
 * least loaded one instead sends everybody's requests there until its next STATE, 100 ms later.
 * With these weights a home that is over the mean by x gets at most x / (2 + 3e) too little, so
 * that shares settle however old the loads are, and noise moves them little; the larger differences
 * are what being unwilling is for. Returns an index, or count if none is willing. */
static uint32_t draw(const struct homes *h, uint32_t among, const struct place_query *q)
{
    uint64_t weight[PLACE_SUCCESSORS_MAX] = {0}, sum = 0;
    int64_t limit = headroom(h, q, 0);

    for (uint32_t i = 0; i < q->count; i++) {
        int64_t room = headroom(h, q, q->successor[i].load);
        bool is_willing = (among >> i & 1) && room >= 0;
        weight[i] = is_willing ? (uint64_t)(2 * limit + room) + 1 : 0; /* + 1: when all is idle */
        sum += weight[i];
    }
    uint64_t at = (uint64_t)(((unsigned __int128)rng_mix(q->pick) * sum) >> 64);
    uint32_t chosen = q->count;
    for (uint32_t i = q->count; i-- > 0;) {
        sum -= weight[i];
        chosen = weight[i] != 0 && at >= sum && chosen == q->count ? i : chosen;
    }
    return chosen;
}

struct place_verdict place(const struct place_query *q)
{
    assert(q->count <= PLACE_SUCCESSORS_MAX && q->width >= 1 && q->width <= PLACE_WIDTH_MAX);

    struct homes h = find_homes(q);
    struct place_verdict v = {
        .where = q->is_overloaded ? PLACE_REFUSE : PLACE_HERE,
        .node = RING_NODE_NONE,
        .home = h.set ? q->successor[h.first].node : q->self,
    };
    enum place_why why_here = q->is_forwarded           ? PLACE_FORWARDED
                              : q->is_bounced           ? PLACE_BOUNCED
                              : h.own                   ? PLACE_IS_HOME
                              : !h.set                  ? PLACE_NO_HOME
                              : q->is_hot && q->is_warm ? PLACE_HOT
                                                        : PLACE_WHY_NONE;
    v.why = (uint8_t)(q->is_overloaded ? PLACE_OVERLOADED : why_here);

    /* The hop limit, and nobody to send it to. */
    if (q->is_forwarded || q->is_bounced || h.set == h.own)
        return v;
    if (why_here != PLACE_WHY_NONE && !q->is_overloaded)
        return v;

    uint32_t to = h.count == 1 ? h.first : draw(&h, h.set & ~h.own, q);
    if (to == q->count) {
        assert(h.own); /* else some home is at most at the homes' mean */
        return v;
    }
    v.where = PLACE_HOME;
    v.node = q->successor[to].node;
    if (why_here == PLACE_WHY_NONE && !(q->is_hot && q->is_overloaded))
        v.why = q->is_hot ? PLACE_WARMING : h.count > 1 ? PLACE_WIDENED : PLACE_COLD;
    return v;
}

const char *place_why_name(enum place_why why)
{
    static const char *const names[PLACE_WHYS] = {
        [PLACE_WHY_NONE] = "none",   [PLACE_IS_HOME] = "is home", [PLACE_HOT] = "hot",
        [PLACE_WIDENED] = "widened", [PLACE_COLD] = "cold",       [PLACE_FORWARDED] = "forwarded",
        [PLACE_BOUNCED] = "bounced", [PLACE_NO_HOME] = "no home", [PLACE_OVERLOADED] = "overloaded",
        [PLACE_WARMING] = "warming",
    };
    return why < PLACE_WHYS ? names[why] : "?";
}
