#include "dataplane/base/host.h"

#include <smmintrin.h>
#include <string.h>

enum {
    LABEL_BYTES_MAX = 63,
    BLOCK_BYTES = sizeof(__m128i),
    BLOCK_ALL = 0xffff,
    BAD_BYTES = 1 << 16
};

/* 0xff for each byte from `low` on, up to `high`. */
static __m128i in_range(__m128i bytes, char low, char high)
{
    __m128i above = _mm_sub_epi8(bytes, _mm_set1_epi8(low));
    return _mm_cmpeq_epi8(_mm_min_epu8(above, _mm_set1_epi8((char)(high - low))), above);
}

static bool is_label(const char *name, size_t from, size_t to)
{
    return to > from && to - from <= LABEL_BYTES_MAX && name[from] != '-' && name[to - 1] != '-';
}

/* Writes a block in lower case; a bit for each of its dots, or BAD_BYTES. */
static unsigned take_block(char *out, const char *name)
{
    __m128i c = _mm_loadu_si128((const __m128i *)name);
    c = _mm_or_si128(c, _mm_and_si128(in_range(c, 'A', 'Z'), _mm_set1_epi8(0x20)));
    _mm_storeu_si128((__m128i *)out, c);
    __m128i dot = _mm_cmpeq_epi8(c, _mm_set1_epi8('.'));
    __m128i other =
        _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('-')), _mm_cmpeq_epi8(c, _mm_set1_epi8('_')));
    __m128i word = _mm_or_si128(in_range(c, 'a', 'z'), in_range(c, '0', '9'));
    unsigned fine = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(word, other), dot));
    return fine == BLOCK_ALL ? (unsigned)_mm_movemask_epi8(dot) : BAD_BYTES;
}

/* A name that is shorter than a block. */
static unsigned take_part(char *out, const char *name, size_t len)
{
    char block[BLOCK_BYTES] = {[0 ... BLOCK_BYTES - 1] = '_'};
    memcpy(block, name, len);
    unsigned dots = take_block(block, block);
    memcpy(out, block, len);
    return dots;
}

/* Sixteen bytes at a time: a ClientHello's name is a good part of what it takes to read one. */
size_t host_canonical(char out[HOST_BYTES_MAX + 1], const char *name, size_t len)
{
    if (len > 0 && name[len - 1] == '.')
        len--;
    if (len == 0 || len > HOST_BYTES_MAX)
        return 0;
    size_t label_at = 0;
    for (size_t next = 0; next < len; next += BLOCK_BYTES) {
        /* The last block of a longer name takes in bytes of the one before. */
        size_t at = len - next >= BLOCK_BYTES || len < BLOCK_BYTES ? next : len - BLOCK_BYTES;
        unsigned dots =
            len < BLOCK_BYTES ? take_part(out, name, len) : take_block(out + at, name + at);
        if (dots == BAD_BYTES)
            return 0;
        for (dots &= ~0u << (next - at); dots > 0; dots &= dots - 1) {
            size_t end = at + (size_t)__builtin_ctz(dots);
            if (!is_label(out, label_at, end))
                return 0;
            label_at = end + 1;
        }
    }
    if (!is_label(out, label_at, len))
        return 0;
    out[len] = 0;
    return len;
}

bool host_is_numeric(const char *host, size_t len)
{
    size_t label = len;
    while (label > 0 && host[label - 1] != '.')
        label--;
    bool is_hex = len - label >= 2 && host[label] == '0' && host[label + 1] == 'x';
    for (size_t i = is_hex ? label + 2 : label; i < len; i++) {
        bool is_digit = host[i] >= '0' && host[i] <= '9';
        if (!is_digit && !(is_hex && host[i] >= 'a' && host[i] <= 'f'))
            return false;
    }
    return label < len;
}
