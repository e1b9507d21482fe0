/* idna.h
 *
 * Which ASCII domains hearthd takes requests for; it refuses the others before a script runs. The
 * URL of scripts takes each of these, and since the URL Standard asks nothing of an ASCII domain
 * any more (2026: "domain to ASCII", beStrict false) those that are refused here as well.
 *
 *   xn--bcher-kva.example  yes: the label decodes to what it stands for
 *   xn--ls8h.la            yes: an emoji; IDNA2008 has none, the URL Standard (UTS 46) does
 *   xn--0.example          no: not punycode (RFC 3492)
 *   xn--a.example          no: decodes to what no domain may have
 *   ab--cd.a_b.example     yes: any label without "xn--" is what it is
 *
 * By libidn2's tables, asked about labels with "xn--" alone: a microsecond for each, and nothing
 * for other domains. Any thread.
 *
 * Rejected: routing what nginx would: what reads the label back throws for `xn--0.example` on a
 * wildcard route. A check of the punycode alone. libidn2's IDNA2008 word for all of it: URLs threw
 * also for emoji and `ab--c_d`, which browsers ask for.
 */
#ifndef HEARTH_IDNA_H
#define HEARTH_IDNA_H

#include <stdbool.h>
#include <stddef.h>

/* Lower-case letters, digits, '-', '_' and dots; labels of at most 63 bytes, else it is none. */
bool idna_is_domain(const char *domain, size_t len);

#endif
