#include "runtime/worker/stack_trace.h"

#include <stdio.h>
#include <string.h>

#include "runtime/worker/script.h"
#include "runtime/worker/source_map.h"

struct place {
    const char *at; /* where it begins in the text */
    size_t bytes;
    struct script_module *module;
    uint32_t line, column;
};

/* ":12": *p behind it. 0: it is none. */
static uint32_t number_behind_colon(const char **p, const char *end)
{
    const char *c = *p + 1;
    uint64_t n = 0;

    if (*p == end || **p != ':')
        return 0;
    for (; c < end && *c >= '0' && *c <= '9' && n < UINT32_MAX; c++)
        n = n * 10 + (uint64_t)(*c - '0');
    *p = c;
    return n < UINT32_MAX ? (uint32_t)n : 0;
}

/* A name of a built module with ":LINE:COLUMN", behind which the name begins. */
static bool place_at(struct script_module *m, const char *text, const char *at, const char *end,
                     struct place *out)
{
    const char *p = at + strlen(m->name);

    if (at > text && !strchr(" (\n", at[-1]))
        return false;
    *out = (struct place){.at = at, .module = m};
    out->line = number_behind_colon(&p, end);
    out->column = out->line ? number_behind_colon(&p, end) : 0;
    out->bytes = (size_t)(p - at);
    return out->column != 0;
}

/* The first one from p on. */
static bool next_place(struct script *s, const char *text, const char *p, const char *end,
                       struct place *out)
{
    bool is_found = false;

    for (size_t i = 0; i < s->module_count; i++) {
        struct script_module *m = &s->modules[i];
        struct place place;
        const char *at = p;

        while (m->map && (at = memmem(at, (size_t)(end - at), m->name, strlen(m->name)))) {
            if (place_at(m, text, at, end, &place)) {
                if (!is_found || place.at < out->at)
                    *out = place;
                is_found = true;
                break;
            }
            at++;
        }
    }
    return is_found;
}

static const struct source_map *map_of(struct script_module *m)
{
    if (!m->map->is_read) {
        m->map->is_read = true;
        m->map->source_map = source_map_new(m->map->text, m->map->len);
    }
    return m->map->source_map;
}

struct writer {
    char *out;
    size_t used, room; /* room: without the NUL */
};

static void put(struct writer *w, const char *text, size_t len)
{
    if (len > w->room - w->used)
        len = w->room - w->used;
    memcpy(w->out + w->used, text, len);
    w->used += len;
}

static void put_place(struct writer *w, const struct place *place)
{
    const struct source_map *map = map_of(place->module);
    struct source_place source;
    char numbers[32];

    if (!map || !source_map_find(map, place->line, place->column, &source)) {
        put(w, place->at, place->bytes);
        return;
    }
    put(w, source.source, strlen(source.source));
    put(w, numbers,
        (size_t)snprintf(numbers, sizeof(numbers), ":%u:%u", source.line, source.column));
}

size_t stack_trace_map(struct script *s, const char *text, size_t len, char *out, size_t room)
{
    struct writer w = {.out = out, .room = room - 1};
    const char *p = text, *end = text + len;
    struct place place;

    for (int n = 0; s && n < STACK_TRACE_PLACES_MAX && next_place(s, text, p, end, &place); n++) {
        put(&w, p, (size_t)(place.at - p));
        put_place(&w, &place);
        p = place.at + place.bytes;
    }
    put(&w, p, (size_t)(end - p));
    w.out[w.used] = '\0';
    return w.used;
}
