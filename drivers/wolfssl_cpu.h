/* wolfssl_cpu.h
 *
 * Keeps wolfCrypt's assembly off AVX2. What it has for P-256 leaves the upper halves of the vector
 * registers dirty, which makes the SHA instructions behind it many times slower (a TLS 1.3
 * handshake with a P-256 share took 425 us instead of 149); and after a P-256 verification every
 * second X25519 secret of a TLS 1.2 client was wrong (wolfSSL 5.9.2; test_tls finds it). Without
 * AVX2 its primitives are as fast: P-256 56 us either way, X25519 28, ML-KEM 768 27 against 25.
 * AES-GCM is ipsec-mb's, and not concerned.
 *
 * Before the first use of wolfCrypt, in the only thread.
 */
#ifndef HEARTH_WOLFSSL_CPU_H
#define HEARTH_WOLFSSL_CPU_H

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/wolfcrypt/cpuid.h>

#ifdef HAVE_CPUID_INTEL
#pragma weak cpuid_get_flags /* Debian's library keeps it to itself */
#endif

static inline void wolfssl_cpu_limit(void)
{
#ifdef HAVE_CPUID_INTEL
    /* Asked first: what is cleared in flags that nobody has read yet leaves all others set, and a
     * CPU without SHA instructions is made to run them. */
    if (cpuid_get_flags)
        (void)cpuid_get_flags();
    cpuid_clear_flag(CPUID_AVX2);
#endif
}

#endif
