#include "control/daemon/ring_commands.h"

#include "control/base/json_field.h"
#include "control/daemon/hearthd.h"
#include "control/daemon/ring_view.h"
#include "dataplane/rpc/peers.h"
#include "dataplane/world/ring.h"

/* As core 0 sees them: each core has channels of its own, and all of them know every node. */
static void look_at_states(const struct hearthd *h, const struct world *w,
                           struct ring_view_states *s)
{
    const struct peers *peers = h->core_count ? core_peers(h->core[0].core) : NULL;

    s->is_known = peers || w->cluster.member_count < 2;
    for (uint16_t i = 0; i < w->cluster.member_count; i++) {
        struct peer_view view = {.state = NODE_DOWN};

        if (i == w->cluster.self) {
            s->state[i] = w->cluster.own_state;
            continue;
        }
        if (peers)
            peers_view(peers, i, &view);
        s->state[i] = view.state;
    }
    if (!w->cluster.member_count)
        s->state[0] = NODE_SERVING;
}

/* NULL: hearthd is still starting; the client is answered. */
static const struct world *current_world(struct hearthd *h, struct ctl_client *client)
{
    const struct world *w = world_current(&h->shared);

    if (!w)
        ctl_refuse(client, "hearthd is starting: there is no ring yet");
    return w;
}

static void reply_or_refuse(struct ctl_client *client, json_t *reply, const char *error)
{
    if (reply)
        ctl_reply(client, reply);
    else
        ctl_refuse(client, error);
}

void ring_commands_show(struct hearthd *h, struct ctl_client *client, const struct ctl_request *r)
{
    const struct world *w = current_world(h, client);
    struct ring_view_states states;

    if (!w)
        return;
    look_at_states(h, w, &states);
    reply_or_refuse(client, ring_view_show(w, &states), "no memory");
}

void ring_commands_locate(struct hearthd *h, struct ctl_client *client, const struct ctl_request *r)
{
    const struct world *w = current_world(h, client);
    struct ring_view_states states;
    char error[512];

    if (!w)
        return;
    look_at_states(h, w, &states);
    /* The scratch behind those of the cores is the control thread's (scripts_part_build). */
    reply_or_refuse(client,
                    ring_view_locate(w, &states, field_text(r->json, "what"), h->conf->cores_count,
                                     error, sizeof(error)),
                    error);
}

void ring_commands_plan(struct hearthd *h, struct ctl_client *client, const struct ctl_request *r)
{
    const struct world *w = current_world(h, client);
    const json_t *weight = json_object_get(r->json, "weight");
    json_int_t number = json_is_integer(weight) ? json_integer_value(weight) : RING_WEIGHT_ONE;
    struct ring_view_change change = {
        .is_removal = json_object_get(r->json, "remove") != NULL,
        .weight = number < 0 || number > RING_WEIGHT_MAX ? UINT32_MAX : (uint32_t)number};
    char error[512];

    if (!w)
        return;
    change.node = field_text(r->json, change.is_removal ? "remove" : "add");
    reply_or_refuse(client, ring_view_plan(w, &change, error, sizeof(error)), error);
}
