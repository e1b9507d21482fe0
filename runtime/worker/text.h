/* text.h: what the web platform needs to know about bytes of text. Pure functions. */
#ifndef HEARTH_WORKER_TEXT_H
#define HEARTH_WORKER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool text_is_utf8(const uint8_t *, size_t len);

/* UTS 46 of one domain, non-transitional, as URLs need it (URL Standard, "domain to ASCII"):
 * NUL-terminated UTF-8 in, a malloc'ed string out, NULL if the domain is not valid. */
char *text_domain_to_ascii(const char *domain);
char *text_domain_to_unicode(const char *domain);

#endif
