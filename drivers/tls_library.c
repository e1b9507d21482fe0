#include "drivers/tls_library.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/ssl.h>

#include "drivers/tls_library_built.h"

struct tls_library tls_library(void)
{
    return (struct tls_library){
        .version = wolfSSL_lib_version(),
        .origin = TLS_LIBRARY_IS_BUILT ? "built from source" : "Debian's binary",
        .licence = TLS_LIBRARY_LICENCE,
        .why = TLS_LIBRARY_WHY,
        .is_built = TLS_LIBRARY_IS_BUILT,
        .is_best = TLS_LIBRARY_IS_BEST,
    };
}
