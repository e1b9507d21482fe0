#include "runtime/worker/text.h"

#include <stdbool.h>

size_t text_open_utf8(const uint8_t *p, size_t len)
{
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        const uint8_t b = p[len - back];
        if (b < 0x80)
            return 0;
        if (b < 0xc0)
            continue;
        const size_t need = b >= 0xf0 && b <= 0xf4   ? 4
                            : b >= 0xe0 && b <= 0xef ? 3
                            : b >= 0xc2 && b <= 0xdf ? 2
                                                     : 1;
        if (back >= need)
            return 0;
        const uint8_t second = back > 1 ? p[len - back + 1] : 0;
        const bool is_bad =
            back > 1 && ((b == 0xe0 && second < 0xa0) || (b == 0xed && second > 0x9f) ||
                         (b == 0xf0 && second < 0x90) || (b == 0xf4 && second > 0x8f));
        return is_bad ? 0 : back;
    }
    return 0;
}
