/* dns.h
 *
 * Questions and answers of DNS as bytes (RFC 1035): one question in a message, by UDP or TCP. Sans
 * I/O.
 *
 *   host, type --dns_write_question--> bytes
 *   bytes --dns_read_answer--> addresses, or why not
 *
 * An answer is taken for a question only if its id and its question are those that were sent, the
 * latter to the letter: each letter's case is random (draft-vixie-dnsext-dns0x20), some 20 bits
 * more that who answers blindly has to guess. Servers that change the case are few; the owner asks
 * them again in lower case.
 *
 * CNAMEs are followed within the message, at most DNS_CNAMES_MAX: who is asked is a recursive
 * resolver, which has followed them. What is not about the name, or the names that it stands for,
 * is not looked at. Names may be compressed (RFC 1035 4.1.4); a pointer leads backwards only.
 *
 * Sources: RFC 1035, 2308 (negative answers), 3596 (AAAA), 5452 (what makes answers hard to forge),
 * 6891 (EDNS: 1,232 bytes by UDP). Pure; hostile bytes: tests/fuzz/fuzz_dns.c.
 */
#ifndef HEARTH_EGRESS_DNS_H
#define HEARTH_EGRESS_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/limits.h"

enum {
    DNS_TYPE_A = 1,
    DNS_TYPE_AAAA = 28,
    DNS_UDP_BYTES = 1232,
    DNS_QUESTION_BYTES_MAX = 12 + HOST_BYTES_MAX + 2 + 4 + 11,
};

struct dns_question {
    const char *host; /* canonical: lower case, no dot at its end */
    uint16_t type, id;
    uint64_t case_seed; /* of its letters; 0: all are small */
};

enum dns_result {
    DNS_FOREIGN,   /* not an answer to this question, or malformed */
    DNS_ADDRESSES, /* at least one */
    DNS_NOTHING,   /* there is no such name, or it has no address of that family */
    DNS_FAILURE,   /* the server cannot say */
    DNS_CUT,       /* it did not fit: ask by TCP */
};

struct dns_answer {
    uint32_t count;
    uint8_t ip[EGRESS_ADDRESSES_MAX][16];
    uint32_t ttl_s; /* the least on the way to them; of NOTHING: how long that holds, 0: unsaid */
};

/* Bytes written, at most DNS_QUESTION_BYTES_MAX; 0: not a name that can be asked for. */
size_t dns_write_question(const struct dns_question *, uint8_t buf[DNS_QUESTION_BYTES_MAX]);

enum dns_result dns_read_answer(const struct dns_question *, const uint8_t *bytes, size_t len,
                                struct dns_answer *);

#endif
