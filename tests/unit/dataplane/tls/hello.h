/* hello.h: builds ClientHello messages. */
#ifndef HEARTH_TEST_HELLO_H
#define HEARTH_TEST_HELLO_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct hello {
    uint8_t bytes[1 << 17]; /* the handshake message, header included */
    size_t len, extensions_at;
};

static inline void hello_put(struct hello *h, const void *bytes, size_t len)
{
    memcpy(h->bytes + h->len, bytes, len);
    h->len += len;
}

static inline void hello_put_u16(struct hello *h, size_t v)
{
    hello_put(h, (uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2);
}

static inline void hello_start(struct hello *h)
{
    h->len = 0;
    hello_put(h, (uint8_t[]){1, 0, 0, 0, 3, 3}, 6);
    for (int i = 0; i < 32; i++)
        hello_put(h, (uint8_t[]){(uint8_t)(i * 7)}, 1);
    hello_put(h, "\x04\x16\x03\x01\x00", 5);             /* session id */
    hello_put(h, "\x00\x06\x1a\x1a\x13\x01\x13\x02", 8); /* suites, GREASE first */
    hello_put(h, "\x01\x00", 2);                         /* compression */
    h->extensions_at = h->len;
    hello_put_u16(h, 0);
}

static inline void hello_extension(struct hello *h, size_t type, const void *bytes, size_t len)
{
    hello_put_u16(h, type);
    hello_put_u16(h, len);
    hello_put(h, bytes, len);
}

static inline void hello_name(struct hello *h, const char *name)
{
    size_t len = strlen(name);
    hello_put_u16(h, 0);
    hello_put_u16(h, len + 5);
    hello_put_u16(h, len + 3);
    hello_put(h, "", 1);
    hello_put_u16(h, len);
    hello_put(h, name, len);
}

static inline void hello_end(struct hello *h)
{
    size_t extensions = h->len - h->extensions_at - 2, message = h->len - 4;
    h->bytes[h->extensions_at] = (uint8_t)(extensions >> 8);
    h->bytes[h->extensions_at + 1] = (uint8_t)extensions;
    h->bytes[1] = (uint8_t)(message >> 16);
    h->bytes[2] = (uint8_t)(message >> 8);
    h->bytes[3] = (uint8_t)message;
}

/* What TLS 1.3 wants beside a key share: versions, groups (GREASE, X25519MLKEM768, X25519, P-256),
 * signature algorithms. */
static inline void hello_tls13(struct hello *h)
{
    hello_extension(h, 43, "\x04\x03\x04\x03\x03", 5);
    hello_extension(h, 10, "\x00\x08\x1a\x1a\x11\xec\x00\x1d\x00\x17", 10);
    hello_extension(h, 13, "\x00\x04\x04\x03\x08\x04", 6);
}

/* What a browser of today sends: GREASE around, a 1.2 KB key share of a post-quantum group, the
 * name in the middle. */
static inline void hello_post_quantum(struct hello *h, const char *name)
{
    uint8_t key_share[1216 + 6] = {0x04, 0xc4, 0x11, 0xec, 0x04, 0xc0, [1221] = 9};
    hello_start(h);
    hello_extension(h, 0x2a2a, "", 0);
    hello_extension(h, 51, key_share, sizeof(key_share));
    hello_name(h, name);
    hello_tls13(h);
    hello_extension(h, 0x8a8a, "\x00", 1);
    hello_end(h);
}

/* Wraps [bytes, len) as one record; returns what it wrote. */
static inline size_t hello_record(uint8_t *out, const uint8_t *bytes, size_t len)
{
    memcpy(out, (uint8_t[]){22, 3, 1, (uint8_t)(len >> 8), (uint8_t)len}, 5);
    memcpy(out + 5, bytes, len);
    return len + 5;
}

#endif
