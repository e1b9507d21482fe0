#include "runtime/worker/text.h"

#include <stdbool.h>
#include <string.h>

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

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t text_to_base64(const uint8_t *p, size_t len, uint8_t *out)
{
    const uint8_t *begin = out;
    for (; len >= 3; len -= 3, p += 3) {
        const uint32_t bits = (uint32_t)(p[0] << 16 | p[1] << 8 | p[2]);
        *out++ = (uint8_t)digits[bits >> 18];
        *out++ = (uint8_t)digits[bits >> 12 & 63];
        *out++ = (uint8_t)digits[bits >> 6 & 63];
        *out++ = (uint8_t)digits[bits & 63];
    }
    if (len > 0) {
        const uint32_t bits = (uint32_t)(p[0] << 16 | (len > 1 ? p[1] << 8 : 0));
        *out++ = (uint8_t)digits[bits >> 18];
        *out++ = (uint8_t)digits[bits >> 12 & 63];
        *out++ = len > 1 ? (uint8_t)digits[bits >> 6 & 63] : '=';
        *out++ = '=';
    }
    return (size_t)(out - begin);
}

enum { BASE64_SPACE = 64, BASE64_PAD, BASE64_BAD };

/* What each byte is: six bits, or one of the above. */
static const uint8_t *base64_values(void)
{
    static uint8_t values[256];
    if (values['B'])
        return values;
    memset(values, BASE64_BAD, sizeof(values));
    for (uint8_t i = 0; i < 64; i++)
        values[(uint8_t)digits[i]] = i;
    for (const char *space = " \t\n\f\r"; *space; space++)
        values[(uint8_t)*space] = BASE64_SPACE;
    values['='] = BASE64_PAD;
    return values;
}

int64_t text_from_base64(const uint8_t *p, size_t len, uint8_t *out)
{
    const uint8_t *values = base64_values(), *end = p + len, *begin = out;
    uint32_t bits = 0;
    unsigned have = 0, pads = 0; /* digits of the group of four that is begun */

    while (p < end) {
        if (have == 0 && end - p >= 4) {
            const uint8_t a = values[p[0]], b = values[p[1]], c = values[p[2]], d = values[p[3]];
            if ((a | b | c | d) < 64) {
                const uint32_t group = (uint32_t)(a << 18 | b << 12 | c << 6 | d);
                *out++ = (uint8_t)(group >> 16);
                *out++ = (uint8_t)(group >> 8);
                *out++ = (uint8_t)group;
                p += 4;
                continue;
            }
        }
        const uint8_t value = values[*p++];
        if (value == BASE64_SPACE)
            continue;
        if (value == BASE64_PAD) {
            pads++;
            continue;
        }
        if (value == BASE64_BAD || pads > 0)
            return -1;
        bits = bits << 6 | value;
        if (++have < 4)
            continue;
        *out++ = (uint8_t)(bits >> 16);
        *out++ = (uint8_t)(bits >> 8);
        *out++ = (uint8_t)bits;
        have = 0;
        bits = 0;
    }
    /* Padding is left out or whole, and nothing is not padded. */
    if (have == 1 || pads > 2 || (pads > 0 && have + pads != 4))
        return -1;
    if (have >= 2)
        *out++ = (uint8_t)(have == 2 ? bits >> 4 : bits >> 10);
    if (have == 3)
        *out++ = (uint8_t)(bits >> 2);
    return out - begin;
}
