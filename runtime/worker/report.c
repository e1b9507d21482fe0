#include "runtime/worker/report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/start.h"

/* Takes ownership of the object. */
static bool send_packet(struct report *r, json_t *packet)
{
    char *text = packet ? json_dumps(packet, JSON_COMPACT) : NULL;
    json_decref(packet);
    bool sent = text && send(r->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
    free(text);
    return sent;
}

void report_init(struct report *r, int fd, uint64_t now_ns)
{
    *r = (struct report){.fd = fd, .tokens = REPORT_LINES_BURST, .refilled_ns = now_ns};
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

static json_t *log_packet(uint64_t request_id, const char *level, const char *text, size_t len)
{
    char id[17];
    snprintf(id, sizeof(id), "%016" PRIx64, request_id);
    return json_pack("{s:s, s:s, s:s, s:o}", "type", "log", "request", request_id ? id : "",
                     "level", level, "text", text_value(text, len));
}

void report_log(struct report *r, uint64_t now_ns, uint64_t request_id, const char *level,
                const char *text, size_t len)
{
    if (!take_token(r, now_ns)) {
        r->dropped++;
        return;
    }
    if (r->dropped) {
        char told[64];
        int n = snprintf(told, sizeof(told), "%" PRIu64 " log lines were dropped", r->dropped);
        if (send_packet(r, log_packet(0, "warn", told, (size_t)n)))
            r->dropped = 0;
    }
    if (!send_packet(r, log_packet(request_id, level, text, len)))
        r->dropped++;
}

void report_ready(struct report *r)
{
    send_packet(r, json_pack("{s:s}", "type", "ready"));
}

void report_pong(struct report *r)
{
    send_packet(r, json_pack("{s:s}", "type", "pong"));
}

void report_loaded(struct report *r, uint32_t us, const char *error)
{
    send_packet(r, json_pack("{s:s, s:I, s:o}", "type", "loaded", "us", (json_int_t)us, "error",
                             text_value(error ? error : "", error ? strlen(error) : 0)));
}

void report_spoiled(struct report *r, const char *why, bool serves)
{
    send_packet(r,
                json_pack("{s:s, s:s, s:b}", "type", "spoiled", "why", why, "serves", (int)serves));
}
