/* client_hellos.h: the first bytes of clients, as fuzz_tls's corpus has them: taken from the wire,
 * or, where a name says so, made like a browser's. */
#ifndef HEARTH_TEST_CLIENT_HELLOS_H
#define HEARTH_TEST_CLIENT_HELLOS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const client_hellos[] = {
    "chromium_like", "chromium_x25519_like", "curl_tls13",    "firefox_like",
    "gnutls_tls12",  "gnutls_tls13",         "node",          "node_mlkem",
    "openssl_p384",  "openssl_no_name",      "openssl_tls12", "openssl_tls13",
};
enum { CLIENT_HELLOS = sizeof(client_hellos) / sizeof(client_hellos[0]) };

/* One record; its bytes. The file is there, or the program ends. */
static inline size_t client_hello_load(const char *directory, const char *name, uint8_t *out,
                                       size_t max)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "r");
    size_t len = file ? fread(out, 1, max, file) : 0;
    if (len < 5 || len != 5 + ((size_t)out[3] << 8 | out[4])) {
        fprintf(stderr, "%s: no record\n", path);
        abort();
    }
    fclose(file);
    return len;
}

#endif
