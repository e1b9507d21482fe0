/* Any bytes as the start of a connection: the reader's outcome must not depend on how they are split. The first byte
 * chooses the split. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/sni.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t piece = 1 + data[0] % 64;
    data++, size--;

    struct sni whole, split;
    sni_init(&whole);
    sni_init(&split);
    sni_input(&whole, data, size);
    for (size_t at = 0; at < size; at += piece)
        sni_input(&split, data + at, size - at < piece ? size - at : piece);

    assert(whole.result == split.result);
    assert(whole.result != SNI_OK || strcmp(whole.host, split.host) == 0);
    assert(whole.result != SNI_OK ||
           (whole.host_bytes > 0 && strlen(whole.host) == whole.host_bytes));
    return 0;
}
