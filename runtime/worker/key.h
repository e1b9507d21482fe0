/* key.h
 *
 * A key of crypto.subtle outside of the heap: what a CryptoKey's handle points to.
 *
 *   bytes   of a secret key (AES, HMAC, HKDF, ...)
 *   pkey    of a pair; the public and the private CryptoKey have one handle, and which of both a
 *           CryptoKey is, JavaScript knows
 *
 * A handle is a wrapped pointer (v8c_wrap_new): the key is freed when V8 collects it, or with the
 * isolate, and its secret bytes are cleansed then.
 *
 * Limits: all keys of an isolate have a room of KEY_ROOM_BYTES, by an estimate of what each takes.
 * V8 does not see it; who would pass it has V8 collect first. What is alive then is kept by the
 * script, and it gets an error.
 *
 * Single thread.
 */
#ifndef HEARTH_WORKER_KEY_H
#define HEARTH_WORKER_KEY_H

#include <stddef.h>
#include <stdint.h>

struct v8c_isolate;
struct v8c_value;
typedef struct evp_pkey_st EVP_PKEY; /* openssl/evp.h */

enum {
    KEY_ROOM_BYTES = 16 << 20,
    KEY_SECRET_BYTES_MAX = 1 << 20, /* of one secret key: a password, input of HKDF */
    KEY_RSA_BITS_MAX = 8192,        /* a signature takes 35 ms */
};

struct key_room {
    size_t bytes;
};

struct key {
    struct key_room *room;
    EVP_PKEY *pkey; /* or */
    uint8_t *bytes;
    size_t len;
    size_t cost;
};

/* A handle that owns pkey. NULL: thrown, and pkey is freed. */
struct v8c_value *key_wrap(struct v8c_isolate *, struct key_room *, EVP_PKEY *pkey);
/* A handle of a copy of bytes. NULL: thrown. */
struct v8c_value *key_wrap_secret(struct v8c_isolate *, struct key_room *, const uint8_t *bytes,
                                  size_t len);
/* NULL: no handle of a key of that sort. Valid as long as the handle is. */
const struct key *key_secret(const struct v8c_value *);
EVP_PKEY *key_pkey(const struct v8c_value *);

#endif
