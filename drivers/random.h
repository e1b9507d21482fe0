/* random.h
 *
 * The kernel's random bytes through a small buffer of each thread: one call into the kernel for
 * many short demands. wolfSSL, as tools/wolfssl builds it, has no generator of its own and asks
 * here.
 *
 * Bytes are wiped from the buffer as they are handed out. Any thread; nobody forks.
 * Source: getrandom(2), which never fails once the kernel's pool is ready and never comes short up
 * to 256 bytes.
 *
 * Rejected: a generator (DRBG) in each session, seeded and tested: 8 us for each, and /dev/urandom
 * opened.
 */
#ifndef HEARTH_RANDOM_H
#define HEARTH_RANDOM_H

/* 0: out has len bytes. -1: the kernel has no getrandom. The name and the types are what wolfSSL
 * calls (CUSTOM_RAND_GENERATE_BLOCK). */
int hearth_random_block(unsigned char *out, unsigned int len);

#endif
