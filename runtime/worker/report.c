#include "runtime/worker/report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/libv8c/v8c.h"
#include "runtime/start.h"
#include "runtime/worker/isolate.h"
#include "runtime/worker/script.h"
#include "runtime/worker/worker.h"

/* Takes ownership of the object. */
static bool send_packet(struct worker *w, json_t *packet)
{
    char *text = packet ? json_dumps(packet, JSON_COMPACT) : NULL;
    json_decref(packet);
    bool sent = text && send(w->start_fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
    free(text);
    return sent;
}

static bool take_token(struct report *r, uint64_t now_ns)
{
    const uint64_t cost_ns = 1000000000ull / REPORT_LINES_PER_S;
    uint64_t earned = (now_ns - r->refilled_ns) / cost_ns;
    r->refilled_ns += earned * cost_ns;
    r->tokens = r->tokens + earned < REPORT_LINES_BURST ? r->tokens + earned : REPORT_LINES_BURST;
    if (r->tokens == 0)
        return false;
    r->tokens--;
    return true;
}

/* As start.h wants a text: of at most START_LOG_TEXT_BYTES_MAX, never half a character, and no zero
 * byte inside. */
static json_t *text_value(const char *text, size_t len)
{
    char clean[START_LOG_TEXT_BYTES_MAX];
    if (len > START_LOG_TEXT_BYTES_MAX) {
        len = START_LOG_TEXT_BYTES_MAX;
        while (len > 0 && ((uint8_t)text[len] & 0xc0) == 0x80)
            len--;
    }
    for (size_t i = 0; i < len; i++)
        clean[i] = text[i] ? text[i] : ' ';
    return json_stringn_nocheck(clean, len);
}

static json_t *log_packet(uint32_t handle, uint64_t request_id, const char *level, const char *text,
                          size_t len)
{
    char id[17];
    snprintf(id, sizeof(id), "%016" PRIx64, request_id);
    return json_pack("{s:s, s:I, s:s, s:s, s:o}", "type", "log", "handle", (json_int_t)handle,
                     "request", request_id ? id : "", "level", level, "text",
                     text_value(text, len));
}

void report_log(struct worker *w, uint32_t handle, uint64_t request_id, const char *level,
                const char *text, size_t len)
{
    struct report *r = &w->report;
    if (!take_token(r, w->now_ns)) {
        r->dropped++;
        return;
    }
    if (r->dropped) {
        char told[64];
        int n = snprintf(told, sizeof(told), "%" PRIu64 " log lines were dropped", r->dropped);
        if (send_packet(w, log_packet(0, 0, "warn", told, (size_t)n)))
            r->dropped = 0;
    }
    if (!send_packet(w, log_packet(handle, request_id, level, text, len)))
        r->dropped++;
}

void report_loaded(struct worker *w, uint32_t handle, const char *error)
{
    send_packet(w, json_pack("{s:s, s:I, s:o}", "type", "loaded", "handle", (json_int_t)handle,
                             "error", text_value(error ? error : "", error ? strlen(error) : 0)));
}

void report_ready(struct worker *w)
{
    w->report = (struct report){
        .tokens = REPORT_LINES_BURST, .refilled_ns = w->now_ns, .stats_ns = w->now_ns};
    send_packet(w, json_pack("{s:s, s:s}", "type", "ready", "v8", v8c_version()));
}

static json_t *script_stats(const struct script *s)
{
    const struct script_stats *t = &s->stats;
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "handle", (json_int_t)s->handle, "cold",
        (json_int_t)t->cold, "ahead", (json_int_t)t->ahead, "warm", (json_int_t)t->warm, "evicted",
        (json_int_t)t->evicted, "condemned", (json_int_t)t->condemned, "cpu_us",
        (json_int_t)(t->cpu_ns / 1000), "memory_bytes",
        (json_int_t)(s->isolate ? s->isolate->warm.bytes : 0), "is_warm", s->isolate != NULL);
}

static void send_stats(struct worker *w, json_t *scripts)
{
    send_packet(w, json_pack("{s:s, s:I, s:I, s:o}", "type", "stats", "isolates",
                             (json_int_t)w->pool.count, "memory_bytes", (json_int_t)w->pool.bytes,
                             "scripts", scripts));
}

void report_pong(struct worker *w, int64_t told)
{
    send_packet(w, json_pack("{s:s, s:I}", "type", "pong", "told", (json_int_t)told));
}

void report_news(struct worker *w, struct script *s)
{
    s->is_reported = false;
    w->report.has_news = true;
}

void report_stats(struct worker *w)
{
    json_t *scripts = json_array();
    w->report.stats_ns = w->now_ns;
    w->report.has_news = false;
    for (size_t b = 0; b < SCRIPT_TABLE_BUCKETS; b++) {
        for (struct script *s = w->scripts.bucket[b]; s; s = s->next) {
            if (s->is_reported)
                continue;
            s->is_reported = true;
            json_array_append_new(scripts, script_stats(s));
            if (json_array_size(scripts) == START_STATS_ROWS_MAX) {
                send_stats(w, scripts);
                scripts = json_array();
            }
        }
    }
    if (json_array_size(scripts))
        send_stats(w, scripts);
    else
        json_decref(scripts);
}
