/* The cluster as this node sees it, as JSON and as metrics. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "control/daemon/hearthd.h"
#include "dataplane/rpc/peers.h"
#include "dataplane/world/ring.h"
#include "drivers/clock.h"

/* One member as all cores see it together: the state is that of the core that heard of it last. */
static struct peer_view view_of(const struct hearthd *h, uint16_t node)
{
    struct peer_view sum = {.state = NODE_DOWN};

    for (uint32_t i = 0; i < h->core_count; i++) {
        const struct peers *peers = core_peers(h->core[i].core);
        struct peer_view one;

        if (!peers)
            continue;
        peers_view(peers, node, &one);
        if (one.heard_ns >= sum.heard_ns) {
            sum.state = one.state;
            sum.load = one.load;
            sum.queue_us = one.queue_us;
            sum.heard_ns = one.heard_ns;
        }
        if (one.rtt_us && (!sum.rtt_us || one.rtt_us < sum.rtt_us))
            sum.rtt_us = one.rtt_us;
        sum.channels += one.channels;
        sum.ring_differs |= one.ring_differs;
    }
    return sum;
}

static void format_address(const uint8_t address[16], char out[INET6_ADDRSTRLEN])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (!memcmp(address, mapped, sizeof(mapped)))
        inet_ntop(AF_INET, address + 12, out, INET6_ADDRSTRLEN);
    else
        inet_ntop(AF_INET6, address, out, INET6_ADDRSTRLEN);
}

static bool is_up(enum node_state state)
{
    return state != NODE_DOWN;
}

static json_t *member_json(const struct hearthd *h, uint16_t node)
{
    const struct world_member *m = &h->cluster->member[node];
    bool is_self = node == h->cluster->self;
    struct peer_view v = view_of(h, node);
    uint64_t now_ns = clock_now_ns(&h->clock);
    char address[INET6_ADDRSTRLEN];
    json_t *out;

    if (is_self)
        v.state = (uint8_t)node_life_state(&h->life);
    format_address(m->address, address);
    out = json_pack("{s:s, s:b, s:s, s:s, s:s, s:i, s:i, s:i, s:f}", "name", m->name, "self",
                    (int)is_self, "role", m->is_operators ? "operator" : "edge", "state",
                    node_state_name((enum node_state)v.state), "address", address, "port",
                    (int)m->port, "cores", (int)m->cores, "weight", (int)m->weight, "share",
                    ring_share(h->cluster->ring->ring, node));
    if (!is_self && v.heard_ns)
        json_object_set_new(
            out, "heard_ms",
            json_real(now_ns > v.heard_ns ? (double)(now_ns - v.heard_ns) / 1e6 : 0.0));
    if (!is_self && is_up((enum node_state)v.state)) {
        json_object_set_new(out, "load_permille", json_integer(v.load));
        json_object_set_new(out, "queue_us", json_integer(v.queue_us));
        json_object_set_new(out, "rtt_us", json_integer(v.rtt_us));
        json_object_set_new(out, "channels", json_integer(v.channels));
        json_object_set_new(out, "ring_agrees", json_boolean(!v.ring_differs));
    }
    return out;
}

json_t *export_cluster(const struct hearthd *h)
{
    const struct ring *ring = h->cluster->ring->ring;
    json_t *members = json_array();
    uint32_t up = 0;
    char digest[17];

    for (uint32_t i = 0; i < h->cluster->member_count; i++) {
        up += i == h->cluster->self || is_up((enum node_state)view_of(h, (uint16_t)i).state);
        json_array_append_new(members, member_json(h, (uint16_t)i));
    }
    snprintf(digest, sizeof(digest), "%016llx", (unsigned long long)ring_digest(ring));
    return json_pack("{s:s, s:b, s:s, s:s, s:i, s:i, s:{s:I, s:s, s:i}, s:o}", "node",
                     h->conf->node, "alone", (int)!h->keys.is_set, "state",
                     node_phase_name(h->life.phase), "source", h->members->source->name, "up",
                     (int)up, "unreached", (int)hearthd_unreached(h), "ring", "epoch",
                     (json_int_t)ring_epoch(ring), "digest", digest, "points",
                     (int)ring_points(ring), "members", members);
}

/* ---- OpenMetrics ---- */

static void print_members(const struct hearthd *h, FILE *out)
{
    fputs("# TYPE hearth_member_up gauge\n# HELP hearth_member_up an open channel leads there\n",
          out);
    for (uint32_t i = 0; i < h->cluster->member_count; i++)
        fprintf(out, "hearth_member_up{member=\"%s\"} %d\n", h->cluster->member[i].name,
                i == h->cluster->self || is_up((enum node_state)view_of(h, (uint16_t)i).state));
    fputs("# TYPE hearth_member_rtt_seconds gauge\n# HELP hearth_member_rtt_seconds round trip of "
          "its channel\n",
          out);
    for (uint32_t i = 0; i < h->cluster->member_count; i++)
        if (i != h->cluster->self)
            fprintf(out, "hearth_member_rtt_seconds{member=\"%s\"} %.6f\n",
                    h->cluster->member[i].name, (double)view_of(h, (uint16_t)i).rtt_us / 1e6);
    fputs("# TYPE hearth_member_ring_differs gauge\n# HELP hearth_member_ring_differs it has "
          "another ring\n",
          out);
    for (uint32_t i = 0; i < h->cluster->member_count; i++)
        if (i != h->cluster->self)
            fprintf(out, "hearth_member_ring_differs{member=\"%s\"} %d\n",
                    h->cluster->member[i].name, view_of(h, (uint16_t)i).ring_differs);
}

static void print_counter(FILE *out, const char *name, const char *text, uint64_t value)
{
    fprintf(out, "# TYPE hearth_%s counter\n# HELP hearth_%s %s\nhearth_%s_total %llu\n", name,
            name, text, name, (unsigned long long)value);
}

static void print_notes(const struct hearthd *h, FILE *out)
{
    const struct messenger_counts m = messenger_counts(h->messenger);
    const struct tail_counts *t = &h->tail.counts;
    uint64_t refused = 0;

    for (int i = 0; i <= CAPABILITY_SPENT; i++)
        refused += t->refused[i];
    print_counter(out, "note_sent", "messages to control threads of other nodes", m.sent);
    print_counter(out, "note_unsent", "of these, too long or for a full ring", m.unsent);
    print_counter(out, "note_received", "messages of control threads of other nodes", m.received);
    print_counter(out, "note_bad", "of these, malformed", m.bad + t->bad);
    print_counter(out, "note_in_dropped", "lost by a full ring on their way in", m.dropped);
    print_counter(out, "tail_given", "log lines sent to nodes that tail a script", t->given);
    print_counter(out, "tail_lost", "log lines that did not fit", t->lost);
    print_counter(out, "tail_taken", "log lines of other nodes", t->taken);
    print_counter(out, "tail_refused", "log lines of other nodes without a good capability",
                  refused);
    for (int i = 0; i < BEHALF_REFUSAL_KINDS; i++) {
        char name[64];

        snprintf(name, sizeof(name), "member_refused_%s", behalf_refusal_name[i]);
        print_counter(out, name, behalf_refusal_text[i], t->behalf.refused[i]);
    }
}

void export_cluster_metrics(const struct hearthd *h, FILE *out)
{
    fputs("# TYPE hearth_node_state stateset\n# HELP hearth_node_state what this node says of "
          "itself\n",
          out);
    for (uint32_t state = NODE_JOINING; state < NODE_STATES; state++)
        fprintf(out, "hearth_node_state{hearth_node_state=\"%s\"} %d\n",
                node_state_name((enum node_state)state),
                (uint32_t)node_life_state(&h->life) == state);
    fprintf(out,
            "# TYPE hearth_ring_epoch gauge\n# HELP hearth_ring_epoch rings built\n"
            "hearth_ring_epoch %llu\n",
            (unsigned long long)h->ring_epoch);
    if (!h->keys.is_set)
        return;
    print_members(h, out);
    print_notes(h, out);
}
