/* Joining and leaving: who warms what before the ring's say changes. peers.h tells the story. */
#include <assert.h>

#include "dataplane/place/place.h"
#include "dataplane/place/warmth.h"
#include "dataplane/rpc/peers_parts.h"
#include "dataplane/world/ring.h"

/* ---- the new home: WARMs come in ---- */

static void answer(struct peers *p, struct peers_slot *s, const struct peers_pending *pending,
                   bool is_warm, uint64_t now_ns)
{
    uint8_t out[64];
    struct record_warmed warmed = {.script = pending->script, .is_warm = is_warm};
    if (is_warm && pending->is_asked)
        warmed.took_us = (uint32_t)((now_ns - pending->asked_ns) / 1000);
    if (is_warm)
        p->env.counters->handover_taken++;
    /* No room for 17 bytes: the peer does not read, and waits for itself. */
    (void)peers_control_say(p, s, out, record_write_warmed(out, sizeof(out), &warmed));
}

static enum warmth_state warmth_here(const struct peers *p, const struct world_script *script)
{
    return p->env.events->warmth(p->env.core, script);
}

/* True: it is answered. */
static bool pursue(struct peers *p, struct peers_slot *s, struct peers_pending *pending,
                   uint64_t now_ns)
{
    const struct world_script *script = world_script(peers_world(p), pending->script);
    if (script && world_holds(peers_world(p), script->handle))
        script = NULL;
    enum warmth_state state = script ? warmth_here(p, script) : WARMTH_UNKNOWN;
    bool is_late = now_ns - pending->asked_ns >= PEERS_HANDOVER_MS * 1000000ull;
    if (script && state == WARMTH_UNKNOWN && !pending->is_asked && now_ns >= pending->try_ns &&
        pending->tries < WARM_RETRIES) {
        if (p->env.events->warm(p->env.core, script, false, now_ns))
            state = WARMTH_ASKED;
        pending->tries++;
        pending->try_ns = now_ns + WARM_RETRY_MS * 1000000ull;
    }
    if (state == WARMTH_ASKED)
        pending->is_asked = true;
    bool waits = state == WARMTH_ASKED || (script && state == WARMTH_UNKNOWN &&
                                           !pending->is_asked && pending->tries < WARM_RETRIES);
    if (waits && !is_late)
        return false;
    answer(p, s, pending, state == WARMTH_WARM, now_ns);
    return true;
}

/* As this node's ring has it: whoever else asks it to start a script is wrong, or lies. */
static bool may_be_home(const struct peers *p, uint64_t script_hash)
{
    const struct ring *ring = peers_world(p)->cluster.ring;
    uint16_t node[PLACE_SUCCESSORS_MAX];
    uint32_t count = ring ? ring_successors(ring, script_hash, node, PLACE_SUCCESSORS_MAX) : 0;
    for (uint32_t i = 0; i < count; i++) {
        if (node[i] == p->self)
            return true;
    }
    return false;
}

bool peers_handover_warm(struct peers *p, struct peers_slot *s, const struct record_warm *warm,
                         uint64_t now_ns)
{
    struct peers_pending pending = {.script = warm->script, .asked_ns = now_ns};
    const struct world_script *script = world_script(peers_world(p), warm->script);
    if (s->pending_count == HANDOVER_WINDOW)
        return false;
    if (!script || script->version_bits != warm->version || !may_be_home(p, warm->script)) {
        answer(p, s, &pending, false, now_ns);
        return true;
    }
    if (!pursue(p, s, &pending, now_ns)) {
        s->pending[s->pending_count++] = pending;
        p->pending++;
    }
    return true;
}

/* At most HANDOVER_WINDOW of each channel. */
static uint32_t run_pending(struct peers *p, struct peers_slot *s, uint64_t now_ns)
{
    uint32_t answered = 0;
    for (uint32_t i = 0; i < s->pending_count;) {
        if (pursue(p, s, &s->pending[i], now_ns)) {
            s->pending[i] = s->pending[--s->pending_count];
            p->pending--;
            answered++;
        } else {
            i++;
        }
    }
    return answered;
}

/* ---- the old home: WARMs go out ---- */

static bool is_warm_here(const struct peers *p, const struct world_script *script)
{
    return warmth_here(p, script) == WARMTH_WARM;
}

/* False: no room for it now. That we leave is said before: who leaves too hands on what it gets
 * from us. */
static bool hand(struct peers *p, struct peers_slot *s, const struct world_script *script)
{
    uint8_t out[64];
    struct record_warm warm = {
        .script = script->id_hash, .version = script->version_bits, .is_handover = true};
    if (s->asked >= HANDOVER_WINDOW || s->wants & WANT_STATE ||
        !peers_control_say(p, s, out, record_write_warm(out, sizeof(out), &warm)))
        return false;
    s->asked++;
    p->env.counters->handover_sent++;
    return true;
}

bool peers_handover_warmed(struct peers *p, struct peers_slot *s,
                           const struct record_warmed *warmed)
{
    (void)warmed;
    if (s->asked == 0)
        return false;
    s->asked--;
    peers_slot_mark(p, s);
    return true;
}

void peers_handover_up(struct peers *p, struct peers_slot *s)
{
    s->is_walking = true;
    s->walk = 0;
    peers_slot_mark(p, s);
}

/* It serves, and as far as it has said goes on serving. */
static bool stays(const struct peers *p, uint16_t node)
{
    return peers_state(p, node) == NODE_SERVING &&
           !(node == p->self ? p->is_leaving : p->peer[node].is_leaving);
}

/* Once it serves: the first on the ring that does, now or when those before it have left. */
static bool will_be_home(struct peers *p, uint16_t peer, uint64_t script_hash)
{
    uint16_t node[PLACE_SUCCESSORS_MAX];
    uint32_t count =
        ring_successors(peers_world(p)->cluster.ring, script_hash, node, PLACE_SUCCESSORS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (node[i] == peer || stays(p, node[i]))
            return node[i] == peer;
    }
    return false;
}

/* Not only to nodes that say they join: one that we lost sight of was done without, and its scripts
 * are warm elsewhere. What is warm there already costs a message. */
bool peers_handover_run_slot(struct peers *p, struct peers_slot *s)
{
    const struct world *world = peers_world(p);
    const struct ring *ring = world->cluster.ring;
    if (!s->is_walking)
        return false;
    uint32_t end = s->walk + HANDOVER_SLICE < world->script_count ? s->walk + HANDOVER_SLICE
                                                                  : world->script_count;
    for (; ring && s->walk < end; s->walk++) {
        const struct world_script *script = &world->scripts[s->walk];
        if (is_warm_here(p, script) && will_be_home(p, s->node, script->id_hash) &&
            !hand(p, s, script))
            return false; /* a WARMED, or room, goes on */
    }
    if (ring && s->walk < world->script_count)
        return true;
    s->is_walking = false;
    s->wants |= WANT_HANDED;
    return false;
}

/* ---- this node leaves ---- */

/* Gives it to all that may be its home between now and when the others that leave or join are done:
 * those that leave as well serve a little longer perhaps, those that join serve soon. False: no
 * room for it now. */
static bool hand_to_next_homes(struct peers *p, const struct world_script *script)
{
    uint16_t node[PLACE_SUCCESSORS_MAX];
    uint32_t count =
        ring_successors(peers_world(p)->cluster.ring, script->id_hash, node, PLACE_SUCCESSORS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t state = p->peer[node[i]].state;
        if (node[i] == p->self || (state != NODE_SERVING && state != NODE_JOINING))
            continue;
        struct channel *c = peers_channel(p, node[i], script->id_hash);
        if (!c)
            continue;
        if (!hand(p, peers_slot_of(p, c), script))
            return false;
        if (stays(p, node[i]))
            break;
    }
    return true;
}

static uint32_t walk_away(struct peers *p)
{
    const struct world *world = peers_world(p);
    uint32_t looked = 0;
    for (; world->cluster.ring && p->handover.walk < world->script_count; p->handover.walk++) {
        const struct world_script *script = &world->scripts[p->handover.walk];
        if (looked++ == HANDOVER_SLICE)
            return looked;
        if (is_warm_here(p, script) && !hand_to_next_homes(p, script))
            return looked > 1;
    }
    p->handover.is_walking = false;
    return 1;
}

/* Who got our scripts may leave before we do, and who comes may stand before it: all of it is
 * looked at again. What is warm there already costs a message. */
void peers_handover_state(struct peers *p)
{
    if (p->handover.leaving_ns == 0 || p->handover.is_over)
        return;
    p->handover.walk = 0;
    p->handover.is_walking = true;
}

/* ---- is it done? ---- */

static void begin(struct peers *p, uint64_t *since_ns, uint64_t now_ns)
{
    *since_ns = now_ns;
    p->handover.is_over = false;
}

void peers_handover_follow(struct peers *p, uint64_t now_ns)
{
    bool is_joining = p->is_up && p->own_state == NODE_JOINING;
    if (!is_joining)
        p->handover.joining_ns = 0;
    else if (p->handover.joining_ns == 0) {
        begin(p, &p->handover.joining_ns, now_ns);
        for (uint32_t i = 0; i < p->capacity; i++)
            p->slot[i].is_handed = false;
    }
    if (!p->is_leaving)
        p->handover.leaving_ns = 0;
    else if (p->handover.leaving_ns == 0) {
        begin(p, &p->handover.leaving_ns, now_ns);
        p->handover.is_walking = true;
    }
    p->handover.walk = 0; /* scripts have new places */
}

/* Nobody has answered yet, and the first try is young. */
static bool is_trying(const struct peers_slot *s, uint64_t now_ns)
{
    return s->is_always && !s->was_open && now_ns - s->born_ns < FIRST_TRY_MS * 1000000ull;
}

static bool is_join_done(const struct peers *p, const struct peers_handover *view,
                         bool is_trying_any, uint64_t now_ns)
{
    if (now_ns - p->handover.joining_ns >= PEERS_JOIN_MS * 1000000ull)
        return true;
    return view->open == view->handed && view->asked == 0 && !is_trying_any;
}

static bool is_leave_done(const struct peers *p, const struct peers_handover *view, uint64_t now_ns)
{
    if (now_ns - p->handover.leaving_ns >= PEERS_HANDOVER_MS * 1000000ull)
        return true;
    return !p->handover.is_walking && view->asked == 0;
}

/* is_done is false while the rest changes: whoever reads the new epoch cannot see the old
 * verdict. */
static void publish(struct peers *p, const struct peers_handover *view)
{
    atomic_store_explicit(&p->handover.is_done, false, memory_order_relaxed);
    atomic_store_explicit(&p->handover.open, view->open, memory_order_relaxed);
    atomic_store_explicit(&p->handover.handed, view->handed, memory_order_relaxed);
    atomic_store_explicit(&p->handover.asked, view->asked, memory_order_relaxed);
    atomic_store_explicit(&p->handover.epoch, view->epoch, memory_order_release);
    atomic_store_explicit(&p->handover.is_done, p->handover.is_over, memory_order_relaxed);
}

static void judge(struct peers *p, uint64_t now_ns)
{
    struct peers_handover view = {.epoch = peers_world(p)->epoch};
    bool is_trying_any = false;
    for (uint32_t i = 0; i < p->capacity; i++) {
        const struct peers_slot *s = &p->slot[i];
        if (!s->is_used)
            continue;
        view.open += s->is_open;
        view.handed += s->is_open && s->is_handed;
        view.asked += p->handover.leaving_ns ? s->asked : s->pending_count;
        is_trying_any |= is_trying(s, now_ns);
    }
    if (p->handover.leaving_ns)
        view.is_done = is_leave_done(p, &view, now_ns);
    else if (p->handover.joining_ns)
        view.is_done = is_join_done(p, &view, is_trying_any, now_ns);
    else
        view.is_done = true;
    /* Once done, a late channel does not undo it. */
    p->handover.is_over |= view.is_done;
    publish(p, &view);
}

static bool is_under_way(const struct peers *p)
{
    return (p->handover.joining_ns || p->handover.leaving_ns) && !p->handover.is_over;
}

uint32_t peers_handover_run(struct peers *p, uint64_t now_ns)
{
    uint32_t work = 0;
    if (p->handover.is_walking)
        work += walk_away(p);
    for (uint32_t i = 0; i < p->capacity && p->pending > 0; i++)
        work += run_pending(p, &p->slot[i], now_ns);
    if (is_under_way(p) || p->handover.epoch != peers_world(p)->epoch)
        judge(p, now_ns);
    return work;
}

uint64_t peers_handover_next_ns(const struct peers *p, uint64_t now_ns)
{
    return is_under_way(p) || p->pending > 0 ? now_ns + WARM_RETRY_MS * 1000000ull : UINT64_MAX;
}

void peers_handover(const struct peers *p, struct peers_handover *out)
{
    out->epoch = atomic_load_explicit(&p->handover.epoch, memory_order_acquire);
    out->open = atomic_load_explicit(&p->handover.open, memory_order_relaxed);
    out->handed = atomic_load_explicit(&p->handover.handed, memory_order_relaxed);
    out->asked = atomic_load_explicit(&p->handover.asked, memory_order_relaxed);
    out->is_done = atomic_load_explicit(&p->handover.is_done, memory_order_relaxed);
}
