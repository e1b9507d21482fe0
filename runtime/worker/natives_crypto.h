/* natives_crypto.h
 *
 * The natives behind crypto.subtle (runtime/web/subtle.js and what it is made of), by the OpenSSL
 * that V8's executable exports. JavaScript knows the standard: names, usages, which error comes
 * when. Here are the primitives: bytes and handles of keys (key.h) in, bytes out, or undefined when
 * the primitive refuses. As everywhere a native trusts no argument's type.
 *
 *   natives_digest.c    hashes, HMAC, HKDF, PBKDF2
 *   natives_cipher.c    AES in its modes, ChaCha20-Poly1305
 *   natives_key.c       pairs: made, read and written
 *   natives_pair.c      what is done with them: signatures, RSA-OAEP, agreement, encapsulation
 *
 * Where it runs.  All of it on the loop's thread, within the slice of who asked, so it is charged
 * to that request like its JavaScript, and while it lasts the script's other requests wait.
 * Most takes microseconds (the table is in docs/scripts.md). What can take long looks at least
 * every few milliseconds whether the monitor has struck (monitor.h) and gives up then, so that the
 * CPU limit holds in the midst of it as in JavaScript:
 *
 *   PBKDF2                  every 1,024 iterations
 *   an RSA pair             at each candidate for a prime
 *   hashes, HMAC, ciphers   every megabyte
 *
 * What cannot look (Ed25519, Ed448 and ML-DSA hash the whole message inside of OpenSSL, twice or
 * more) is excused for as long as its bytes take at most. RSA is limited to 8,192 bits, so that
 * one operation ends within the monitor's patience.
 *
 * Randomness is the kernel's, always: OpenSSL's own generator would be copied by the fork into all
 * cells of a zygote, and would draw without has_drawn (worker.h) knowing.
 *
 * Errors: OpenSSL's queue is emptied where a primitive has refused; why it did is nobody's to know
 * (padding oracles).
 *
 * Rejected: a helper thread for what is long. A cell would have the CPU time of two; the filter of
 * system calls, the fork of templates and the monitor's clock, which is the process's, count on one
 * thread that computes; what it would save are the other requests of one script, of which hearthd
 * starts further cells when one is busy. PBKDF2 by EVP_KDF: as fast, but nothing stops it.
 */
#ifndef HEARTH_WORKER_NATIVES_CRYPTO_H
#define HEARTH_WORKER_NATIVES_CRYPTO_H

#include "runtime/libv8c/v8c.h"

struct worker;

/* In the zygote, before the first fork: takes no configuration file, makes the kernel the source of
 * randomness, and looks up what each cell would look up for itself. */
void natives_crypto_start(struct worker *);

void native_digest(struct v8c_call *);
void native_digest_start(struct v8c_call *);
void native_digest_update(struct v8c_call *);
void native_digest_end(struct v8c_call *);
void native_hmac(struct v8c_call *);
void native_hkdf(struct v8c_call *);
void native_pbkdf2(struct v8c_call *);
void native_equal_bytes(struct v8c_call *);

void native_cipher(struct v8c_call *);

void native_key_secret(struct v8c_call *);
void native_key_random(struct v8c_call *);
void native_key_bytes(struct v8c_call *);
void native_key_length(struct v8c_call *);
void native_key_generate(struct v8c_call *);
void native_key_read(struct v8c_call *);
void native_key_write(struct v8c_call *);
void native_base64url(struct v8c_call *);
void native_key_of_parts(struct v8c_call *);
void native_key_parts(struct v8c_call *);

void native_key_sign(struct v8c_call *);
void native_key_verify(struct v8c_call *);
void native_key_crypt(struct v8c_call *);
void native_key_agree(struct v8c_call *);
void native_key_encapsulate(struct v8c_call *);
void native_key_decapsulate(struct v8c_call *);

#endif
