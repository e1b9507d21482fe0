#include "drivers/random.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

enum { BUFFER_BYTES = 256 };

static _Thread_local struct {
    unsigned char bytes[BUFFER_BYTES];
    unsigned left; /* the last ones of it are fresh */
} buffer;

static int from_kernel(unsigned char *out, unsigned len)
{
    while (len > 0) {
        ssize_t n = getrandom(out, len < BUFFER_BYTES ? len : BUFFER_BYTES, 0);
        if (n < 0 && errno != EINTR)
            return -1;
        out += n > 0 ? n : 0;
        len -= n > 0 ? (unsigned)n : 0;
    }
    return 0;
}

int hearth_random_block(unsigned char *out, unsigned int len)
{
    if (len > BUFFER_BYTES / 2)
        return from_kernel(out, len);
    if (len > buffer.left) {
        if (from_kernel(buffer.bytes, BUFFER_BYTES))
            return -1;
        buffer.left = BUFFER_BYTES;
    }
    unsigned char *from = buffer.bytes + BUFFER_BYTES - buffer.left;
    memcpy(out, from, len);
    explicit_bzero(from, len);
    buffer.left -= len;
    return 0;
}

/* The name of wolfSSL's own source of seeds, which is not built then; RAND_poll of its OpenSSL API
 * refers to it. */
int wc_GenerateSeed(void *source, unsigned char *out, unsigned int len);

int wc_GenerateSeed(void *source, unsigned char *out, unsigned int len)
{
    return hearth_random_block(out, len);
}
