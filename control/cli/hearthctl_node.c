/* hearthctl node, tune: this node among the others, and the knobs of placement. */
#include <stdio.h>
#include <string.h>

#include "control/base/json_field.h"
#include "control/cli/hearthctl.h"

/* ---- tune ---- */

int hearthctl_tune(const struct options *o, const struct command *c)
{
    json_t *set = json_array();

    for (int i = 0; i < o->argc; i++)
        json_array_append_new(set, json_string(o->argv[i]));
    return hearthctl_ask(o, c, json_pack("{s:s, s:o}", "command", "tune", "set", set), NULL, 0);
}

void print_tune(const json_t *j)
{
    const json_t *k;
    size_t i;

    printf("%-20s %10s %10s %10s\n", "KEY", "VALUE", "FILE", "DEFAULT");
    json_array_foreach(json_object_get(j, "tune"), i, k)
    {
        printf("%-20s %10lld %10lld %10lld  %s\n", field_text(k, "key"), field_number(k, "value"),
               field_number(k, "configured"), field_number(k, "default"), field_text(k, "text"));
    }
    if (json_is_true(json_object_get(j, "changed")))
        printf("\nIn effect now, on this node. The configuration file is as it was: a reload or a "
               "restart goes back to it.\n");
}

/* ---- node ---- */

static void print_state(const json_t *j)
{
    printf("%s is %s", field_text(j, "node"), field_text(j, "state"));
    if (json_object_get(j, "handed"))
        printf(": %lld hand-overs of warm scripts to their next homes", field_number(j, "handed"));
    printf("\n");
}

static void print_member(const json_t *m)
{
    const json_t *heard = json_object_get(m, "heard_ms");
    bool is_self = json_is_true(json_object_get(m, "self"));
    char where[80];

    snprintf(where, sizeof(where), "%s:%lld", field_text(m, "address"), field_number(m, "port"));
    printf("%-16s %-9s %-24s %5.1f%% ", field_text(m, "name"), field_text(m, "state"), where,
           100 * json_real_value(json_object_get(m, "share")));
    if (is_self)
        printf(" (this node)");
    else if (json_object_get(m, "channels"))
        printf(" %5.1f%% %8lld %8lld %5lld  %-7s", (double)field_number(m, "load_permille") / 10,
               field_number(m, "queue_us"), field_number(m, "rtt_us"), field_number(m, "channels"),
               json_is_true(json_object_get(m, "ring_agrees")) ? "same" : "DIFFERS");
    else
        printf(" %6s %8s %8s %5s  %-7s", "-", "-", "-", "-", "-");
    if (heard)
        printf(" %.0f ms", json_real_value(heard));
    printf("\n");
}

void print_cluster(const json_t *j)
{
    const json_t *ring = json_object_get(j, "ring"), *members = json_object_get(j, "members"), *m;
    size_t i;

    if (json_is_true(json_object_get(j, "alone"))) {
        printf("%s is alone: its configuration has no cluster\n", field_text(j, "node"));
        return;
    }
    printf("%s is %s; %lld of %zu members are up; ring epoch %lld, digest %s\n\n",
           field_text(j, "node"), field_text(j, "state"), field_number(j, "up"),
           json_array_size(members), field_number(ring, "epoch"), field_text(ring, "digest"));
    if (field_number(j, "unreached"))
        printf("%lld channels to members are missing, for every one that a core has is in use: "
               "restart "
               "hearthd\n\n",
               field_number(j, "unreached"));
    printf("%-16s %-9s %-24s %6s  %6s %8s %8s %5s  %-7s HEARD\n", "MEMBER", "STATE", "ADDRESS",
           "SHARE", "LOAD", "QUEUE us", "RTT us", "CHANS", "RING");
    json_array_foreach(members, i, m)
    {
        print_member(m);
    }
}

int hearthctl_node(const struct options *o, const struct command *c)
{
    static const struct {
        const char *what, *command;
        void (*print)(const json_t *);
    } rows[] = {
        {"status", "node status", print_cluster},
        {"drain", "node drain", print_state},
        {"undrain", "node undrain", print_state},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct command row = *c;

        row.print = rows[i].print;
        if (!strcmp(o->argv[0], rows[i].what))
            return hearthctl_ask(o, &row, json_pack("{s:s}", "command", rows[i].command), NULL, 0);
    }
    return hearthctl_fail(o, USAGE, "node status, node drain or node undrain");
}

/* ---- why ---- */

int hearthctl_why(const struct options *o, const struct command *c)
{
    return hearthctl_ask(o, c, json_pack("{s:s, s:s}", "command", "why", "request", o->argv[0]),
                         NULL, 0);
}

/* One line per event: when, where, and the sentence, further in for each call that it is nested
 * in. */
void print_why(const json_t *j)
{
    const json_t *events = json_object_get(j, "events"), *e;
    size_t i;

    printf("request %s, as %s recorded it:\n", field_text(j, "request"), field_text(j, "told_by"));
    json_array_foreach(events, i, e)
    {
        char where[80];

        if (json_is_integer(json_object_get(e, "core")))
            snprintf(where, sizeof(where), "%s/%lld", field_text(e, "node"),
                     field_number(e, "core"));
        else
            snprintf(where, sizeof(where), "%s", field_text(e, "node"));
        printf("%+12.1f us  %-12s %*s%s\n", json_real_value(json_object_get(e, "us")), where,
               (int)(2 * field_number(e, "depth")), "", field_text(e, "text"));
    }
    if (json_is_true(json_object_get(j, "cut")))
        printf("... and more: only the first %zu events are told\n", json_array_size(events));
}
