#include "control/daemon/ctl_reader.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

void ctl_reader_init(struct ctl_reader *r)
{
    *r = (struct ctl_reader){.wanted = sizeof(r->head)};
}

void ctl_reader_fini(struct ctl_reader *r)
{
    json_decref(r->json);
    free(r->bytes);
    *r = (struct ctl_reader){.phase = CTL_READS_NOTHING};
}

void ctl_reader_next(struct ctl_reader *r)
{
    ctl_reader_fini(r);
    ctl_reader_init(r);
}

size_t ctl_reader_room(struct ctl_reader *r, uint8_t **at)
{
    *at = (r->phase == CTL_READS_LENGTH ? r->head : r->bytes) + r->used;
    return r->phase == CTL_READS_NOTHING ? 0 : r->wanted - r->used;
}

static enum ctl_read bad(struct ctl_reader *r, const char *reason)
{
    ctl_reader_fini(r);
    r->reason = reason;
    return CTL_READ_BAD;
}

/* So many bytes of the next phase; none has come yet. */
static enum ctl_read await_bytes(struct ctl_reader *r, int phase, size_t wanted)
{
    free(r->bytes);
    r->bytes = malloc(wanted);
    r->phase = phase;
    r->used = 0;
    r->wanted = wanted;
    return r->bytes ? CTL_READ_MORE : bad(r, "no memory");
}

static enum ctl_read take_length(struct ctl_reader *r)
{
    uint32_t len = r->head[0] | r->head[1] << 8 | r->head[2] << 16 | (uint32_t)r->head[3] << 24;

    if (!len || len > CTL_FRAME_BYTES_MAX)
        return bad(r, len ? "the request is too large" : "the request is empty");
    return await_bytes(r, CTL_READS_JSON, len);
}

/* Brackets that are open at once, outside of strings. What is no JSON may count wrong: the parser
 * refuses it. */
static bool is_too_deep(const uint8_t *text, size_t bytes)
{
    unsigned depth = 0;
    bool is_string = false;

    for (size_t i = 0; i < bytes; i++) {
        if (is_string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            is_string = !is_string;
        else if (!is_string && (text[i] == '{' || text[i] == '['))
            depth++;
        else if (!is_string && (text[i] == '}' || text[i] == ']') && depth)
            depth--;
        if (depth > CTL_DEPTH_MAX)
            return true;
    }
    return false;
}

static enum ctl_read whole(struct ctl_reader *r)
{
    r->phase = CTL_READS_NOTHING;
    return CTL_READ_WHOLE;
}

static enum ctl_read take_json(struct ctl_reader *r)
{
    const json_t *payload;
    json_int_t bytes;

    if (is_too_deep(r->bytes, r->used))
        return bad(r, "the request is nested too deeply");
    r->json = json_loadb((char *)r->bytes, r->used, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(r->json))
        return bad(r, "a request is a JSON object");
    payload = json_object_get(r->json, "payload");
    bytes = json_integer_value(payload);
    if (payload && (!json_is_integer(payload) || bytes < 0 || bytes > CTL_PAYLOAD_BYTES_MAX))
        return bad(r, "the payload is too large");
    if (!json_is_string(json_object_get(r->json, "command")))
        return bad(r, "a request has a \"command\"");
    r->used = 0;
    return bytes ? await_bytes(r, CTL_READS_PAYLOAD, (size_t)bytes) : whole(r);
}

enum ctl_read ctl_reader_took(struct ctl_reader *r, size_t bytes)
{
    assert(r->phase != CTL_READS_NOTHING && bytes <= r->wanted - r->used);
    r->used += bytes;
    if (r->used < r->wanted)
        return CTL_READ_MORE;
    switch (r->phase) {
    case CTL_READS_LENGTH:
        return take_length(r);
    case CTL_READS_JSON:
        return take_json(r);
    default:
        return whole(r);
    }
}
