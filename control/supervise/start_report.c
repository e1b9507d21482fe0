#include "control/supervise/start_report.h"

#include <string.h>

#include "control/base/json_field.h"

/* 2^53 microseconds are more than any start takes. */
static const uint64_t number_max = (uint64_t)1 << 53;

static void read_nothing(struct start_report *out, struct json_reader *r)
{
    (void)out;
    (void)r;
}

static void read_loaded(struct start_report *out, struct json_reader *r)
{
    out->us = json_reader_number(r, "us", number_max);
    json_reader_text(r, "error", out->text, sizeof(out->text));
}

static void read_spoiled(struct start_report *out, struct json_reader *r)
{
    json_reader_text(r, "why", out->text, sizeof(out->text));
    out->serves = json_reader_flag(r, "serves");
}

static bool is_level(const char *text)
{
    static const char *const levels[] = {"debug", "log", "info", "warn", "error"};

    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
        if (!strcmp(text, levels[i]))
            return true;
    return false;
}

/* "", or the digits of an id. */
static bool is_request(const char *text)
{
    size_t len = strlen(text);

    return len == 0 || (len == START_REQUEST_CHARS && strspn(text, "0123456789abcdef") == len);
}

static void read_log(struct start_report *out, struct json_reader *r)
{
    json_reader_text(r, "request", out->request, sizeof(out->request));
    json_reader_text(r, "level", out->level, sizeof(out->level));
    json_reader_text(r, "text", out->text, sizeof(out->text));
    r->is_bad |= !is_request(out->request) || !is_level(out->level);
}

static const struct {
    const char *name;
    enum start_report_kind kind;
    void (*read)(struct start_report *, struct json_reader *);
} kinds[] = {
    {"ready", START_REPORT_READY, read_nothing},  {"pong", START_REPORT_PONG, read_nothing},
    {"loaded", START_REPORT_LOADED, read_loaded}, {"spoiled", START_REPORT_SPOILED, read_spoiled},
    {"log", START_REPORT_LOG, read_log},          {"door", START_REPORT_DOOR, read_nothing},
};

bool start_report_read(struct start_report *out, const uint8_t *packet, size_t bytes)
{
    json_t *object = json_loadb((const char *)packet, bytes, JSON_REJECT_DUPLICATES, NULL);
    struct json_reader r = json_reader(object);
    const char *type = field_text(object, "type");
    bool is_known = false;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !is_known; i++) {
        if (strcmp(type, kinds[i].name))
            continue;
        is_known = true;
        out->kind = kinds[i].kind;
        kinds[i].read(out, &r);
    }
    json_decref(object);
    return is_known && !r.is_bad;
}
