#include "control/daemon/tail.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "control/base/json_field.h"
#include "control/deploy/script_id.h"
#include "control/deploy/store.h"
#include "dataplane/base/note.h"
#include "runtime/start.h"

enum { SEALED_CHARS = 2 * CAPABILITY_BYTES };

static void seal_format(char out[SEALED_CHARS + 1], const uint8_t sealed[CAPABILITY_BYTES])
{
    for (int i = 0; i < CAPABILITY_BYTES; i++)
        snprintf(out + 2 * i, 3, "%02x", sealed[i]);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool seal_parse(uint8_t out[CAPABILITY_BYTES], const json_t *j)
{
    const char *text = json_string_value(j);

    if (json_string_length(j) != SEALED_CHARS)
        return false;
    for (int i = 0; i < CAPABILITY_BYTES; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* NULL: no name of a script. */
static const char *script_of(const json_t *j)
{
    const char *script = json_string_value(json_object_get(j, "script"));

    return script && strlen(script) <= SCRIPT_ID_BYTES_MAX ? script : NULL;
}

void tail_init(struct tail *t, uint64_t own_id, const uint8_t key[16], const struct tail_io *io)
{
    memset(t, 0, sizeof(*t));
    t->io = *io;
    capability_table_init(&t->table, own_id, CAPABILITY_CORE_CONTROL, key, t->slot, TAIL_SLOTS);
}

/* ---- what clients here want ---- */

static void forget(struct tail *t, struct tail_script *s)
{
    for (uint32_t i = 0; i < s->issued && i < TAIL_CAPABILITIES; i++)
        capability_revoke(&t->table, s->sealed[i]);
    s->number = 0;
}

static void ask(struct tail *t, struct tail_script *s, uint64_t now_ms)
{
    uint8_t *sealed = s->sealed[s->issued % TAIL_CAPABILITIES];
    char text[SEALED_CHARS + 1];
    bool is_issued;
    json_t *note;

    if (s->issued >= TAIL_CAPABILITIES)
        capability_revoke(&t->table, sealed);
    is_issued =
        capability_issue(&t->table, CAPABILITY_TAIL, s->number, now_ms + TAIL_LIFE_MS, sealed);
    assert(is_issued); /* there is a slot for each that can be out */
    s->issued++;
    seal_format(text, sealed);
    note = json_pack("{s:s, s:s, s:s}", "type", "tail", "script", s->script, "capability", text);
    behalf_write(&s->behalf, note);
    t->io.send(t->io.arg, NOTE_TO_ALL, note);
}

static bool is_wish(const struct tail_script *s, const struct tail_wish *w)
{
    return !strcmp(s->script, w->script) && behalf_is_same(&s->behalf, w->behalf);
}

static struct tail_script *find(struct tail *t, const struct tail_wish *wish)
{
    for (uint32_t i = 0; i < TAIL_SCRIPTS_MAX; i++)
        if (t->script[i].number && is_wish(&t->script[i], wish))
            return &t->script[i];
    return NULL;
}

static bool is_wanted(const struct tail_script *s, const struct tail_wish *wishes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (is_wish(s, &wishes[i]))
            return true;
    return false;
}

void tail_follow(struct tail *t, const struct tail_wish *wishes, uint32_t count, uint64_t now_ms)
{
    for (uint32_t i = 0; i < TAIL_SCRIPTS_MAX; i++)
        if (t->script[i].number && !is_wanted(&t->script[i], wishes, count))
            forget(t, &t->script[i]);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < TAIL_SCRIPTS_MAX && !find(t, &wishes[i]); k++) {
            struct tail_script *s = &t->script[k];

            if (s->number)
                continue;
            *s = (struct tail_script){.number = ++t->last_number, .behalf = *wishes[i].behalf};
            snprintf(s->script, sizeof(s->script), "%s", wishes[i].script);
        }
    }
    for (uint32_t i = 0; i < TAIL_SCRIPTS_MAX; i++)
        if (t->script[i].number)
            ask(t, &t->script[i], now_ms);
}

enum field_kind { FIELD_TEXT, FIELD_NUMBER, FIELD_FLAG };

/* What a line has, and how much of it; script and text always. */
static const struct {
    const char *key;
    enum field_kind kind;
    uint64_t max; /* bytes of a text */
} line_fields[] = {
    {"script", FIELD_TEXT, SCRIPT_ID_BYTES_MAX},    {"version", FIELD_TEXT, STORE_VERSION_CHARS},
    {"request", FIELD_TEXT, START_REQUEST_CHARS},   {"level", FIELD_TEXT, START_LEVEL_BYTES_MAX},
    {"text", FIELD_TEXT, START_LOG_TEXT_BYTES_MAX}, {"cell", FIELD_NUMBER, CELLS_MAX - 1},
    {"lost_before", FIELD_NUMBER, UINT32_MAX},      {"is_cut", FIELD_FLAG, 0},
};

/* What is known of it, and no more: another node says it to the clients here. NULL: no line. */
static json_t *read_line(const json_t *said)
{
    struct json_reader r = json_reader(said);
    char text[START_LOG_TEXT_BYTES_MAX + 1];
    json_t *line = json_object();

    for (size_t i = 0; i < sizeof(line_fields) / sizeof(line_fields[0]); i++) {
        const char *key = line_fields[i].key;
        json_t *value = NULL;

        if (!json_object_get(said, key))
            continue;
        if (line_fields[i].kind == FIELD_TEXT) {
            json_reader_text(&r, key, text, line_fields[i].max + 1);
            value = json_string(text);
        } else if (line_fields[i].kind == FIELD_NUMBER) {
            value = json_integer((json_int_t)json_reader_number(&r, key, line_fields[i].max));
        } else {
            value = json_boolean(json_reader_flag(&r, key));
        }
        json_object_set_new(line, key, value);
    }
    if (!r.is_bad && script_of(line) && json_object_get(line, "text"))
        return line;
    json_decref(line);
    return NULL;
}

/* To the clients here that the capability was issued for. */
static void show(struct tail *t, uint16_t from, const json_t *line, uint64_t number)
{
    const char *script = script_of(line);

    for (uint32_t i = 0; i < TAIL_SCRIPTS_MAX; i++) {
        const struct tail_script *s = &t->script[i];

        if (s->number != number || !script_id_is_of(script, s->script))
            continue;
        t->counts.taken++;
        t->io.show(t->io.arg, from, script, &(struct tail_wish){s->script, &s->behalf}, line);
        return;
    }
    t->counts.refused[CAPABILITY_OK]++;
}

void tail_take_line(struct tail *t, uint16_t from, const json_t *note, uint64_t now_ms)
{
    json_t *line = read_line(json_object_get(note, "line"));
    uint8_t sealed[CAPABILITY_BYTES];
    enum capability_result result;
    uint64_t number;

    if (!line || !seal_parse(sealed, json_object_get(note, "capability"))) {
        t->counts.bad++;
    } else {
        result = capability_redeem(&t->table, sealed, CAPABILITY_TAIL, now_ms, &number);
        if (result == CAPABILITY_OK)
            show(t, from, line, number);
        else
            t->counts.refused[result]++;
    }
    json_decref(line);
}

/* ---- what other nodes want ---- */

/* The request of that node for that script, or a place for it; NULL: no place. */
static struct tail_request *place_for(struct tail *t, uint16_t node, const char *script,
                                      const char *wanted, uint64_t now_ms)
{
    struct tail_request *place = NULL;
    uint32_t of_node = 0;

    for (uint32_t i = 0; i < TAIL_REQUESTS_MAX; i++) {
        struct tail_request *r = &t->request[i];

        r->is_used &= now_ms < r->expires_ms;
        if (r->is_used && r->node == node && !strcmp(r->script, script) &&
            !strcmp(r->wanted, wanted))
            return r;
        of_node += r->is_used && r->node == node;
        if (!r->is_used && !place)
            place = r;
    }
    /* More than it can have asked for: the places are for all members. */
    return of_node < TAIL_SCRIPTS_MAX ? place : NULL;
}

void tail_take_request(struct tail *t, uint16_t from, const char *wanted, const json_t *note,
                       uint64_t now_ms)
{
    const char *script = script_of(note);
    uint8_t sealed[CAPABILITY_BYTES];
    struct tail_request *r;

    if (!script || !seal_parse(sealed, json_object_get(note, "capability"))) {
        t->counts.bad++;
        return;
    }
    if (!behalf_covers(wanted, script, &t->counts.behalf))
        return;
    r = place_for(t, from, script, wanted, now_ms);
    if (!r)
        return; /* bounded: the asker tries again in TAIL_RENEW_MS */
    if (!r->is_used) {
        *r = (struct tail_request){.is_used = true, .node = from};
        snprintf(r->script, sizeof(r->script), "%s", script);
        snprintf(r->wanted, sizeof(r->wanted), "%s", wanted);
    }
    memcpy(r->sealed, sealed, sizeof(r->sealed));
    r->expires_ms = now_ms + TAIL_LIFE_MS;
}

/* How many of the first `max` bytes are whole characters. */
static size_t whole_characters(const char *text, size_t max)
{
    while (max && ((unsigned char)text[max] & 0xc0) == 0x80)
        max--;
    return max;
}

static json_t *line_note(const struct tail_request *r, const json_t *line)
{
    char sealed[SEALED_CHARS + 1];
    json_t *copy = json_copy((json_t *)line), *note;

    seal_format(sealed, r->sealed);
    if (r->lost)
        json_object_set_new(copy, "lost_before", json_integer(r->lost));
    note = json_pack("{s:s, s:s, s:o}", "type", "line", "capability", sealed, "line", copy);
    /* Control characters take six bytes each in JSON: how long it is shows only when it is
     * written. */
    while (note && json_dumpb(note, NULL, 0, JSON_COMPACT) > NOTE_BYTES_MAX) {
        const json_t *text = json_object_get(copy, "text");
        size_t half = whole_characters(json_string_value(text), json_string_length(text) / 2);

        if (!half)
            break; /* whatever it is, it is not the text: messenger_send refuses it */
        json_object_set_new(copy, "text", json_stringn(json_string_value(text), half));
        json_object_set_new(copy, "is_cut", json_true());
    }
    return note;
}

void tail_give(struct tail *t, const char *script, const json_t *line, uint64_t now_ms)
{
    for (uint32_t i = 0; i < TAIL_REQUESTS_MAX; i++) {
        struct tail_request *r = &t->request[i];

        if (!r->is_used || now_ms >= r->expires_ms || !script_id_is_of(script, r->script))
            continue;
        if (t->io.send(t->io.arg, r->node, line_note(r, line))) {
            t->counts.given++;
            r->lost = 0;
        } else {
            t->counts.lost++;
            r->lost++;
        }
    }
}
