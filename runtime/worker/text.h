/* text.h: what the web platform needs to know about bytes of text. Pure functions. */
#ifndef HEARTH_WORKER_TEXT_H
#define HEARTH_WORKER_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* How many bytes at the end begin a sequence that may still become a whole one: 0 to 3. */
size_t text_open_utf8(const uint8_t *, size_t len);

/* Base64 as atob and btoa have it (Infra, "forgiving-base64 encode" and "decode").
 *
 * out has room for (len + 2) / 3 * 4 bytes: as many are written. */
size_t text_to_base64(const uint8_t *, size_t len, uint8_t *out);
/* out has room for len bytes. Returns how many were written, or -1: it is none. */
int64_t text_from_base64(const uint8_t *, size_t len, uint8_t *out);

#endif
