#include "control/supervise/start_report.h"

#include <string.h>

#include "control/base/json_field.h"

/* A process has up to 65,536 scripts, and 2^53 bytes or microseconds are more than it can ever
 * have. */
static const uint64_t handle_max = UINT32_MAX, number_max = (uint64_t)1 << 53;

static void read_ready(struct start_report *out, struct json_reader *r)
{
    json_reader_text(r, "v8", out->v8, sizeof(out->v8));
}

static void read_pong(struct start_report *out, struct json_reader *r)
{
    out->told = json_reader_number(r, "told", handle_max);
}

static void read_loaded(struct start_report *out, struct json_reader *r)
{
    out->handle = json_reader_number(r, "handle", handle_max);
    json_reader_text(r, "error", out->text, sizeof(out->text));
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
    out->handle = json_reader_number(r, "handle", handle_max);
    json_reader_text(r, "request", out->request, sizeof(out->request));
    json_reader_text(r, "level", out->level, sizeof(out->level));
    json_reader_text(r, "text", out->text, sizeof(out->text));
    r->is_bad |= !is_request(out->request) || !is_level(out->level);
}

static void read_row(struct script_row *out, struct json_reader *r)
{
    *out = (struct script_row){
        .handle = json_reader_number(r, "handle", handle_max),
        .cold = json_reader_number(r, "cold", number_max),
        .ahead = json_reader_number(r, "ahead", number_max),
        .warm = json_reader_number(r, "warm", number_max),
        .evicted = json_reader_number(r, "evicted", number_max),
        .condemned = json_reader_number(r, "condemned", number_max),
        .cpu_us = json_reader_number(r, "cpu_us", number_max),
        .memory_bytes = json_reader_number(r, "memory_bytes", number_max),
        .is_warm = json_reader_flag(r, "is_warm"),
    };
}

static void read_stats(struct start_report *out, struct json_reader *r)
{
    const json_t *rows = json_reader_list(r, "scripts", START_STATS_ROWS_MAX);

    out->isolates = json_reader_number(r, "isolates", number_max);
    out->memory_bytes = json_reader_number(r, "memory_bytes", number_max);
    out->row_count = (uint32_t)json_array_size(rows);
    for (uint32_t i = 0; i < out->row_count && !r->is_bad; i++) {
        struct json_reader row = json_reader(json_array_get(rows, i));

        read_row(&out->row[i], &row);
        r->is_bad |= row.is_bad;
    }
}

static const struct {
    const char *name;
    enum start_report_kind kind;
    void (*read)(struct start_report *, struct json_reader *);
} kinds[] = {
    {"ready", START_REPORT_READY, read_ready},    {"pong", START_REPORT_PONG, read_pong},
    {"loaded", START_REPORT_LOADED, read_loaded}, {"log", START_REPORT_LOG, read_log},
    {"stats", START_REPORT_STATS, read_stats},
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
