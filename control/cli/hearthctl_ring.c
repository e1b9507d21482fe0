/* hearthctl ring: who is home to what, and what a change of the members would move. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/base/json_field.h"
#include "control/cli/hearthctl.h"

enum { NAMES_SHOWN_MAX = 20 }; /* of one move; --json has them all */

static double percent(const json_t *j, const char *key)
{
    return 100 * json_number_value(json_object_get(j, key));
}

static void print_names(const json_t *names, size_t max)
{
    const json_t *name;
    size_t i;

    json_array_foreach(names, i, name)
    {
        if (i == max) {
            printf(", and %zu more", json_array_size(names) - i);
            break;
        }
        printf("%s%s", i ? ", " : "", json_string_value(name));
    }
}

/* ---- show ---- */

static void print_show(const json_t *j)
{
    const json_t *m;
    size_t i;

    printf("epoch %lld  digest %s  members %zu  points %lld  scripts %lld\n\n",
           field_number(j, "epoch"), field_text(j, "digest"),
           json_array_size(json_object_get(j, "members")), field_number(j, "points"),
           field_number(j, "scripts"));
    printf("%-24s %7s %7s %7s %8s  STATE\n", "NODE", "WEIGHT", "POINTS", "SHARE", "SCRIPTS");
    json_array_foreach(json_object_get(j, "members"), i, m)
    {
        printf("%-24s %7lld %7lld %6.2f%% %8lld  %s%s\n", field_text(m, "name"),
               field_number(m, "weight"), field_number(m, "points"), percent(m, "share"),
               field_number(m, "scripts"), field_text(m, "state"),
               json_is_true(json_object_get(m, "self")) ? "  (this node)" : "");
    }
}

/* ---- locate ---- */

static void print_locate(const json_t *j)
{
    const json_t *s;
    size_t i;

    printf("%-24s %-16s  %-24s %-9s SUCCESSORS\n", "SCRIPT", "HASH", "HOME", "STATE");
    json_array_foreach(json_object_get(j, "scripts"), i, s)
    {
        printf("%-24s %-16s  %-24s %-9s ", field_text(s, "name"), field_text(s, "hash"),
               *field_text(s, "home") ? field_text(s, "home") : "none: no member has a weight",
               field_text(s, "state"));
        print_names(json_object_get(s, "successors"), SIZE_MAX);
        printf("\n");
    }
}

/* ---- plan ---- */

static void print_plan(const json_t *j)
{
    const json_t *move, *m;
    size_t i;

    printf("%s %s (weight %lld) moves %.2f%% of the ring and %lld of %lld scripts. Nothing was "
           "changed.\n\n",
           strcmp(field_text(j, "change"), "remove") ? "adding" : "removing", field_text(j, "node"),
           field_number(j, "weight"), percent(j, "share"), field_number(j, "scripts_moved"),
           field_number(j, "scripts"));
    printf("%-24s %-24s %7s %8s\n", "FROM", "TO", "SHARE", "SCRIPTS");
    json_array_foreach(json_object_get(j, "moves"), i, move)
    {
        const json_t *scripts = json_object_get(move, "scripts");

        printf("%-24s %-24s %6.2f%% %8zu  ", field_text(move, "from"), field_text(move, "to"),
               percent(move, "share"), json_array_size(scripts));
        print_names(scripts, NAMES_SHOWN_MAX);
        printf("\n");
    }
    printf("\n%-24s %7s %7s %7s\n", "NODE", "WEIGHT", "NOW", "AFTER");
    json_array_foreach(json_object_get(j, "members"), i, m)
    {
        printf("%-24s %7lld %6.2f%% %6.2f%%\n", field_text(m, "name"), field_number(m, "weight"),
               percent(m, "share"), percent(m, "share_after"));
    }
    printf("\ndigest %s now, %s after\n", field_text(j, "digest"), field_text(j, "digest_after"));
}

/* NODE[:WEIGHT]. Consumes nothing; NULL: not of that form. */
static json_t *plan_addition(const char *spec)
{
    const char *colon = strchr(spec, ':');
    size_t bytes = colon ? (size_t)(colon - spec) : strlen(spec);
    char *end = NULL;
    long weight;

    if (!bytes)
        return NULL;
    if (!colon)
        return json_pack("{s:s, s:s}", "command", "ring plan", "add", spec);
    weight = strtol(colon + 1, &end, 10);
    if (!colon[1] || *end)
        return NULL;
    return json_pack("{s:s, s:s%, s:I}", "command", "ring plan", "add", spec, bytes, "weight",
                     (json_int_t)weight);
}

static int run_plan(const struct options *o, const struct command *c)
{
    json_t *request;

    if (!o->add == !o->remove || o->argc != 1)
        return hearthctl_fail(o, USAGE, "ring plan --add NODE[:WEIGHT] or ring plan --remove NODE");
    if (o->remove)
        return hearthctl_ask(
            o, c, json_pack("{s:s, s:s}", "command", "ring plan", "remove", o->remove), NULL, 0);
    request = plan_addition(o->add);
    if (!request)
        return hearthctl_fail(o, USAGE,
                              "--add wants NODE or NODE:WEIGHT, a weight of 100 being one share");
    return hearthctl_ask(o, c, request, NULL, 0);
}

int hearthctl_ring(const struct options *o, const struct command *c)
{
    struct command with_print = *c;
    const char *what = o->argv[0];

    if (!strcmp(what, "plan")) {
        with_print.print = print_plan;
        return run_plan(o, &with_print);
    }
    if (!strcmp(what, "show") && o->argc == 1) {
        with_print.print = print_show;
        return hearthctl_ask(o, &with_print, json_pack("{s:s}", "command", "ring show"), NULL, 0);
    }
    if (!strcmp(what, "locate") && o->argc == 2) {
        with_print.print = print_locate;
        return hearthctl_ask(o, &with_print,
                             json_pack("{s:s, s:s}", "command", "ring locate", "what", o->argv[1]),
                             NULL, 0);
    }
    return hearthctl_fail(o, USAGE,
                          "ring show, ring locate HOST-or-SCRIPT or ring plan --add|--remove NODE");
}
