/* decoder on any bytes. The first byte picks the encoding, the second where the rest is
 * cut: in pieces it must decode to what it does whole. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/worker/decoder.h"
#include "runtime/worker/text.h"

static bool is_well_formed(const uint16_t *units, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if ((units[i] & 0xfc00) == 0xd800 && i + 1 < count && (units[i + 1] & 0xfc00) == 0xdc00)
            i++;
        else if ((units[i] & 0xf800) == 0xd800)
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len < 2)
        return 0;
    const size_t cut = 1 + bytes[1] % 8;
    const enum encoding encoding = ENCODING_UTF_8 + 1 + bytes[0] % (ENCODINGS - 1);
    bytes += 2;
    len -= 2;
    assert(text_open_utf8(bytes, len) <= 3);

    struct decoder whole = {.encoding = encoding}, pieces = whole, fatal = whole;
    uint16_t *a = malloc((len + DECODER_KEPT_MAX) * 2), *b = malloc((2 * len + 16) * 2);
    int64_t units = decoder_run(&whole, bytes, len, true, a), have = 0;
    assert(units >= 0 && units <= (int64_t)len + DECODER_KEPT_MAX);
    assert(is_well_formed(a, (size_t)units));
    for (size_t at = 0; at < len; at += cut) {
        const size_t n = len - at < cut ? len - at : cut;
        uint16_t some[8 + DECODER_KEPT_MAX];
        int64_t got = decoder_run(&pieces, bytes + at, n, false, some);
        assert(got >= 0 && got <= (int64_t)n + DECODER_KEPT_MAX);
        assert(decoder_is_state(encoding, &pieces.state));
        memcpy(b + have, some, (size_t)got * 2);
        have += got;
    }
    uint16_t last[DECODER_KEPT_MAX];
    int64_t got = decoder_run(&pieces, bytes, 0, true, last);
    memcpy(b + have, last, (size_t)got * 2);
    assert(have + got == units && memcmp(a, b, (size_t)units * 2) == 0);

    /* Malformed is what has become U+FFFD; in two encodings one can also be written. */
    fatal.is_fatal = true;
    bool is_bad = decoder_run(&fatal, bytes, len, true, b) == DECODER_BAD, has_mark = false;
    for (int64_t i = 0; i < units; i++)
        has_mark |= a[i] == 0xfffd;
    assert(!is_bad || has_mark);
    free(a);
    free(b);
    return 0;
}
