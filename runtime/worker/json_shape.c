#include "runtime/worker/json_shape.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    PLACES = 1 << 16,    /* of what was met lately */
    NS_OF_A_BYTE = 1000, /* no text costs more: "": is 3 bytes, and at most a shape */
    SHORT_BYTES_MIN = 2, /* V8 keeps each short string once, and single characters anyway */
    SHORT_BYTES_MAX = 10,
};

static_assert(NS_OF_A_BYTE > JSON_NS_SHAPE / 3 + JSON_NS_BYTE, "no text costs more");

/* An object or array that is not closed yet. */
struct level {
    uint64_t shape; /* of the names so far */
    uint32_t names;
};

struct estimate {
    int64_t left_ns;
    uint64_t secret;
    uint32_t *met;       /* by hash; NULL: the text is too short to cost too much */
    struct level *level; /* as many as the text may nest, and what is around it */
};

enum { SEED_STRING = 0, SEED_SHAPE = 1 };

/* A multiplication for 8 bytes. Who does not know the secret finds no two that are equal. */
static uint64_t hash_of(const uint8_t *p, size_t len, uint64_t seed, uint64_t secret)
{
    uint64_t h = secret ^ len ^ seed;
    do {
        uint64_t word = 0;
        size_t part = len < sizeof(word) ? len : sizeof(word);
        memcpy(&word, p, part);
        __uint128_t wide = (__uint128_t)(h ^ word) * (secret | 1);
        h = (uint64_t)wide ^ (uint64_t)(wide >> 64);
        p += part;
        len -= part;
    } while (len > 0);
    return h;
}

/* Was it not met, or so long ago that another one has taken its place? Then the engine has to look
 * far for it too. */
static bool is_new(struct estimate *e, uint64_t hash)
{
    uint32_t *place = &e->met[hash % PLACES], tag = (uint32_t)(hash >> 32);
    bool is_new = *place != tag;
    *place = tag;
    return is_new;
}

static void take_name(struct estimate *e, struct level *l, const uint8_t *name, size_t len)
{
    if (++l->names <= JSON_NARROW_MAX) {
        l->shape = hash_of(name, len, l->shape, e->secret);
        e->left_ns -= is_new(e, l->shape) ? JSON_NS_SHAPE : 0;
        return;
    }
    if (l->names == JSON_NARROW_MAX + 1) /* the former ones go into its table too */
        e->left_ns -= JSON_NARROW_MAX * JSON_NS_WIDE;
    bool new = is_new(e, hash_of(name, len, SEED_STRING, e->secret));
    e->left_ns -= JSON_NS_WIDE + (new ? JSON_NS_NEW : 0);
}

static void take_string(struct estimate *e, const uint8_t *text, size_t len)
{
    if (len >= SHORT_BYTES_MIN && len <= SHORT_BYTES_MAX &&
        is_new(e, hash_of(text, len, SEED_STRING, e->secret)))
        e->left_ns -= JSON_NS_NEW;
}

/* The quote that ends the string whose first byte is at p, or the end. */
static const uint8_t *string_end(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p != '"')
        p += *p == '\\' && end - p > 1 ? 2 : 1;
    return p < end ? p : end;
}

/* What the last string was shows behind it. */
static void take(struct estimate *e, uint8_t behind, uint32_t depth, const uint8_t *string,
                 size_t len)
{
    if (behind == ':')
        take_name(e, &e->level[depth], string, len);
    else
        take_string(e, string, len);
}

static enum json_shape look(const uint8_t *p, const uint8_t *end, struct estimate *e)
{
    const uint8_t *string = NULL; /* the last one, until it is taken */
    size_t string_len = 0;
    uint32_t depth = 0;
    while (p < end && e->left_ns >= 0) {
        uint8_t c = *p++;
        bool is_mark =
            c == '"' || c == ':' || c == ',' || c == '[' || c == ']' || c == '{' || c == '}';
        if (!is_mark)
            continue;
        if (string && e->met)
            take(e, c, depth, string, string_len);
        string = NULL;
        if (c == '"') {
            string = p;
            p = string_end(p, end);
            string_len = (size_t)(p - string);
            p += p < end;
        } else if (c == '[' || c == '{') {
            if (++depth > JSON_DEPTH_MAX)
                return JSON_TOO_DEEP;
            e->left_ns -= JSON_NS_CONTAINER;
            if (e->met)
                e->level[depth] = (struct level){.shape = SEED_SHAPE};
        } else if (c == ']' || c == '}') {
            depth -= depth > 0;
        }
    }
    return e->left_ns >= 0 ? JSON_FINE : JSON_TOO_COSTLY;
}

/* Only a text that can cost too much is worth the memory. */
static void remember(struct estimate *e, size_t len)
{
    if (len * NS_OF_A_BYTE <= JSON_NS_MAX)
        return;
    e->met = calloc(PLACES, sizeof(*e->met));
    e->level = malloc((JSON_DEPTH_MAX + 1) * sizeof(*e->level));
    assert(e->met && e->level);
    e->level[0] = (struct level){0};
}

enum json_shape json_shape(const uint8_t *text, size_t len, uint64_t secret)
{
    uint64_t most_ns = len * JSON_NS_PER_BYTE_MAX;
    if (most_ns < JSON_NS_MAX)
        most_ns = JSON_NS_MAX;
    struct estimate e = {.left_ns = (int64_t)(most_ns - len * JSON_NS_BYTE), .secret = secret};
    remember(&e, len);
    enum json_shape shape = len > 0 ? look(text, text + len, &e) : JSON_FINE;
    free(e.met);
    free(e.level);
    return shape;
}
