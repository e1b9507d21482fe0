#include "dataplane/http/http1.h"

#include <assert.h>
#include <string.h>

#include "dataplane/http/http1_chars.h"

enum { DATE_BYTES = 29 };

/* The statuses with a registered reason (RFC 9110 15 and the IANA registry). */
#define STATUSES(S)                                                                                \
    S(100, "Continue")                                                                             \
    S(101, "Switching Protocols")                                                                  \
    S(103, "Early Hints")                                                                          \
    S(200, "OK")                                                                                   \
    S(201, "Created")                                                                              \
    S(202, "Accepted")                                                                             \
    S(203, "Non-Authoritative Information")                                                        \
    S(204, "No Content")                                                                           \
    S(205, "Reset Content")                                                                        \
    S(206, "Partial Content")                                                                      \
    S(207, "Multi-Status")                                                                         \
    S(208, "Already Reported")                                                                     \
    S(226, "IM Used")                                                                              \
    S(300, "Multiple Choices")                                                                     \
    S(301, "Moved Permanently")                                                                    \
    S(302, "Found")                                                                                \
    S(303, "See Other")                                                                            \
    S(304, "Not Modified")                                                                         \
    S(305, "Use Proxy")                                                                            \
    S(307, "Temporary Redirect")                                                                   \
    S(308, "Permanent Redirect")                                                                   \
    S(400, "Bad Request")                                                                          \
    S(401, "Unauthorized")                                                                         \
    S(402, "Payment Required")                                                                     \
    S(403, "Forbidden")                                                                            \
    S(404, "Not Found")                                                                            \
    S(405, "Method Not Allowed")                                                                   \
    S(406, "Not Acceptable")                                                                       \
    S(407, "Proxy Authentication Required")                                                        \
    S(408, "Request Timeout")                                                                      \
    S(409, "Conflict")                                                                             \
    S(410, "Gone")                                                                                 \
    S(411, "Length Required")                                                                      \
    S(412, "Precondition Failed")                                                                  \
    S(413, "Content Too Large")                                                                    \
    S(414, "URI Too Long")                                                                         \
    S(415, "Unsupported Media Type")                                                               \
    S(416, "Range Not Satisfiable")                                                                \
    S(417, "Expectation Failed")                                                                   \
    S(418, "I'm a teapot")                                                                         \
    S(421, "Misdirected Request")                                                                  \
    S(422, "Unprocessable Content")                                                                \
    S(423, "Locked")                                                                               \
    S(424, "Failed Dependency")                                                                    \
    S(425, "Too Early")                                                                            \
    S(426, "Upgrade Required")                                                                     \
    S(428, "Precondition Required")                                                                \
    S(429, "Too Many Requests")                                                                    \
    S(431, "Request Header Fields Too Large")                                                      \
    S(451, "Unavailable For Legal Reasons")                                                        \
    S(500, "Internal Server Error")                                                                \
    S(501, "Not Implemented")                                                                      \
    S(502, "Bad Gateway")                                                                          \
    S(503, "Service Unavailable")                                                                  \
    S(504, "Gateway Timeout")                                                                      \
    S(505, "HTTP Version Not Supported")                                                           \
    S(506, "Variant Also Negotiates")                                                              \
    S(507, "Insufficient Storage")                                                                 \
    S(508, "Loop Detected")                                                                        \
    S(511, "Network Authentication Required")

/* A status line up to its CRLF and on to the date's place. */
#define VERSION "HTTP/1.1 "
#define DATE    "\r\nDate: "
struct line {
    const char *text;
    uint8_t len;
};

static struct line status_line(uint16_t status)
{
    switch (status) {
#define S(code, reason)                                                                            \
    case code:                                                                                     \
        return (struct line){VERSION #code " " reason DATE,                                        \
                             sizeof(VERSION #code " " reason DATE) - 1};
        STATUSES(S)
#undef S
    default:
        return (struct line){NULL, 0};
    }
}

const char *http1_reason(uint16_t status)
{
    switch (status) {
#define S(code, reason)                                                                            \
    case code:                                                                                     \
        return reason;
        STATUSES(S)
#undef S
    default:
        return "";
    }
}

static char *put(char *p, const char *bytes, size_t len)
{
    memcpy(p, bytes, len);
    return p + len;
}

#define PUT(p, literal) put(p, literal, sizeof(literal) - 1)

static char *put_number(char *p, uint64_t n)
{
    char digits[20];
    size_t i = sizeof(digits);
    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return put(p, digits + i, sizeof(digits) - i);
}

size_t http1_response_start(char *buf, size_t cap, const struct http1_response *r, const char *date)
{
    assert(r->status >= 100 && r->status <= 599);
    if (cap < HTTP1_RESPONSE_START_MAX)
        return 0;
    char *p = buf;
    struct line line = status_line(r->status);
    if (line.text) {
        p = put(p, line.text, line.len);
    } else {
        p = PUT(p, VERSION);
        p = put_number(p, r->status);
        p = PUT(p, " " DATE);
    }
    p = put(p, date, DATE_BYTES);

    switch (r->framing) {
    case HTTP1_FRAME_LENGTH:
        p = PUT(p, "\r\nContent-Length: ");
        p = put_number(p, r->length);
        break;
    case HTTP1_FRAME_CHUNKED:
        p = PUT(p, "\r\nTransfer-Encoding: chunked");
        break;
    case HTTP1_FRAME_NONE:
    case HTTP1_FRAME_CLOSE:
        break;
    }
    if (!r->keep_alive)
        p = PUT(p, "\r\nConnection: close");
    else if (r->minor == 0)
        p = PUT(p, "\r\nConnection: keep-alive");
    p = PUT(p, "\r\n");
    assert(p - buf <= HTTP1_RESPONSE_START_MAX);
    return (size_t)(p - buf);
}

/* Obs-text and tabs may be in a value; what ends a line, and NUL, may not. */
static bool is_sound(struct head_view name, struct head_view value)
{
    if (name.len == 0 || http1_scan_token(name.p, name.p + name.len) != name.p + name.len)
        return false;
    const char *p = value.p, *end = value.p + value.len;
    while ((p = http1_scan_value(p, end)) < end) {
        if (*p == '\r' || *p == '\n' || *p == 0)
            return false;
        p++;
    }
    return true;
}

size_t http1_response_field(char *buf, size_t cap, struct head_view name, struct head_view value)
{
    size_t len = name.len + value.len + 4;
    if (cap < len || !is_sound(name, value))
        return 0;
    char *p = put(buf, name.p, name.len);
    p = PUT(p, ": ");
    p = put(p, value.p, value.len);
    PUT(p, "\r\n");
    return len;
}

bool http1_is_hop_field(struct head_view name)
{
    static const char *const hop[] = {
        "connection", "keep-alive", "transfer-encoding", "content-length", "upgrade", "te",
        "trailer",    "date",       "proxy-connection",
    };
    for (size_t i = 0; i < sizeof(hop) / sizeof(hop[0]); i++) {
        if (strlen(hop[i]) == name.len && strncasecmp(hop[i], name.p, name.len) == 0)
            return true;
    }
    return false;
}

size_t http1_chunk_start(char *buf, size_t cap, size_t payload_bytes)
{
    char digits[sizeof(payload_bytes) * 2];
    size_t i = sizeof(digits);
    assert(payload_bytes > 0); /* 0 would end the body */
    for (size_t n = payload_bytes; n > 0; n >>= 4)
        digits[--i] = "0123456789abcdef"[n & 15];
    size_t len = sizeof(digits) - i;
    if (cap < len + 2)
        return 0;
    PUT(put(buf, digits + i, len), "\r\n");
    return len + 2;
}

static char *put_two(char *p, int n)
{
    p[0] = (char)('0' + n / 10 % 10);
    p[1] = (char)('0' + n % 10);
    return p + 2;
}

void http1_date(char out[30], int64_t unix_s)
{
    static const char days[] = "ThuFriSatSunMonTueWed",
                      months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t day = unix_s / 86400;
    int second = (int)(unix_s % 86400);
    assert(unix_s >= 0 && unix_s < 253402300800); /* year 10000 */

    /* Civil date from days, in years that begin in March, so that the leap day is the last. */
    int64_t shifted = day + 719468, era = shifted / 146097;
    int of_era = (int)(shifted % 146097);
    int year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int march_month = (5 * of_year + 2) / 153;
    int month_day = of_year - (153 * march_month + 2) / 5 + 1;
    int month = (march_month + 2) % 12; /* 0: January */
    int year = (int)(era * 400) + year_of_era + (month < 2);

    char *p = put(out, days + day % 7 * 3, 3);
    p = PUT(p, ", ");
    p = put_two(p, month_day);
    *p++ = ' ';
    p = put(p, months + month * 3, 3);
    *p++ = ' ';
    p = put_two(put_two(p, year / 100), year);
    *p++ = ' ';
    p = put_two(p, second / 3600);
    *p++ = ':';
    p = put_two(p, second / 60 % 60);
    *p++ = ':';
    p = put_two(p, second % 60);
    p = PUT(p, " GMT");
    *p = 0;
}
