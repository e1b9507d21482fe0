#include "dataplane/sni.h"

#include <assert.h>
#include <string.h>

#include "dataplane/host.h"

enum {
    RECORD_HANDSHAKE = 22,
    RECORD_HEADER_BYTES = 5,
    RECORD_CONTENT_MAX = 1 << 14,
    HANDSHAKE_CLIENT_HELLO = 1,
    EXTENSION_SERVER_NAME = 0,
    NAME_TYPE_HOST = 0,
    VERSION_AND_RANDOM_BYTES = 2 + 32,
    SESSION_ID_BYTES_MAX = 32,
};

/* What is being read. The first group are numbers, the second are runs of bytes. */
enum state {
    MESSAGE_TYPE,
    MESSAGE_LENGTH,
    SESSION_ID_LENGTH,
    SUITES_LENGTH,
    COMPRESSION_LENGTH,
    EXTENSIONS_LENGTH,
    EXTENSION_TYPE,
    EXTENSION_LENGTH,
    NAME_EXTENSION_LENGTH,
    NAME_LIST_LENGTH,
    NAME_TYPE,
    NAME_LENGTH,

    VERSION_AND_RANDOM,
    SESSION_ID,
    SUITES,
    COMPRESSION,
    EXTENSION,
    NAME,
};

static const uint8_t number_size[] = {
    [MESSAGE_TYPE] = 1,     [MESSAGE_LENGTH] = 3,     [SESSION_ID_LENGTH] = 1,
    [SUITES_LENGTH] = 2,    [COMPRESSION_LENGTH] = 1, [EXTENSIONS_LENGTH] = 2,
    [EXTENSION_TYPE] = 2,   [EXTENSION_LENGTH] = 2,   [NAME_EXTENSION_LENGTH] = 2,
    [NAME_LIST_LENGTH] = 2, [NAME_TYPE] = 1,          [NAME_LENGTH] = 2,
};

static void skip(struct sni *s, enum state what, uint32_t bytes)
{
    s->state = what;
    s->field_left = bytes;
}

/* The field before the extensions list or one of its members is complete. */
static void next_extension(struct sni *s)
{
    s->state = EXTENSION_TYPE;
    assert(s->extensions_left == s->message_left);
}

/* A number was read: false if it is wrong. Every length is checked against what encloses it, so
 * that the lengths agree to the byte at the end. */
static bool take_number(struct sni *s, uint32_t n)
{
    switch ((enum state)s->state) {
    case MESSAGE_TYPE:
        s->state = MESSAGE_LENGTH;
        return n == HANDSHAKE_CLIENT_HELLO;
    case MESSAGE_LENGTH:
        s->message_left = n;
        skip(s, VERSION_AND_RANDOM, VERSION_AND_RANDOM_BYTES);
        return n >= VERSION_AND_RANDOM_BYTES && n <= SNI_HELLO_BYTES_MAX;
    case SESSION_ID_LENGTH:
        skip(s, SESSION_ID, n);
        return n <= SESSION_ID_BYTES_MAX && n <= s->message_left;
    case SUITES_LENGTH:
        skip(s, SUITES, n);
        return n >= 2 && n % 2 == 0 && n <= s->message_left;
    case COMPRESSION_LENGTH:
        skip(s, COMPRESSION, n);
        return n >= 1 && n <= s->message_left;
    case EXTENSIONS_LENGTH:
        s->extensions_left = n;
        s->state = EXTENSION_TYPE;
        return n == s->message_left;
    case EXTENSION_TYPE:
        s->extensions_left -= 2;
        s->state = EXTENSION_LENGTH;
        if (n != EXTENSION_SERVER_NAME)
            return true;
        if (s->has_name)
            return false;
        s->has_name = true;
        s->state = NAME_EXTENSION_LENGTH;
        return true;
    case EXTENSION_LENGTH:
        s->extensions_left -= 2;
        skip(s, EXTENSION, n);
        return n <= s->extensions_left;
    case NAME_EXTENSION_LENGTH:
        s->extensions_left -= 2;
        s->field_left = n;
        s->state = NAME_LIST_LENGTH;
        return n <= s->extensions_left && n >= 2 + 1 + 2 + 1;
    case NAME_LIST_LENGTH:
        s->state = NAME_TYPE;
        return n == s->field_left - 2;
    case NAME_TYPE:
        s->state = NAME_LENGTH;
        return n == NAME_TYPE_HOST;
    case NAME_LENGTH:
        s->extensions_left -= 2 + 1 + 2;
        /* One name and nothing behind it (the RFC allows one of each type and defines one type). */
        if (n != s->field_left - 5 || n > HOST_BYTES_MAX + 1 || n == 0)
            return false;
        skip(s, NAME, n);
        s->name_bytes = 0;
        return true;
    default:
        assert(!"a run of bytes is no number");
        return false;
    }
}

/* A run of bytes is complete: false if what it said is wrong. */
static bool end_run(struct sni *s)
{
    switch ((enum state)s->state) {
    case VERSION_AND_RANDOM:
        s->state = SESSION_ID_LENGTH;
        return s->message_left > 0;
    case SESSION_ID:
        s->state = SUITES_LENGTH;
        return s->message_left > 0;
    case SUITES:
        s->state = COMPRESSION_LENGTH;
        return s->message_left > 0;
    case COMPRESSION:
        s->state = EXTENSIONS_LENGTH; /* or the end: a hello without extensions */
        return true;
    case NAME:
        next_extension(s);
        s->host_bytes = (uint8_t)host_canonical(s->host, s->host, s->name_bytes);
        return s->host_bytes > 0 && !host_is_numeric(s->host, s->host_bytes);
    case EXTENSION:
        next_extension(s);
        return true;
    default:
        assert(!"a number is no run of bytes");
        return false;
    }
}

static bool at_number(const struct sni *s)
{
    return s->state < VERSION_AND_RANDOM;
}

/* Eats from the message: how much, 0 if it is wrong. len is at least 1. */
static size_t eat(struct sni *s, const uint8_t *p, size_t len)
{
    if (s->state > MESSAGE_LENGTH && len > s->message_left)
        len = s->message_left;
    if (at_number(s)) {
        size_t want = number_size[s->state], n = 0;
        while (n < len && s->number_bytes < want) {
            s->number = s->number << 8 | p[n++];
            s->number_bytes++;
        }
        if (s->state > MESSAGE_LENGTH)
            s->message_left -= (uint32_t)n;
        if (s->number_bytes < want)
            return n;
        uint32_t number = s->number;
        s->number = s->number_bytes = 0;
        return take_number(s, number) ? n : 0;
    }
    size_t n = len < s->field_left ? len : s->field_left;
    if (s->state == NAME) {
        memcpy(s->host + s->name_bytes, p, n);
        s->name_bytes += (uint32_t)n;
    }
    if (s->state == NAME || s->state == EXTENSION)
        s->extensions_left -= (uint32_t)n;
    s->field_left -= (uint32_t)n;
    s->message_left -= (uint32_t)n;
    return n;
}

/* Takes content of the record: false if it is wrong. Sets the result at the end of the message. */
static bool take_content(struct sni *s, const uint8_t *p, size_t len)
{
    while (len > 0) {
        size_t n = eat(s, p, len);
        if (n == 0)
            return false;
        p += n;
        len -= n;
        s->record_left -= (uint16_t)n;
        while (!at_number(s) && s->field_left == 0) {
            if (!end_run(s))
                return false;
        }
        if (s->state > MESSAGE_LENGTH && s->message_left == 0) {
            /* Complete between two extensions, or before any; and nothing may follow in the record.
             */
            bool is_whole = s->number_bytes == 0 &&
                            (s->state == EXTENSION_TYPE || s->state == EXTENSIONS_LENGTH);
            if (!is_whole || s->record_left > 0)
                return false;
            s->result = s->has_name ? SNI_OK : SNI_NONE;
            return true;
        }
    }
    return true;
}

static bool take_record_header(struct sni *s, uint8_t byte)
{
    switch (s->record_state++) {
    case 0:
        return byte == RECORD_HANDSHAKE;
    case 1:
        return byte == 3;
    case 2:
        return byte <= 4;
    case 3:
        s->record_left = (uint16_t)(byte << 8);
        return true;
    default:
        s->record_left |= byte;
        return s->record_left > 0 && s->record_left <= RECORD_CONTENT_MAX;
    }
}

void sni_init(struct sni *s)
{
    *s = (struct sni){.result = SNI_MORE, .state = MESSAGE_TYPE};
}

enum sni_result sni_input(struct sni *s, const uint8_t *bytes, size_t len)
{
    const uint8_t *p = bytes, *end = bytes + len;
    while (p < end && s->result == SNI_MORE) {
        bool is_good;
        size_t n = 1;
        if (s->record_state < RECORD_HEADER_BYTES) {
            is_good = take_record_header(s, *p);
        } else {
            n = (size_t)(end - p) < s->record_left ? (size_t)(end - p) : s->record_left;
            is_good = take_content(s, p, n);
            if (s->record_left == 0)
                s->record_state = 0;
        }
        p += n;
        s->fed_bytes += (uint32_t)n;
        if (!is_good || s->fed_bytes > SNI_HELLO_BYTES_MAX)
            s->result = SNI_BAD;
    }
    return s->result;
}
