#include "control/base/clean.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* Bytes of the character that begins here; 0: none does. */
static size_t read_character(const char *in, size_t len, uint32_t *out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* of so many bytes */
    uint8_t first = (uint8_t)in[0];
    size_t bytes = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t c = bytes == 1 ? first : bytes ? first & (0x7fu >> bytes) : 0;

    if (!bytes || bytes > len || first > 0xf4)
        return 0;
    for (size_t i = 1; i < bytes; i++) {
        if (((uint8_t)in[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | ((uint8_t)in[i] & 0x3f);
    }
    *out = c;
    return c >= least[bytes] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) ? bytes : 0;
}

static bool is_break(uint32_t c)
{
    return c == '\n' || c == '\r' || c == '\t' || c == 0x2028 || c == 0x2029;
}

static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e || c == 0x200f ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

size_t clean(char *out, size_t room, const char *in, size_t len, enum clean how)
{
    size_t used = 0;

    for (size_t at = 0; at < len;) {
        uint32_t c = 0;
        size_t bytes = read_character(in + at, len - at, &c), put = bytes;
        const char *is = in + at;
        char escaped[2] = {'\\', *is};
        bool stays = how == CLEAN_UTF8 || (how == CLEAN_TEXT && (c == '\n' || c == '\t'));

        if (bytes && how >= CLEAN_LINE && is_break(c)) {
            is = " ";
            put = 1;
        } else if (!bytes || (!stays && is_control(c))) {
            is = replacement;
            put = sizeof(replacement) - 1;
        } else if (how == CLEAN_FIELD && (c == '"' || c == '\\')) {
            is = escaped;
            put = 2;
        }
        if (put >= room - used)
            break;
        memcpy(out + used, is, put);
        used += put;
        at += bytes ? bytes : 1;
    }
    out[used] = 0;
    return used;
}

static void clean_string(json_t *j, enum clean how)
{
    size_t len = json_string_length(j), room = 3 * len + 1; /* U+FFFD for each byte */
    char *out = malloc(room);

    if (!out) {
        json_string_set(j, "");
        return;
    }
    len = clean(out, room, json_string_value(j), len, how);
    json_string_setn_nocheck(j, out, len);
    free(out);
}

void clean_json(json_t *j, enum clean how)
{
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_string(j))
        clean_string(j, how);
    json_array_foreach(j, i, value)
    {
        clean_json(value, how);
    }
    json_object_foreach(j, key, value)
    {
        clean_json(value, how);
    }
}
