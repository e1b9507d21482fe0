#include "runtime/worker/source_map.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Where a line of the module begins, and what its first segment is relative to. */
struct line {
    uint32_t at;
    int32_t source, line, column;
};

struct source_map {
    json_t *json;
    const json_t *sources;
    const char *mappings;
    size_t bytes;
    struct line *lines;
    uint32_t count;
};

struct segment {
    int32_t column, source, line, original_column;
    bool has_source;
};

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* False: there is none. What does not fit into 32 bits wraps. */
static bool read_number(const char **p, const char *end, int32_t *out)
{
    uint64_t value = 0;
    unsigned shift = 0;
    int digit;

    do {
        if (*p == end || (digit = digit_of(**p)) < 0)
            return false;
        if (shift < 40)
            value |= (uint64_t)(digit & 31) << shift;
        shift += 5;
        (*p)++;
    } while (digit & 32);
    *out = (int32_t)((uint32_t)(value >> 1) * (value & 1 ? UINT32_MAX : 1));
    return true;
}

static int32_t plus(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

/* Advances s by the segment at *p, and *p behind it. */
static void read_segment(const char **p, const char *end, struct segment *s)
{
    int32_t step[5];
    unsigned n = 0;

    while (n < 5 && read_number(p, end, &step[n]))
        n++;
    while (*p < end && **p != ',' && **p != ';')
        (*p)++;
    if (n >= 1)
        s->column = plus(s->column, step[0]);
    s->has_source = n >= 4;
    if (s->has_source) {
        s->source = plus(s->source, step[1]);
        s->line = plus(s->line, step[2]);
        s->original_column = plus(s->original_column, step[3]);
    }
}

static bool index_lines(struct source_map *m)
{
    const char *p = m->mappings, *end = p + m->bytes;
    struct segment s = {0};
    uint32_t count = 1, at = 0;

    for (const char *c = p; c < end; c++)
        count += *c == ';';
    if (count > SOURCE_MAP_LINES_MAX || m->bytes > UINT32_MAX)
        return false;
    m->lines = calloc(count, sizeof(*m->lines));
    if (!m->lines)
        return false;
    m->count = count;
    m->lines[0] = (struct line){0};
    while (p < end) {
        if (*p == ';') {
            p++;
            m->lines[++at] =
                (struct line){(uint32_t)(p - m->mappings), s.source, s.line, s.original_column};
            s.column = 0;
        } else if (*p == ',') {
            p++;
        } else {
            read_segment(&p, end, &s);
        }
    }
    return true;
}

struct source_map *source_map_new(const char *json, size_t len)
{
    struct source_map *m = calloc(1, sizeof(*m));
    const json_t *mappings;

    if (!m)
        return NULL;
    m->json = json_loadb(json, len, 0, NULL);
    m->sources = json_object_get(m->json, "sources");
    mappings = json_object_get(m->json, "mappings");
    m->mappings = json_string_value(mappings);
    m->bytes = json_string_length(mappings);
    if (m->mappings && json_is_array(m->sources) && index_lines(m))
        return m;
    source_map_free(m);
    return NULL;
}

void source_map_free(struct source_map *m)
{
    if (!m)
        return;
    json_decref(m->json);
    free(m->lines);
    free(m);
}

bool source_map_find(const struct source_map *m, uint32_t line, uint32_t column,
                     struct source_place *out)
{
    struct segment s, best = {0};
    const char *p, *end = m->mappings + m->bytes;

    if (line == 0 || line > m->count || column == 0 || column > INT32_MAX)
        return false;
    const struct line *l = &m->lines[line - 1];

    s = (struct segment){0, l->source, l->line, l->column, false};
    for (p = m->mappings + l->at; p < end && *p != ';';) {
        if (*p == ',') {
            p++;
            continue;
        }
        read_segment(&p, end, &s);
        if (s.column > (int32_t)column - 1)
            break;
        best = s;
    }
    if (!best.has_source || best.source < 0 || best.line < 0 || best.original_column < 0)
        return false;
    out->source = json_string_value(json_array_get(m->sources, (size_t)best.source));
    out->line = (uint32_t)best.line + 1;
    out->column = (uint32_t)best.original_column + 1;
    return out->source != NULL;
}
