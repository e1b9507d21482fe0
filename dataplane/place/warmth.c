#include "dataplane/place/warmth.h"

#include <assert.h>
#include <string.h>

/* Handles are dense numbers: the multiplication spreads them evenly over the slots. */
static uint32_t set_of(uint64_t handle)
{
    _Static_assert(WARMTH_SETS == 1 << 10, "the shift");
    return (uint32_t)((handle * 0x9e3779b97f4a7c15u) >> 54) * WARMTH_WAYS;
}

static const struct warmth_script *look(const struct warmth *w, uint64_t handle)
{
    const struct warmth_script *set = &w->slot[set_of(handle)];

    for (uint32_t i = 0; i < WARMTH_WAYS && handle != 0; i++) {
        if (set[i].handle == handle)
            return &set[i];
    }
    return NULL;
}

static struct warmth_script *find(struct warmth *w, uint64_t handle)
{
    return (struct warmth_script *)look(w, handle);
}

static void set_state(struct warmth *w, struct warmth_script *s, enum warmth_state state)
{
    w->asked += (state == WARMTH_ASKED) - (s->state == WARMTH_ASKED);
    s->state = (uint8_t)state;
}

static void forget(struct warmth *w, struct warmth_script *s)
{
    set_state(w, s, WARMTH_UNKNOWN);
    *s = (struct warmth_script){0};
}

/* Its slot; made if need be in a free one, else in that of the longest unasked, which is
 * forgotten. */
static struct warmth_script *claim(struct warmth *w, uint64_t handle, uint64_t now_ns)
{
    struct warmth_script *set = &w->slot[set_of(handle)], *oldest = set, *found = find(w, handle);

    assert(handle != 0);
    if (found)
        return found;
    for (uint32_t i = 1; i < WARMTH_WAYS && oldest->handle != 0; i++) {
        if (set[i].handle == 0 || set[i].asked_ns < oldest->asked_ns)
            oldest = &set[i];
    }
    forget(w, oldest);
    oldest->handle = handle;
    oldest->asked_ns = now_ns;
    return oldest;
}

static bool awaits_verdict(const struct warmth_script *s)
{
    return s->is_ours && !s->is_used;
}

void warmth_init(struct warmth *w, struct counters *counters)
{
    memset(w, 0, sizeof(*w));
    w->counters = counters;
}

enum warmth_state warmth_of(const struct warmth *w, uint64_t handle)
{
    const struct warmth_script *s = look(w, handle);
    return s ? (enum warmth_state)s->state : WARMTH_UNKNOWN;
}

uint32_t warmth_load_us(const struct warmth *w, uint64_t handle)
{
    const struct warmth_script *s = look(w, handle);
    return s ? s->load_us : 0;
}

bool warmth_ask(struct warmth *w, uint64_t handle, uint64_t now_ns)
{
    struct warmth_script *s = find(w, handle);
    if (s && (s->state != WARMTH_UNKNOWN || now_ns - s->asked_ns < WARMTH_AGAIN_NS))
        return false;
    s = claim(w, handle, now_ns);
    set_state(w, s, WARMTH_ASKED);
    s->asked_ns = now_ns;
    s->is_ours = true;
    s->is_used = false;
    return true;
}

bool warmth_need(struct warmth *w, uint64_t handle, uint64_t now_ns)
{
    struct warmth_script *s = find(w, handle);
    bool is_guess = s && awaits_verdict(s) && s->state == WARMTH_ASKED;

    if (s && s->needed_ns && now_ns - s->needed_ns < WARMTH_NEED_NS)
        return false;
    s = claim(w, handle, now_ns);
    if (!is_guess) /* else the verdict on the guess falls when it starts */
        s->asked_ns = now_ns;
    s->needed_ns = now_ns;
    set_state(w, s, WARMTH_ASKED);
    return true;
}

void warmth_warmed(struct warmth *w, uint64_t handle, uint32_t took_us, uint64_t now_ns)
{
    struct warmth_script *s = claim(w, handle, now_ns);
    /* Warm already, or it said so twice: the asking saved nobody anything. */
    if (s->state == WARMTH_ASKED && took_us == 0)
        s->is_ours = false;
    if (s->state != WARMTH_WARM)
        s->took_us = took_us;
    if (took_us > s->load_us)
        s->load_us = took_us;
    set_state(w, s, WARMTH_WARM);
}

void warmth_evicted(struct warmth *w, uint64_t handle)
{
    struct warmth_script *s = find(w, handle);
    if (!s)
        return;
    w->counters->warm_wasted += awaits_verdict(s);
    s->is_ours = s->is_used = false;
    set_state(w, s, WARMTH_UNKNOWN); /* and when it was asked for: not again at once */
}

void warmth_lost(struct warmth *w, uint64_t handle)
{
    struct warmth_script *s = find(w, handle);
    if (!s)
        return;
    w->counters->warm_wasted += awaits_verdict(s);
    forget(w, s);
}

void warmth_started(struct warmth *w, uint64_t handle, uint64_t now_ns)
{
    struct warmth_script *s = claim(w, handle, now_ns);

    if (s->state == WARMTH_UNKNOWN) {
        /* This start is the cell's: no need to ask for one too. */
        set_state(w, s, WARMTH_ASKED);
        s->asked_ns = now_ns;
    } else if (awaits_verdict(s) && s->state == WARMTH_WARM) {
        w->counters->warm_useful++;
        w->counters->warm_hidden_us += s->took_us;
    } else if (awaits_verdict(s)) {
        w->counters->warm_late++;
        w->counters->warm_hidden_us += (now_ns - s->asked_ns) / 1000;
    }
    s->is_used = true;
    if (s->state == WARMTH_WARM)
        s->asked_ns = now_ns;
}

void warmth_sweep(struct warmth *w, uint32_t slots, uint64_t now_ns)
{
    for (; slots > 0; slots--, w->sweep++) {
        struct warmth_script *s = &w->slot[w->sweep % WARMTH_SLOTS];
        bool is_asked = s->state == WARMTH_ASKED;

        if ((!is_asked && !awaits_verdict(s)) || now_ns - s->asked_ns < WARMTH_WASTE_NS)
            continue;
        w->counters->warm_wasted += awaits_verdict(s);
        s->is_ours = false;
        if (is_asked) /* the answer is lost: the next request asks again */
            forget(w, s);
    }
}
