#include "runtime/worker/key.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/libv8c/v8c.h"

enum {
    KIND_KEY = 0x6b6579,
    COST = 256,          /* the handle, and its share of V8's */
    COST_LATTICE = 65536 /* ML-KEM and ML-DSA keep their matrix */
};

static void key_free(void *pointer)
{
    struct key *key = pointer;
    key->room->bytes -= key->cost;
    EVP_PKEY_free(key->pkey);
    OPENSSL_clear_free(key->bytes, key->len);
    free(key);
}

static size_t cost_of(const EVP_PKEY *pkey)
{
    if (EVP_PKEY_is_a(pkey, "RSA")) /* nine numbers, and what the first signature adds */
        return 4096 + 3 * (size_t)EVP_PKEY_get_bits(pkey);
    if (EVP_PKEY_is_a(pkey, "EC"))
        return 4096;
    return EVP_PKEY_get_bits(pkey) > 1000 ? COST_LATTICE : 1024;
}

/* False: thrown. */
static bool has_room(struct v8c_isolate *v8, const struct key_room *room, size_t cost)
{
    if (room->bytes + cost > KEY_ROOM_BYTES)
        v8c_isolate_pressure(v8, V8C_PRESSURE_CRITICAL);
    if (room->bytes + cost <= KEY_ROOM_BYTES)
        return true;
    v8c_throw_new(v8, V8C_RANGE_ERROR, "crypto: too many keys are in use");
    return false;
}

static struct v8c_value *wrap(struct v8c_isolate *v8, struct key_room *room, struct key content)
{
    struct key *key = malloc(sizeof(*key));
    assert(key);
    *key = content;
    key->room = room;
    room->bytes += key->cost;
    struct v8c_value *handle = v8c_wrap_new(v8, key, KIND_KEY, key_free);
    if (!handle)
        key_free(key);
    return handle;
}

struct v8c_value *key_wrap(struct v8c_isolate *v8, struct key_room *room, EVP_PKEY *pkey)
{
    const size_t cost = COST + cost_of(pkey);
    if (has_room(v8, room, cost))
        return wrap(v8, room, (struct key){.pkey = pkey, .cost = cost});
    EVP_PKEY_free(pkey);
    return NULL;
}

struct v8c_value *key_wrap_secret(struct v8c_isolate *v8, struct key_room *room,
                                  const uint8_t *bytes, size_t len)
{
    if (len > KEY_SECRET_BYTES_MAX) {
        v8c_throw_new(v8, V8C_RANGE_ERROR, "crypto: a secret key is longer than 1 MB");
        return NULL;
    }
    if (!has_room(v8, room, COST + len))
        return NULL;
    uint8_t *copy = OPENSSL_malloc(len + 1); /* an empty one has an address too */
    assert(copy);
    if (len)
        memcpy(copy, bytes, len);
    return wrap(v8, room, (struct key){.bytes = copy, .len = len, .cost = COST + len});
}

static const struct key *key_of(const struct v8c_value *value)
{
    return v8c_is(value, V8C_WRAPPED) ? v8c_wrap_pointer(value, KIND_KEY) : NULL;
}

const struct key *key_secret(const struct v8c_value *value)
{
    const struct key *key = key_of(value);
    return key && key->bytes ? key : NULL;
}

EVP_PKEY *key_pkey(const struct v8c_value *value)
{
    const struct key *key = key_of(value);
    return key ? key->pkey : NULL;
}
