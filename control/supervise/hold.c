#include "control/supervise/hold.h"

#include <assert.h>

static const uint64_t s_ns = 1000ull * 1000 * 1000;

static bool is_held(const struct hold *h, uint64_t now_ns)
{
    return h->script && now_ns < h->until_ns;
}

/* Its place, or the one that is missed least. */
static struct hold *place_of(struct hold_table *t, uint64_t script)
{
    struct hold *oldest = &t->hold[0];

    for (uint32_t i = 0; i < HOLD_SCRIPTS_MAX; i++) {
        struct hold *h = &t->hold[i];

        if (h->script == script)
            return h;
        if (h->seen_ns < oldest->seen_ns)
            oldest = h;
    }
    *oldest = (struct hold){.script = script};
    return oldest;
}

const struct hold *hold_ended(struct hold_table *t, uint64_t script, uint64_t now_ns)
{
    struct hold *h = place_of(t, script);
    uint64_t quiet_since_ns = h->until_ns > h->seen_ns ? h->until_ns : h->seen_ns;

    if (now_ns >= quiet_since_ns + HOLD_WINDOW_S * s_ns)
        *h = (struct hold){.script = script};
    h->ends++;
    h->seen_ns = now_ns;
    h->is_full = false;
    if (h->ends >= HOLD_ENDS) {
        uint32_t doublings = h->ends - HOLD_ENDS;
        uint64_t for_s = doublings < 8 ? (uint64_t)HOLD_FIRST_S << doublings : HOLD_MAX_S;

        h->until_ns = now_ns + (for_s < HOLD_MAX_S ? for_s : HOLD_MAX_S) * s_ns;
    }
    return h;
}

/* One that nobody would miss. */
static bool is_free(const struct hold *h, uint64_t now_ns)
{
    return !is_held(h, now_ns) && (!h->ends || now_ns - h->seen_ns >= HOLD_WINDOW_S * s_ns);
}

bool hold_full(struct hold_table *t, uint64_t script, uint64_t now_ns)
{
    struct hold *place = NULL;

    for (uint32_t i = 0; i < HOLD_SCRIPTS_MAX; i++) {
        if (t->hold[i].script == script) {
            place = &t->hold[i];
            break;
        }
        if (!place && is_free(&t->hold[i], now_ns))
            place = &t->hold[i];
    }
    if (!place || is_held(place, now_ns))
        return false;
    if (place->script != script)
        *place = (struct hold){.script = script, .seen_ns = now_ns};
    place->is_full = true;
    place->until_ns = now_ns + HOLD_FULL_MS * 1000000ull;
    return true;
}

uint32_t hold_list(const struct hold_table *t, uint64_t now_ns, uint64_t script[HOLD_SCRIPTS_MAX],
                   uint64_t *full)
{
    uint32_t count = 0;

    static_assert(HOLD_SCRIPTS_MAX <= 64, "a bit for each");
    if (full)
        *full = 0;
    for (uint32_t i = 0; i < HOLD_SCRIPTS_MAX; i++) {
        if (!is_held(&t->hold[i], now_ns))
            continue;
        if (full && t->hold[i].is_full)
            *full |= 1ull << count;
        script[count++] = t->hold[i].script;
    }
    return count;
}

bool hold_has(const struct hold_table *t, uint64_t script, uint64_t now_ns)
{
    for (uint32_t i = 0; i < HOLD_SCRIPTS_MAX; i++)
        if (t->hold[i].script == script && is_held(&t->hold[i], now_ns))
            return true;
    return false;
}

uint64_t hold_next_ns(const struct hold_table *t, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;

    for (uint32_t i = 0; i < HOLD_SCRIPTS_MAX; i++)
        if (is_held(&t->hold[i], now_ns) && t->hold[i].until_ns < next_ns)
            next_ns = t->hold[i].until_ns;
    return next_ns;
}
