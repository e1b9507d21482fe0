#include "runtime/idna.h"

#include <idn2.h>
#include <string.h>

enum { LABEL_BYTES_MAX = 63 };

/* Of a label with "xn--". DISALLOWED is IDNA2008's word about code points that UTS 46, whose word
 * libidn2 has asked before, allows. */
static bool is_alabel(const char *label, size_t len)
{
    char text[LABEL_BYTES_MAX + 1];
    uint8_t *ascii = NULL;
    if (len > LABEL_BYTES_MAX)
        return false;
    memcpy(text, label, len);
    text[len] = 0;
    int result =
        idn2_lookup_u8((const uint8_t *)text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    bool is_same = result == IDN2_OK && strcmp((const char *)ascii, text) == 0;
    idn2_free(ascii);
    return is_same || result == IDN2_DISALLOWED;
}

bool idna_is_domain(const char *domain, size_t len)
{
    const char *end = domain + len;
    for (const char *label = domain; label < end;) {
        const char *dot = memchr(label, '.', (size_t)(end - label));
        size_t bytes = (size_t)((dot ? dot : end) - label);
        if (bytes >= 4 && memcmp(label, "xn--", 4) == 0 && !is_alabel(label, bytes))
            return false;
        label += bytes + 1;
    }
    return true;
}
