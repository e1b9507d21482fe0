#include "tests/sim/datacentre/variant.h"

#include <stddef.h>
#include <string.h>

const struct variant variants[VARIANTS] = {
    {.name = "none"},
    {.name = "sharded", .has_homes = true},
    {.name = "hot-local", .has_homes = true, .has_hot = true},
    {.name = "bounded", .has_homes = true, .has_hot = true, .has_widths = true},
    {.name = "learned", .has_homes = true, .has_hot = true, .has_widths = true, .has_values = true},
    {.name = "hand-over",
     .has_homes = true,
     .has_hot = true,
     .has_widths = true,
     .has_values = true,
     .has_hand_over = true},
    {.name = "hello",
     .has_homes = true,
     .has_hot = true,
     .has_widths = true,
     .has_values = true,
     .has_hand_over = true,
     .has_hello = true},
    {.name = "snapshots",
     .has_homes = true,
     .has_hot = true,
     .has_widths = true,
     .has_values = true,
     .has_hand_over = true,
     .has_hello = true,
     .has_snapshots = true},
};

const struct variant *variant_find(const char *name)
{
    for (int i = 0; i < VARIANTS; i++) {
        if (strcmp(variants[i].name, name) == 0)
            return &variants[i];
    }
    return NULL;
}
