/* natives_crypto_parts.h
 *
 * What the natives of natives_crypto.h share.
 */
#ifndef HEARTH_WORKER_NATIVES_CRYPTO_PARTS_H
#define HEARTH_WORKER_NATIVES_CRYPTO_PARTS_H

#include <openssl/evp.h>

#include "runtime/libv8c/v8c.h"
#include "runtime/worker/key.h"
#include "runtime/worker/monitor.h"

enum {
    CRYPTO_PIECE_BYTES = 1 << 20, /* between two looks at the monitor: 2 ms of the slowest hash */
    CRYPTO_NAME_MAX = 32,
};

/* By JavaScript's name, "SHA-256"; NULL: there is none. Not to be freed. */
const EVP_MD *crypto_hash(const struct v8c_call *, unsigned n);
/* Its name in OpenSSL. */
const char *crypto_hash_name(const EVP_MD *);

/* Argument n, which is empty unless it is a view or an ArrayBuffer; never at NULL. */
struct v8c_bytes crypto_bytes(const struct v8c_call *, unsigned n);
/* Argument n as an integer; outside of 0 and most: -1. */
long crypto_number(const struct v8c_call *, unsigned n, long most);
/* Argument n as text, "" if it is none or too long. */
void crypto_text(const struct v8c_call *, unsigned n, char text[CRYPTO_NAME_MAX]);

struct key_room *crypto_room(const struct v8c_call *);
struct monitor *crypto_monitor(const struct v8c_call *);
/* The slice is over its budget: give up. */
bool crypto_is_struck(const struct v8c_call *);

/* True after all pieces. */
bool crypto_update(const struct v8c_call *, EVP_MD_CTX *, struct v8c_bytes);
/* The hash of bytes; 0: refused. */
size_t crypto_hash_of(const struct v8c_call *, const EVP_MD *, struct v8c_bytes,
                      uint8_t out[EVP_MAX_MD_SIZE]);

/* An ArrayBuffer with a copy. NULL: thrown. */
struct v8c_value *crypto_buffer(const struct v8c_call *, const void *bytes, size_t len);
/* What the native answers: an ArrayBuffer with a copy. */
void crypto_return(const struct v8c_call *, const void *bytes, size_t len);
/* The same of what must not stay in memory. */
void crypto_return_secret(const struct v8c_call *, void *bytes, size_t len);
/* undefined, and nothing stays in OpenSSL's queue of errors. */
void crypto_refuse(const struct v8c_call *);

#endif
