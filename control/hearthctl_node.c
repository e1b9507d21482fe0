/* hearthctl node, tune: this node among the others, and the knobs of placement. */
#include <stdio.h>
#include <string.h>

#include "control/hearthctl.h"

static const char *text(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));

    return s ? s : "";
}

static long long number(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

/* ---- tune ---- */

int run_tune(const struct options *o, const struct command *c)
{
    json_t *set = json_array();

    for (int i = 0; i < o->argc; i++)
        json_array_append_new(set, json_string(o->argv[i]));
    return ask(o, c, json_pack("{s:s, s:o}", "command", "tune", "set", set), NULL, 0);
}

void print_tune(const json_t *j)
{
    const json_t *k;
    size_t i;

    printf("%-20s %10s %10s %10s\n", "KEY", "VALUE", "FILE", "DEFAULT");
    json_array_foreach(json_object_get(j, "tune"), i, k)
    {
        printf("%-20s %10lld %10lld %10lld  %s\n", text(k, "key"), number(k, "value"),
               number(k, "configured"), number(k, "default"), text(k, "text"));
    }
    if (json_is_true(json_object_get(j, "changed")))
        printf("\nIn effect now, on this node. The configuration file is as it was: a reload or a "
               "restart goes back to it.\n");
}

/* ---- node ---- */

static void print_state(const json_t *j)
{
    printf("%s is %s", text(j, "node"), text(j, "state"));
    if (json_object_get(j, "handed"))
        printf(": %lld scripts were handed over", number(j, "handed"));
    printf("\n");
}

int run_node(const struct options *o, const struct command *c)
{
    struct command with_print = *c;
    const char *what = o->argv[0];

    with_print.print = print_state;
    if (!strcmp(what, "drain"))
        return ask(o, &with_print, json_pack("{s:s}", "command", "node drain"), NULL, 0);
    if (!strcmp(what, "undrain"))
        return ask(o, &with_print, json_pack("{s:s}", "command", "node undrain"), NULL, 0);
    return fail(o, USAGE, "node status, node drain or node undrain");
}
