/* tls_wire.h
 *
 * The numbers of TLS on the wire that we look at ourselves, and the reader for its messages: a
 * length-prefixed read gives a sub-reader; `bad` sticks and is tested once at the end.
 *
 * Sources: RFC 8446 4, 5.1, 6 and appendix B; RFC 6066 3; RFC 7507 2; RFC 7301 3.2.
 */
#ifndef HEARTH_TLS_WIRE_H
#define HEARTH_TLS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum tls_record_type {
    TLS_RECORD_CHANGE_CIPHER_SPEC = 20,
    TLS_RECORD_ALERT = 21,
    TLS_RECORD_HANDSHAKE = 22,
    TLS_RECORD_APPLICATION_DATA = 23,
};

enum tls_alert { /* 0, close_notify, stands for none where one is expected */
                 TLS_ALERT_NONE = 0,
                 TLS_ALERT_UNEXPECTED_MESSAGE = 10,
                 TLS_ALERT_RECORD_OVERFLOW = 22,
                 TLS_ALERT_HANDSHAKE_FAILURE = 40,
                 TLS_ALERT_ILLEGAL_PARAMETER = 47,
                 TLS_ALERT_DECODE_ERROR = 50,
                 TLS_ALERT_DECRYPT_ERROR = 51,
                 TLS_ALERT_PROTOCOL_VERSION = 70,
                 TLS_ALERT_INTERNAL_ERROR = 80,
                 TLS_ALERT_INAPPROPRIATE_FALLBACK = 86,
                 TLS_ALERT_USER_CANCELED = 90,
                 TLS_ALERT_MISSING_EXTENSION = 109,
                 TLS_ALERT_UNRECOGNIZED_NAME = 112,
};

enum {
    TLS_RECORD_HEADER_BYTES = 5, /* type, version, length */
    TLS_RECORD_CONTENT_MAX = 1 << 14,
    TLS_RECORD_SEALED_MAX = TLS_RECORD_CONTENT_MAX + 256,
    TLS_MESSAGE_HEADER_BYTES = 4, /* type, length */
    TLS_MESSAGE_CLIENT_HELLO = 1,
    TLS_MESSAGE_SERVER_HELLO = 2,
    TLS_MESSAGE_CLIENT_KEY_EXCHANGE = 16,
    TLS_ALERT_RECORD_BYTES = TLS_RECORD_HEADER_BYTES + 2,
    TLS_RANDOM_BYTES = 32,
    TLS_VERSION_1_2 = 0x0303,
    TLS_VERSION_1_3 = 0x0304,
};

enum tls_extension {
    TLS_EXTENSION_SERVER_NAME = 0,
    TLS_EXTENSION_SUPPORTED_GROUPS = 10,
    TLS_EXTENSION_SIGNATURE_ALGORITHMS = 13,
    TLS_EXTENSION_ALPN = 16,
    TLS_EXTENSION_PADDING = 21,
    TLS_EXTENSION_PRE_SHARED_KEY = 41,
    TLS_EXTENSION_EARLY_DATA = 42,
    TLS_EXTENSION_SUPPORTED_VERSIONS = 43,
    TLS_EXTENSION_PSK_MODES = 45,
    TLS_EXTENSION_KEY_SHARE = 51,
    TLS_EXTENSION_ENCRYPTED_CLIENT_HELLO = 0xfe0d,
};

/* user_canceled and close_notify, in clear (RFC 8446 6.1): a handshake that ends for no fault of
 * its bytes. */
static const uint8_t tls_alerts_cancel[2 * TLS_ALERT_RECORD_BYTES] = {
    TLS_RECORD_ALERT, 3, 3, 0, 2, 1, TLS_ALERT_USER_CANCELED, TLS_RECORD_ALERT, 3, 3, 0, 2, 1, 0};

/* A fatal alert, in clear. */
static inline void tls_alert_record(uint8_t out[TLS_ALERT_RECORD_BYTES], enum tls_alert alert)
{
    out[0] = TLS_RECORD_ALERT;
    out[1] = out[2] = 3;
    out[3] = 0;
    out[4] = 2;
    out[5] = 2;
    out[6] = (uint8_t)alert;
}

/* Sizes are known where these are called, and only there: a function of its own would loop. */
#define TLS_READ static inline __attribute__((always_inline))

struct tls_reader {
    const uint8_t *p, *end;
    bool bad;
};

static inline size_t tls_left(const struct tls_reader *r)
{
    return (size_t)(r->end - r->p);
}

/* A view of the next len bytes; empty if there are fewer, and then r is bad and at its end. */
TLS_READ struct tls_reader tls_take(struct tls_reader *r, size_t len)
{
    if (len > tls_left(r)) {
        r->bad = true;
        r->p = r->end;
        len = 0;
    }
    struct tls_reader part = {.p = r->p, .end = r->p + len};
    r->p += len;
    return part;
}

/* A number of 1 to 4 bytes; 0 if there are fewer. */
TLS_READ uint32_t tls_number(struct tls_reader *r, size_t size)
{
    uint32_t n = 0;
    if (size > tls_left(r)) {
        r->bad = true;
        r->p = r->end;
        return 0;
    }
    memcpy(&n, r->p, size);
    r->p += size;
    return __builtin_bswap32(n) >> (32 - 8 * size);
}

/* A vector behind a length of that size; with fewer bytes than least, or not a multiple of step, r
 * is bad. */
TLS_READ struct tls_reader tls_vector(struct tls_reader *r, size_t size, size_t least, size_t step)
{
    struct tls_reader part = tls_take(r, tls_number(r, size));
    if (tls_left(&part) < least || tls_left(&part) % step != 0)
        r->bad = true;
    return part;
}

/* The next extension of a list: its type, and what is in it. */
TLS_READ uint32_t tls_extension(struct tls_reader *list, struct tls_reader *body)
{
    uint32_t head = tls_number(list, 4);
    *body = tls_take(list, head & UINT16_MAX);
    return head >> 16;
}

#endif
