/* tls_library.h
 *
 * Which wolfSSL this build has, and why not a better one: what tools/wolfssl said when meson asked
 * it (`where`). For the log at start and for hearthctl doctor. Constant.
 */
#ifndef HEARTH_TLS_LIBRARY_H
#define HEARTH_TLS_LIBRARY_H

#include <stdbool.h>

struct tls_library {
    const char *version; /* "5.9.2": what is linked, by its own word */
    const char *origin;  /* "built from source" or "Debian's binary" */
    const char *licence; /* of the library, and so of a binary that holds it: an SPDX name */
    const char *why;     /* a sentence: why not a better one */
    bool is_built;       /* from source */
    bool is_best;        /* that is known */
};

struct tls_library tls_library(void);

#endif
