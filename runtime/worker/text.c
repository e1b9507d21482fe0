#include "runtime/worker/text.h"

#include <idn2.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/idna.h"

/* Unicode 15, table 3-7: well-formed byte sequences. */
bool text_is_utf8(const uint8_t *p, size_t len)
{
    const uint8_t *end = p + len;
    while (p < end) {
        uint64_t eight;
        while (end - p >= 8) { /* most text is ASCII */
            memcpy(&eight, p, 8);
            if (eight & 0x8080808080808080ull)
                break;
            p += 8;
        }
        if (p == end)
            return true;
        uint8_t b = *p++;
        if (b < 0x80)
            continue;
        size_t more = b >= 0xc2 && b <= 0xdf   ? 1
                      : b >= 0xe0 && b <= 0xef ? 2
                      : b >= 0xf0 && b <= 0xf4 ? 3
                                               : 0;
        if (more == 0 || (size_t)(end - p) < more)
            return false;
        uint8_t low = b == 0xe0 ? 0xa0 : b == 0xf0 ? 0x90 : 0x80;
        uint8_t high = b == 0xed ? 0x9f : b == 0xf4 ? 0x8f : 0xbf;
        if (*p < low || *p > high)
            return false;
        p++;
        while (--more)
            if ((*p++ & 0xc0) != 0x80)
                return false;
    }
    return true;
}

static bool is_ascii(const char *text)
{
    while (*text > 0)
        text++;
    return *text == 0;
}

/* What is ASCII is itself, if it can be. */
static char *ascii_domain(const char *domain)
{
    char *copy = strdup(domain);
    for (char *p = copy; *p; p++)
        *p |= *p >= 'A' && *p <= 'Z' ? 0x20 : 0;
    if (idna_is_domain(copy, strlen(copy)))
        return copy;
    free(copy);
    return NULL;
}

char *text_domain_to_ascii(const char *domain)
{
    uint8_t *out = NULL;
    if (is_ascii(domain))
        return ascii_domain(domain);
    if (idn2_lookup_u8((const uint8_t *)domain, &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) !=
        IDN2_OK)
        return NULL;
    char *copy = strdup((const char *)out);
    idn2_free(out);
    return copy;
}

char *text_domain_to_unicode(const char *domain)
{
    char *out = NULL;
    if (idn2_to_unicode_8z8z(domain, &out, IDN2_NONTRANSITIONAL) != IDN2_OK)
        return NULL;
    char *copy = strdup(out);
    idn2_free(out);
    return copy;
}
