#include "control/daemon/node_life.h"

#include "dataplane/rpc/peers.h"

enum { MS = 1000 * 1000 };

static bool set_phase(struct node_life *l, enum node_phase phase, uint64_t now_ns)
{
    l->phase = phase;
    l->since_ns = now_ns;
    return true;
}

void node_life_init(struct node_life *l, bool has_others, uint64_t now_ns)
{
    *l = (struct node_life){0};
    set_phase(l, has_others ? NODE_PHASE_JOINING : NODE_PHASE_SERVING, now_ns);
}

static bool has_passed(const struct node_life *l, uint32_t ms, uint64_t now_ns)
{
    return now_ns - l->since_ns >= (uint64_t)ms * MS;
}

static bool has_joined(struct node_life *l, const struct node_progress *p, uint64_t now_ns)
{
    if (!p->can_serve) {
        l->since_ns = now_ns; /* nobody can hand anything to it yet */
        return false;
    }
    return !p->has_others || p->is_done || has_passed(l, PEERS_JOIN_MS, now_ns);
}

bool node_life_look(struct node_life *l, const struct node_progress *p, uint64_t now_ns)
{
    if (l->phase == NODE_PHASE_JOINING && has_joined(l, p, now_ns))
        return set_phase(l, NODE_PHASE_SERVING, now_ns);
    if (l->phase == NODE_PHASE_LEAVING &&
        (!p->has_others || p->is_done || has_passed(l, l->handover_ms, now_ns)))
        return set_phase(l, NODE_PHASE_DRAINING, now_ns);
    return false;
}

bool node_life_awaits(const struct node_life *l)
{
    return l->phase == NODE_PHASE_JOINING || l->phase == NODE_PHASE_LEAVING;
}

bool node_life_drain(struct node_life *l, uint32_t handover_ms, uint64_t now_ns)
{
    l->handover_ms = handover_ms;
    if (l->phase == NODE_PHASE_SERVING)
        return set_phase(l, NODE_PHASE_LEAVING, now_ns);
    /* Nobody's home yet: there is nothing to hand over. */
    if (l->phase == NODE_PHASE_JOINING)
        return set_phase(l, NODE_PHASE_DRAINING, now_ns);
    return false;
}

bool node_life_undrain(struct node_life *l, uint64_t now_ns)
{
    if (l->phase == NODE_PHASE_LEAVING)
        return set_phase(l, NODE_PHASE_SERVING, now_ns);
    if (l->phase == NODE_PHASE_DRAINING)
        return set_phase(l, NODE_PHASE_JOINING, now_ns);
    return false;
}

enum node_state node_life_state(const struct node_life *l)
{
    static const enum node_state states[] = {
        [NODE_PHASE_JOINING] = NODE_JOINING,
        [NODE_PHASE_SERVING] = NODE_SERVING,
        [NODE_PHASE_LEAVING] = NODE_SERVING,
        [NODE_PHASE_DRAINING] = NODE_DRAINING,
    };

    return states[l->phase];
}

bool node_life_is_leaving(const struct node_life *l)
{
    return l->phase == NODE_PHASE_LEAVING;
}

const char *node_phase_name(enum node_phase phase)
{
    static const char *const names[] = {"joining", "serving", "leaving", "draining"};

    return names[phase];
}

const char *node_state_name(enum node_state state)
{
    static const char *const names[] = {"down", "joining", "serving", "draining"};

    return state < NODE_STATES ? names[state] : "?";
}
