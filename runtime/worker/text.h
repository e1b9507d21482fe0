/* text.h: what the web platform needs to know about bytes of text. Pure functions. */
#ifndef HEARTH_WORKER_TEXT_H
#define HEARTH_WORKER_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* How many bytes at the end begin a sequence that may still become a whole one: 0 to 3. */
size_t text_open_utf8(const uint8_t *, size_t len);

#endif
