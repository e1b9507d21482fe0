#include "tools/gen/hello.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "tools/gen/rng.h"

enum {
    RECORD_HANDSHAKE = 22,
    CLIENT_HELLO = 1,
    EXT_SERVER_NAME = 0,
    EXT_GROUPS = 10,
    EXT_SIGNATURES = 13,
    EXT_ALPN = 16,
    EXT_PADDING = 21,
    EXT_MASTER_SECRET = 23,
    EXT_VERSIONS = 43,
    EXT_KEY_SHARE = 51,
    GROUP_P256 = 23,
    GROUP_X25519 = 29,
    GROUP_X25519MLKEM768 = 0x11ec,
    X25519_BYTES = 32,
    MLKEM768_KEY_BYTES = 1184,
    MLKEM768_VECTOR_BYTES = 1152, /* 768 numbers below 3,329, of 12 bits each; then a seed */
    GREASE_RECORD_BYTES = 517,    /* what browsers pad to: RFC 7685 1 has the story */
};

const char *const hello_shape_name[HELLO_SHAPES] = {
    [HELLO_PLAIN] = "plain", [HELLO_GREASE] = "grease", [HELLO_HYBRID] = "hybrid"};

struct writer {
    uint8_t *p, *end;
    struct rng rng;
    uint16_t grease; /* 0: none of it */
};

static void put(struct writer *w, const void *bytes, size_t count)
{
    assert(count <= (size_t)(w->end - w->p));
    memcpy(w->p, bytes, count);
    w->p += count;
}

static void put_number(struct writer *w, uint32_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        put(w, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

static void put_random(struct writer *w, size_t count)
{
    assert(count <= (size_t)(w->end - w->p));
    rng_fill(&w->rng, w->p, count);
    w->p += count;
}

/* What follows, up to vector_end, has its length in front of it. */
static uint8_t *vector_begin(struct writer *w, int length_bytes)
{
    uint8_t *at = w->p;
    put_number(w, 0, length_bytes);
    return at;
}

static void vector_end(struct writer *w, uint8_t *at, int length_bytes)
{
    struct writer length = {.p = at, .end = at + length_bytes};
    put_number(&length, (uint32_t)(w->p - at - length_bytes), length_bytes);
}

static uint8_t *extension_begin(struct writer *w, uint16_t type)
{
    put_number(w, type, 2);
    return vector_begin(w, 2);
}

/* A list of 16-bit values: with GREASE, a reserved one is its first. */
static void put_list(struct writer *w, const uint16_t *value, size_t count, int length_bytes)
{
    uint8_t *list = vector_begin(w, length_bytes);
    if (w->grease)
        put_number(w, w->grease, 2);
    for (size_t i = 0; i < count; i++)
        put_number(w, value[i], 2);
    vector_end(w, list, length_bytes);
}

static void put_list_extension(struct writer *w, uint16_t type, const uint16_t *value, size_t count,
                               int length_bytes)
{
    uint8_t *extension = extension_begin(w, type);
    put_list(w, value, count, length_bytes);
    vector_end(w, extension, 2);
}

static void put_server_name(struct writer *w, const char *name)
{
    uint8_t *extension = extension_begin(w, EXT_SERVER_NAME), *list = vector_begin(w, 2);
    put_number(w, 0, 1); /* host_name */
    uint8_t *host = vector_begin(w, 2);
    put(w, name, strlen(name));
    vector_end(w, host, 2);
    vector_end(w, list, 2);
    vector_end(w, extension, 2);
}

/* An encapsulation key passes its check (FIPS 203 7.2) if all its numbers are below 3,329: these
 * are below 2,048. */
static void put_mlkem_key(struct writer *w)
{
    uint8_t *key = w->p;
    put_random(w, MLKEM768_KEY_BYTES);
    for (size_t i = 0; i < MLKEM768_VECTOR_BYTES; i += 3) {
        key[i + 1] &= 0x77;
        key[i + 2] &= 0x7f;
    }
}

static void put_key_shares(struct writer *w, enum hello_shape shape)
{
    uint8_t *extension = extension_begin(w, EXT_KEY_SHARE), *shares = vector_begin(w, 2);
    if (w->grease) {
        put_number(w, w->grease, 2);
        put_number(w, 1, 2);
        put_number(w, 0, 1);
    }
    put_number(w, shape == HELLO_HYBRID ? GROUP_X25519MLKEM768 : GROUP_X25519, 2);
    uint8_t *key = vector_begin(w, 2);
    if (shape == HELLO_HYBRID)
        put_mlkem_key(w);
    put_random(w, X25519_BYTES); /* any 32 bytes are a point */
    vector_end(w, key, 2);
    vector_end(w, shares, 2);
    vector_end(w, extension, 2);
}

static void put_alpn(struct writer *w)
{
    static const char protocols[] = "\x02h2\x08http/1.1";
    uint8_t *extension = extension_begin(w, EXT_ALPN), *list = vector_begin(w, 2);
    put(w, protocols, sizeof(protocols) - 1);
    vector_end(w, list, 2);
    vector_end(w, extension, 2);
}

static void put_grease_extension(struct writer *w)
{
    if (w->grease)
        vector_end(w, extension_begin(w, w->grease), 2);
}

static void put_extensions(struct writer *w, enum hello_shape shape, const char *name)
{
    static const uint16_t groups[] = {GROUP_X25519MLKEM768, GROUP_X25519, GROUP_P256},
                          signatures[] = {0x403, 0x804, 0x401, 0x503, 0x805, 0x501}, tls13 = 0x304;
    size_t skip = shape != HELLO_HYBRID; /* who knows the hybrid group sends a share of it */
    uint16_t grease = w->grease;

    put_grease_extension(w);
    put_server_name(w, name);
    vector_end(w, extension_begin(w, EXT_MASTER_SECRET), 2);
    put_list_extension(w, EXT_GROUPS, groups + skip, 3 - skip, 2);
    if (shape == HELLO_GREASE) {
        put(w, "\0\x0b\0\x02\x01\0", 6); /* ec_point_formats: uncompressed */
        put_alpn(w);
    }
    w->grease = 0; /* RFC 8701 has none for signatures in this place */
    put_list_extension(w, EXT_SIGNATURES, signatures, 6, 2);
    w->grease = grease;
    put_key_shares(w, shape);
    put(w, "\0\x2d\0\x02\x01\x01", 6); /* psk_key_exchange_modes: with (EC)DHE */
    put_list_extension(w, EXT_VERSIONS, &tls13, 1, 1);
}

static void put_padding(struct writer *w, const uint8_t *record)
{
    size_t bytes = (size_t)(w->p - record);
    if (bytes + 4 >= GREASE_RECORD_BYTES)
        return;
    uint8_t *extension = extension_begin(w, EXT_PADDING);
    while (w->p < record + GREASE_RECORD_BYTES)
        put_number(w, 0, 1);
    vector_end(w, extension, 2);
}

size_t hello_write(uint8_t *buf, enum hello_shape shape, const char *name, uint64_t seed)
{
    static const uint16_t suites[] = {0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030};
    struct writer w = {.p = buf, .end = buf + HELLO_BYTES};
    size_t name_bytes = strlen(name);

    assert(name_bytes > 0 && name_bytes <= HELLO_NAME_BYTES_MAX);
    rng_init(&w.rng, seed);
    if (shape == HELLO_GREASE)
        w.grease = (uint16_t)(0x0a0a + 0x1010 * rng_below(&w.rng, 16));
    put_number(&w, RECORD_HANDSHAKE, 1);
    put_number(&w, 0x301, 2);
    uint8_t *record = vector_begin(&w, 2);
    put_number(&w, CLIENT_HELLO, 1);
    uint8_t *message = vector_begin(&w, 3);
    put_number(&w, 0x303, 2);
    put_random(&w, 32);
    uint8_t *session = vector_begin(&w, 1);
    if (shape == HELLO_GREASE)
        put_random(&w, 32); /* RFC 8446 D.4: for middleboxes */
    vector_end(&w, session, 1);
    put_list(&w, suites, shape == HELLO_GREASE ? 7 : 3, 2);
    put_number(&w, 0x100, 2); /* no compression */
    uint8_t *extensions = vector_begin(&w, 2);
    put_extensions(&w, shape, name);
    if (shape == HELLO_GREASE)
        put_padding(&w, buf);
    vector_end(&w, extensions, 2);
    vector_end(&w, message, 3);
    vector_end(&w, record, 2);
    return (size_t)(w.p - buf);
}
