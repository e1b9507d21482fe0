/* aead_wolfssl.h
 *
 * wolfSSL's crypto callback over aead.h: AES-GCM with 128 and 256-bit keys, 96-bit nonces and
 * 128-bit tags. Everything else goes back to wolfSSL's own code. Used by aead_init alone; TLS code
 * only names AEAD_WOLFSSL_DEVICE.
 */
#ifndef HEARTH_AEAD_WOLFSSL_H
#define HEARTH_AEAD_WOLFSSL_H

int aead_wolfssl_register(void); /* 0 or -errno */
void aead_wolfssl_unregister(void);

#endif
