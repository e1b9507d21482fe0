/* hearth.yaml: any bytes give a verdict; what is taken for good prints and reads back. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct conf_verdict verdict;
    struct conf *c = conf_parse((const char *)data, size, &verdict);
    char *text = NULL;
    size_t bytes;
    FILE *out;

    assert(!c == (verdict.count > 0));
    if (!c)
        return 0;
    out = open_memstream(&text, &bytes);
    assert(out && conf_print(c, out) == 0);
    fclose(out);
    conf_free(c);
    c = conf_parse(text, bytes, &verdict);
    assert(c);
    conf_free(c);
    free(text);
    return 0;
}
