#include "dataplane/place/heat.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "dataplane/place/verdict.h"

static uint64_t key_of(uint64_t script)
{
    return script ? script : 1; /* 0 is a free way */
}

static struct heat_script *find(struct heat *h, uint64_t key)
{
    struct heat_script *set = h->set[key % HEAT_SETS];
    for (uint32_t i = 0; i < HEAT_WAYS; i++) {
        if (set[i].script == key)
            return &set[i];
    }
    return NULL;
}

/* Its entry, made if need be: in a free way (asked at 0), else in that of the script whose last
 * request is longest ago. */
static struct heat_script *claim(struct heat *h, uint64_t key, uint64_t now_ns)
{
    struct heat_script *set = h->set[key % HEAT_SETS], *oldest = NULL, *found = find(h, key);

    if (found)
        return found;
    for (uint32_t i = 0; i < HEAT_WAYS; i++) {
        if (set[i].in_flight == 0 && (!oldest || set[i].asked_ns < oldest->asked_ns))
            oldest = &set[i];
    }
    if (oldest)
        *oldest = (struct heat_script){.script = key, .asked_ns = now_ns, .width = 1};
    return oldest;
}

/* exp(-dt / tau); by its series for the short spans of a busy script. */
static double decay(uint64_t since_ns, uint64_t now_ns, uint64_t tau_ns)
{
    assert(now_ns >= since_ns);
    double x = (double)(now_ns - since_ns) / (double)tau_ns;
    return x < 0x1p-10 ? 1 - x + x * x / 2 : exp(-x);
}

static double rate_milli(double weight, uint64_t tau_ns)
{
    return weight * (1e3 * 1e9 / (double)tau_ns);
}

static void cool(struct heat_script *s, uint64_t now_ns)
{
    double factor = decay(s->asked_ns, now_ns, HEAT_WIDTH_TAU_NS);
    s->hot_weight *= decay(s->asked_ns, now_ns, HEAT_HOT_TAU_NS);
    s->weight *= factor;
    s->peer_weight *= factor;
    s->asked_ns = now_ns;
}

/* When the width doubles, half of what peers send will go elsewhere, and their rate so far is taken
 * as if it had: else the old rate, which fades in ten seconds, would widen it again. (What enters
 * here stays here.) A narrow_rps above a third of widen_rps could undo each widening at once, so it
 * counts as a third. */
static void judge_width(struct heat_script *s, const struct heat_tune *t, uint64_t now_ns)
{
    double rate = rate_milli(s->weight + s->peer_weight, HEAT_WIDTH_TAU_NS);
    uint32_t narrow = t->narrow_rps_milli;

    if (narrow > t->widen_rps_milli / 3)
        narrow = t->widen_rps_milli / 3;
    bool wants_more = rate > t->widen_rps_milli && s->width < PLACE_WIDTH_MAX;
    bool was_widening = s->widening_ns != 0;
    uint64_t load_ns = s->load_ns < HEAT_LOAD_NS_MAX ? s->load_ns : HEAT_LOAD_NS_MAX;

    if (!wants_more)
        s->widening_ns = 0;
    else if (!was_widening)
        s->widening_ns = now_ns;
    s->has_widened =
        wants_more && was_widening && now_ns - s->widening_ns >= HEAT_WIDEN_NS + 3 * load_ns;
    if (s->has_widened) {
        s->width *= 2;
        s->peer_weight /= 2;
        s->widening_ns = 0;
    } else if (rate < narrow && s->width > 1) {
        s->width /= 2;
        s->peer_weight *= 2;
    }
}

static void judge_heat(struct heat_script *s, const struct heat_tune *t)
{
    double rate = rate_milli(s->hot_weight, HEAT_HOT_TAU_NS);
    uint32_t leave =
        t->leave_rps_milli < t->enter_rps_milli ? t->leave_rps_milli : t->enter_rps_milli;

    s->is_hot = rate >= (s->is_hot ? leave : t->enter_rps_milli);
}

void heat_init(struct heat *h)
{
    memset(h, 0, sizeof(*h));
}

struct heat_script *heat_ask(struct heat *h, const struct heat_tune *t, uint64_t script,
                             uint64_t now_ns)
{
    struct heat_script *s = claim(h, key_of(script), now_ns);
    if (!s)
        return NULL;
    cool(s, now_ns);
    s->hot_weight += 1;
    s->weight += 1;
    judge_heat(s, t);
    judge_width(s, t, now_ns);
    return s;
}

struct heat_script *heat_ask_home(struct heat *h, const struct heat_tune *t, uint64_t script,
                                  uint64_t now_ns)
{
    struct heat_script *s = claim(h, key_of(script), now_ns);
    if (!s)
        return NULL;
    cool(s, now_ns);
    s->peer_weight += 1;
    judge_width(s, t, now_ns);
    return s;
}

struct heat_script *heat_find(struct heat *h, uint64_t script)
{
    return find(h, key_of(script));
}

uint32_t heat_rate_milli(const struct heat_script *s, uint64_t now_ns)
{
    double faded = decay(s->asked_ns, now_ns, HEAT_WIDTH_TAU_NS);
    double rate = rate_milli((s->weight + s->peer_weight) * faded, HEAT_WIDTH_TAU_NS);
    return rate < UINT32_MAX ? (uint32_t)rate : UINT32_MAX;
}

void heat_set_width(struct heat *h, uint64_t script, uint8_t width, uint64_t now_ns)
{
    struct heat_script *s = find(h, key_of(script));
    uint8_t said = width >= 4 ? 4 : width >= 2 ? 2 : 1; /* a peer's number */

    /* Every home of a widened script says what it sees of it, and the second sees less than the
     * first: the widest word counts until it has not been repeated for a while. */
    if (!s || (said < s->said_width && now_ns < s->width_until_ns))
        return;
    s->said_width = said;
    s->width_until_ns = now_ns + HEAT_WIDTH_NS;
}

uint8_t heat_width(const struct heat_script *s, uint64_t now_ns)
{
    bool is_said = now_ns < s->width_until_ns && s->said_width > s->width;
    return is_said ? s->said_width : s->width;
}

void heat_started(struct heat *h, uint64_t script, uint64_t now_ns)
{
    struct heat_script *s = claim(h, key_of(script), now_ns);
    if (s)
        s->in_flight++;
}

void heat_ended(struct heat *h, uint64_t script)
{
    struct heat_script *s = find(h, key_of(script));
    /* A start that found no free way was not counted. */
    if (s && s->in_flight > 0)
        s->in_flight--;
}
