#include "runtime/worker/json_shape.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    PLACES = 1 << 18,   /* of names: a power of two, twice as many and more */
    NAME_BYTES_MIN = 4, /* of a name and its colon, on average: "ab": */
};

static_assert(PLACES > 2 * JSON_NAMES_MAX, "an empty place is near");

/* Which names there were. */
struct names {
    uint64_t *place; /* a hash, never 0; NULL: too short a text to have too many */
    uint64_t secret;
    uint32_t count;
};

/* A multiplication for 8 bytes. Who does not know the secret finds no two names that are equal. */
static uint64_t hash_of(const uint8_t *p, size_t len, uint64_t secret)
{
    uint64_t h = secret ^ len;
    while (len > 0) {
        uint64_t word = 0;
        size_t part = len < sizeof(word) ? len : sizeof(word);
        memcpy(&word, p, part);
        __uint128_t wide = (__uint128_t)(h ^ word) * (secret | 1);
        h = (uint64_t)wide ^ (uint64_t)(wide >> 64);
        p += part;
        len -= part;
    }
    return h ? h : 1;
}

/* False: one too many. */
static bool names_add(struct names *n, const uint8_t *name, size_t len)
{
    uint64_t hash = hash_of(name, len, n->secret);
    uint32_t at = hash % PLACES;
    while (n->place[at] && n->place[at] != hash)
        at = (at + 1) % PLACES;
    n->count += n->place[at] == 0;
    n->place[at] = hash;
    return n->count <= JSON_NAMES_MAX;
}

/* The quote that ends the string whose first byte is at p, or the end. */
static const uint8_t *string_end(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p != '"')
        p += *p == '\\' && end - p > 1 ? 2 : 1;
    return p < end ? p : end;
}

static enum json_shape look(const uint8_t *p, const uint8_t *end, struct names *names)
{
    const uint8_t *string = p, *string_behind = p; /* the last one */
    uint32_t depth = 0;
    while (p < end) {
        switch (*p++) {
        case '"':
            string = p;
            string_behind = string_end(p, end);
            p = string_behind < end ? string_behind + 1 : end;
            break;
        case '[':
        case '{':
            if (++depth > JSON_DEPTH_MAX)
                return JSON_TOO_DEEP;
            break;
        case ']':
        case '}':
            depth -= depth > 0;
            break;
        case ':':
            if (names->place && !names_add(names, string, (size_t)(string_behind - string)))
                return JSON_TOO_MANY_NAMES;
            break;
        }
    }
    return JSON_FINE;
}

enum json_shape json_shape(const uint8_t *text, size_t len, uint64_t secret)
{
    struct names names = {.secret = secret};
    if (len > (size_t)JSON_NAMES_MAX * NAME_BYTES_MIN) {
        names.place = calloc(PLACES, sizeof(*names.place));
        assert(names.place);
    }
    enum json_shape shape = len > 0 ? look(text, text + len, &names) : JSON_FINE;
    free(names.place);
    return shape;
}
