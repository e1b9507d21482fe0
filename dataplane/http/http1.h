/* http1.h
 *
 * HTTP/1.1 as bytes: a strict request parser, a body decoder and a response encoder. No connection,
 * no buffer of its own.
 *
 *   head bytes     --http1_request_parse--> struct http1_request (views)
 *   body bytes     --http1_body_input-----> payload views
 *   status, fields --http1_response_*-----> bytes
 *   payload        --http1_chunk_*--------> bytes
 *
 * Strict: what two parsers could read differently is refused (RFC 9112 11.2): both Content-Length
 * and Transfer-Encoding, a second Content-Length, a length that is not plain decimal,
 * Transfer-Encoding other than one field "chunked", obs-fold, bare CR, bare LF, white space before
 * a colon, NUL and control bytes, chunk sizes with anything but hex digits, HTTP/1.1 without
 * exactly one Host, an absolute-form or CONNECT authority that differs from Host, a Host that a URL
 * parser reads as another address, '\' and '#' in a target, a method that is not made of capitals.
 * Empty lines before a request line are skipped (RFC 9112 2.2), at most 2. The outcome does
 * not depend on how the bytes were split.
 *
 * Limits: HTTP_* of limits.h. Sources: RFC 9110, 9112.
 * Any thread: a decoder's and an encoder's state is the caller's.
 *
 * Rejected: any token as a method (RFC 9110 9.1). All registered ones are of capitals and '-'; what
 * is not is most often the rest of a body whose sender counted wrong, and was executed as `12GET`.
 */
#ifndef HEARTH_HTTP1_H
#define HEARTH_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/limits.h"
#include "runtime/head.h"

enum {
    HTTP1_METHOD_BYTES_MAX = 32, /* longer: 501 */
    HTTP1_EMPTY_LINES_MAX = 2,
};

enum http1_result {
    HTTP1_MORE, /* not the whole head or body yet */
    HTTP1_OK,
    HTTP1_BAD, /* answer request->error_status (a body: 400) and close */
};

enum http1_body_kind { HTTP1_BODY_NONE, HTTP1_BODY_LENGTH, HTTP1_BODY_CHUNKED };

struct http1_request {
    struct head_view method;
    /* Path and query as sent, "/..." or "?..." ("*": OPTIONS *; empty: CONNECT); url_path.h makes
     * one of it. */
    struct head_view path;
    struct head_view authority; /* Host as sent; empty: an HTTP/1.0 request without one */
    struct head_view host;      /* of it: without port and trailing dot; case as sent */
    uint16_t port;              /* 0: none given */
    bool scheme_given;          /* absolute-form */
    bool scheme_is_https;       /* of it */
    uint8_t minor;              /* HTTP/1.minor: 0, or 1 for all later ones */
    bool keep_alive;
    bool expects_continue;
    bool is_head, is_idempotent; /* RFC 9110 9.2.2 */
    bool wants_upgrade;          /* Connection: upgrade with an Upgrade field */
    enum http1_body_kind body;
    uint64_t content_length;
    size_t head_bytes; /* consumed when HTTP1_OK */
    uint16_t field_count;
    uint16_t error_status; /* with HTTP1_BAD: 400, 414, 417, 431, 501, 505 */
    const char *error;     /* a sentence */
    struct head_field
        field[HTTP_FIELDS_MAX]; /* names as sent; values trimmed; field_count of them */
};

/* bytes: from the first byte of the request; the views point into it. seen: how many of them were
 * already looked at in an earlier call that returned MORE (0 first): a head that drips in is read
 * again only when a line of it ends. Only with OK is the request complete; with BAD its error and
 * error_status are. */
enum http1_result http1_request_parse(struct http1_request *, const char *bytes, size_t len,
                                      size_t seen);

/* RFC 9110 9.2.2. */
bool http1_is_idempotent(struct head_view method);

/* Takes the next item off a comma-separated list (RFC 9110 5.6.1), trimmed, possibly empty. False:
 * no more. */
bool http1_list_next(struct head_view *list, struct head_view *item);

struct http1_body {
    enum http1_body_kind kind;
    uint8_t state;       /* private, as the rest */
    uint32_t line_bytes; /* digits of the size, bytes of the extension, bytes of all trailers */
    uint64_t left;       /* of the content or the chunk */
};

void http1_body_init(struct http1_body *, const struct http1_request *);
/* Eats from the front of bytes: *eaten of them; *payload is the view of body bytes among these
 * (possibly empty). MORE: call again (with the rest first, if any is left uneaten); OK: the body is
 * complete, what is uneaten belongs to the next request; BAD: 400 and close. Chunk extensions and
 * trailers are checked and dropped. */
enum http1_result http1_body_input(struct http1_body *, const uint8_t *bytes, size_t len,
                                   size_t *eaten, struct head_view *payload);

/* ---- responses ---- */

enum http1_framing {
    HTTP1_FRAME_NONE,   /* no body and no length: 1xx, 204, 304 */
    HTTP1_FRAME_LENGTH, /* Content-Length: length */
    HTTP1_FRAME_CHUNKED,
    HTTP1_FRAME_CLOSE, /* HTTP/1.0 peer: the end of the connection ends the body */
};

struct http1_response {
    uint16_t status;
    enum http1_framing framing;
    uint64_t length;
    bool keep_alive;
    uint8_t minor; /* of the request: HTTP/1.0 gets "Connection: keep-alive" spelled out */
};

/* Status line (100 to 599), framing and connection fields, Date; then the caller adds fields and
 * ends the head with "\r\n". Returns bytes written, 0: no room (HTTP1_RESPONSE_START_MAX is always
 * enough). date: 29 bytes of IMF-fixdate. */
enum { HTTP1_RESPONSE_START_MAX = 192 };
size_t http1_response_start(char *buf, size_t cap, const struct http1_response *, const char *date);
/* "name: value\r\n"; 0: no room, or a name that is no token, or bytes that would break the message
 * (CR, LF, NUL: response splitting). Connection-level fields of a script (connection, keep-alive,
 * transfer-encoding, content-length, upgrade, te, trailer, date) are the caller's to leave out:
 * http1_is_hop_field. */
size_t http1_response_field(char *buf, size_t cap, struct head_view name, struct head_view value);
bool http1_is_hop_field(struct head_view name);
size_t http1_chunk_start(char *buf, size_t cap, size_t payload_bytes); /* "1a2b\r\n" */
#define HTTP1_CHUNK_END  "\r\n"
#define HTTP1_LAST_CHUNK "0\r\n\r\n"
const char *http1_reason(uint16_t status);
void http1_date(char out[30], int64_t unix_s); /* IMF-fixdate */

#endif
