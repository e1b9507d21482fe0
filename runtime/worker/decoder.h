/* decoder.h
 *
 * Bytes of a legacy encoding, or of UTF-16, to UTF-16 units: the decoders of the Encoding Standard
 * but UTF-8's, which is V8's own (natives_text.c).
 *
 *   struct decoder d = {.encoding = ENCODING_BIG5};
 *   decoder_run(&d, bytes, len, false, units) .. decoder_run(&d, bytes, len, true, units)
 *
 * What is malformed becomes U+FFFD, or ends a fatal decoder. The state is a few bytes that may be
 * copied away between runs. Pure; never fails. Source: Encoding Standard 9 to 14.
 */
#ifndef HEARTH_WORKER_DECODER_H
#define HEARTH_WORKER_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/worker/encodings.h"

enum {
    DECODER_KEPT_MAX = 8,        /* units that what is kept may become, beyond one for each byte */
    DECODER_BAD = -1,            /* malformed, and fatal */
    DECODER_UNITS_MAX = 1 << 29, /* of one run's bytes: more than V8 has strings for */
};

struct decoder {
    enum encoding encoding; /* not UTF-8 */
    bool is_fatal;
    struct decoder_state {
        uint8_t lead, second, third; /* bytes of a sequence that is not whole; 0: none */
        uint8_t has_lead;            /* UTF-16: lead is one, whatever its value */
        uint16_t surrogate;          /* UTF-16: the first half of a pair; 0: none */
        uint8_t mode, mode_out;      /* ISO-2022-JP: enum in decoder.c. EUC-JP: mode 1: jis0212 */
        uint8_t has_output;          /* ISO-2022-JP: an escape sequence came last */
    } state;
};

/* Whether a run of that encoding can have left this state: for one that was kept where others may
 * have written. */
bool decoder_is_state(enum encoding, const struct decoder_state *);

/* Decodes up to DECODER_UNITS_MAX bytes into units, which has room for len + DECODER_KEPT_MAX.
 * is_last: nothing follows, and the state is as at the beginning. Returns how many units, or
 * DECODER_BAD, which leaves the state as at the beginning too. */
int64_t decoder_run(struct decoder *, const uint8_t *bytes, size_t len, bool is_last,
                    uint16_t *units);

#endif
