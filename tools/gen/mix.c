#include "tools/gen/mix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct mix *m, int kind, uint32_t weight)
{
    for (uint32_t i = 0; i < weight && m->slots < MIX_SLOTS_MAX; i++)
        m->slot[m->slots++] = (uint8_t)kind;
}

static bool add_named(struct mix *m, const char *name, size_t bytes, uint32_t weight)
{
    uint32_t slots = m->slots;
    bool is_garbage = bytes == strlen("garbage") && memcmp(name, "garbage", bytes) == 0;
    for (int kind = 0; kind < PACKET_MIX_END; kind++) {
        const char *its = packet_rule[kind].name;
        if ((is_garbage && kind >= PACKET_GARBAGE_FIRST && kind < PACKET_GARBAGE_END) ||
            (strlen(its) == bytes && memcmp(its, name, bytes) == 0))
            add(m, kind, weight);
    }
    return m->slots > slots;
}

bool mix_parse(struct mix *m, const char *text, char *error, size_t error_bytes)
{
    m->slots = 0;
    while (*text) {
        size_t bytes = strcspn(text, ","), name_bytes = strcspn(text, ",=");
        unsigned long weight = 1;
        char *end = (char *)text + name_bytes;
        if (name_bytes < bytes)
            weight = strtoul(text + name_bytes + 1, &end, 10);
        if (end != text + bytes || weight < 1 || weight > MIX_WEIGHT_MAX ||
            !add_named(m, text, name_bytes, (uint32_t)weight)) {
            snprintf(error, error_bytes,
                     "\"%.*s\": a mix has kinds and numbers from 1 to %d: syn=3,hello", (int)bytes,
                     text, MIX_WEIGHT_MAX);
            return false;
        }
        text += bytes + (text[bytes] == ',');
    }
    return true;
}
