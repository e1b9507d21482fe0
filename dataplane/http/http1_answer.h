/* http1_answer.h
 *
 * The head of an HTTP/1.1 response as bytes of a stranger's server: a strict parser, and what its
 * body is (RFC 9112 6.3). http1_body (http1.h) decodes the body, but for one that ends with the
 * connection.
 *
 * Strict where two parsers could read differently: both Content-Length and Transfer-Encoding, a
 * second Content-Length, a length that is not plain decimal, a coding other than one "chunked" of
 * HTTP/1.1, obs-fold, bare CR or LF, white space before a colon, NUL and control bytes. The reason
 * phrase may be absent, and the space before it, as with many servers. Nothing is decided before
 * the head is whole, so that the outcome does not depend on how the bytes were split.
 *
 * Limits: HTTP_HEAD_BYTES_MAX, HTTP_FIELDS_MAX. Sources: RFC 9110 15.2, 9112 4, 5, 6.3, 9.3.
 * Pure; results are views into the caller's bytes.
 */
#ifndef HEARTH_HTTP1_ANSWER_H
#define HEARTH_HTTP1_ANSWER_H

#include "dataplane/http/http1.h"

struct http1_answer {
    uint16_t status;           /* 100 to 599 */
    uint8_t minor;             /* of HTTP/1.minor: 0, or 1 for all later ones */
    bool keep_alive;           /* the connection may be used again behind the body */
    bool is_interim;           /* 1xx: another head follows */
    bool ends_with_connection; /* body: until the peer closes; `body` is NONE */
    enum http1_body_kind body;
    uint64_t content_length;
    bool has_length;   /* a Content-Length was given, whether it frames a body or not */
    size_t head_bytes; /* consumed when HTTP1_OK */
    uint16_t field_count;
    const char *error;                        /* with HTTP1_BAD: a sentence */
    struct head_field field[HTTP_FIELDS_MAX]; /* names as sent; values trimmed */
};

/* bytes: from the first one of the answer; is_to_head: the request's method was HEAD. seen: how
 * many of them an earlier call that returned MORE has looked at (0 first). */
enum http1_result http1_answer_parse(struct http1_answer *, const char *bytes, size_t len,
                                     size_t seen, bool is_to_head);

/* A field of this connection alone (RFC 9110 7.6.1), by its name or as Connection names it. */
bool http1_answer_is_hop(const struct http1_answer *, struct head_view name);

void http1_body_init_answer(struct http1_body *, const struct http1_answer *);

#endif
