/* Encodings and base64: what runtime/web/encoding.js and base64.js do in C. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/worker/decoder.h"
#include "runtime/worker/encodings.h"
#include "runtime/worker/isolate.h"
#include "runtime/worker/natives.h"
#include "runtime/worker/natives_call.h"
#include "runtime/worker/text.h"
#include "runtime/worker/worker.h"

enum {
    LONG_BYTES = 1 << 20, /* from here on what is done to them is worth an excuse */
    NS_PER_BYTE_MAX = 20,
    SMALL = 2048,
};

/* What ends by itself, and no strike can end (monitor.h). */
struct excuse {
    struct monitor *monitor;
    struct monitor_excuse excuse;
};

static void excuse_begin(const struct v8c_call *c, struct excuse *e, size_t bytes)
{
    struct isolate *i = natives_isolate(c);
    e->monitor = i && bytes >= LONG_BYTES ? &i->worker->monitor : NULL;
    if (e->monitor)
        monitor_excuse_begin(e->monitor, &e->excuse, (uint64_t)NS_PER_BYTE_MAX * bytes);
}

static void excuse_end(const struct excuse *e)
{
    if (e->monitor)
        monitor_excuse_end(e->monitor, &e->excuse);
}

/* ---- encodings ---- */

static void native_encoding_of(struct v8c_call *c)
{
    uint16_t units[256];
    char label[256];
    struct v8c_value *text = natives_string(c, 0);
    if (!text)
        return;
    v8c_call_return_int(c, ENCODING_UNKNOWN);
    size_t len = v8c_string_length(text);
    if (len > sizeof(label))
        return; /* of whitespace, most of it */
    v8c_string_write_utf16(c->isolate, text, units, len);
    for (size_t i = 0; i < len; i++)
        label[i] = units[i] < 0x80 ? (char)units[i] : '\x7f';
    v8c_call_return_int(c, encoding_of(label, len));
}

static void native_encoding_name(struct v8c_call *c)
{
    int32_t encoding = v8c_int_value(v8c_call_arg(c, 0));
    if (encoding >= 0 && encoding < ENCODINGS)
        v8c_call_return(c, v8c_key(c->isolate, encoding_name(encoding)));
}

/* What a TextDecoder keeps between two calls of a stream, in the script's memory: so it is judged
 * each time. */
struct kept {
    bool had_mark; /* the place of the byte order mark is behind us */
    uint8_t open_count;
    uint8_t open[3]; /* of UTF-8 */
    struct decoder_state state;
};

enum { DECODE_FATAL = 1, DECODE_IGNORE_BOM = 2, DECODE_MORE = 4 };

struct decoding {
    struct kept kept;
    enum encoding encoding;
    int32_t flags;
    struct v8c_bytes bytes;
};

static struct v8c_value *too_long(const struct v8c_call *c)
{
    v8c_throw_new(c->isolate, V8C_RANGE_ERROR, "the text is too long for a string");
    return NULL;
}

/* NULL: undefined, or an exception is pending. */
static struct v8c_value *decode_utf8(const struct v8c_call *c, struct decoding *d)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};
    const uint8_t *p = d->bytes.data;
    size_t len = d->bytes.len, open = 0;
    uint8_t *joined = NULL;

    if (d->kept.open_count > 0 && len > 0) {
        joined = malloc(d->kept.open_count + len);
        if (!joined)
            return too_long(c);
        memcpy(joined, d->kept.open, d->kept.open_count);
        memcpy(joined + d->kept.open_count, p, len);
        p = joined;
        len += d->kept.open_count;
    } else if (d->kept.open_count > 0) {
        p = d->kept.open;
        len = d->kept.open_count;
    }
    if (d->flags & DECODE_MORE)
        open = text_open_utf8(p, len);
    len -= open;
    const uint8_t *text = p;
    size_t text_len = len;
    if (!d->kept.had_mark && !(d->flags & DECODE_IGNORE_BOM) && len >= sizeof(mark) &&
        memcmp(p, mark, sizeof(mark)) == 0) {
        text += sizeof(mark);
        text_len -= sizeof(mark);
    }
    struct v8c_value *value = NULL;
    if (!(d->flags & DECODE_FATAL) || v8c_is_utf8(text, text_len)) {
        value = v8c_string_utf8(c->isolate, text_len ? text : mark, text_len);
        if (!value)
            too_long(c);
    }
    d->kept.had_mark |= len > 0;
    d->kept.open_count = 0;
    if (value) {
        memmove(d->kept.open, p + len, open);
        d->kept.open_count = (uint8_t)open;
    }
    free(joined);
    return value;
}

/* As one byte for each unit where that does: V8 would keep two. */
static struct v8c_value *shortest_string(struct v8c_isolate *v8, uint16_t *units, size_t count)
{
    uint16_t all = 0;
    for (size_t i = 0; i < count; i++)
        all |= units[i];
    if (all > 0xff)
        return v8c_string_utf16(v8, units, count);
    uint8_t *bytes = (uint8_t *)units;
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)units[i];
    return v8c_string_latin1(v8, bytes, count);
}

/* Bytes that are their own code points: of windows-1252, which "latin1" means, all but 32, of the
 * other encodings of one byte the first 128. */
static bool is_latin1(enum encoding encoding, struct v8c_bytes bytes)
{
    const uint8_t mask = encoding == ENCODING_WINDOWS_1252 ? 0xe0 : 0x80;
    uint8_t is_other = 0;

    if (encoding < ENCODING_SINGLE_FIRST || encoding > ENCODING_SINGLE_LAST)
        return false;
    for (size_t i = 0; i < bytes.len; i++)
        is_other |= (bytes.data[i] & mask) == 0x80;
    return !is_other;
}

static struct v8c_value *decode_legacy(const struct v8c_call *c, struct decoding *d)
{
    uint16_t small[SMALL + DECODER_KEPT_MAX], *units = small;
    struct decoder decoder = {
        .encoding = d->encoding, .is_fatal = d->flags & DECODE_FATAL, .state = d->kept.state};
    struct v8c_value *value = NULL;

    if (d->bytes.len > DECODER_UNITS_MAX)
        return too_long(c);
    if (d->bytes.len > 0 && is_latin1(d->encoding, d->bytes))
        return v8c_string_latin1(c->isolate, d->bytes.data, d->bytes.len);
    if (d->bytes.len > SMALL)
        units = malloc((d->bytes.len + DECODER_KEPT_MAX) * sizeof(*units));
    if (!units)
        return too_long(c);
    int64_t count =
        decoder_run(&decoder, d->bytes.data, d->bytes.len, !(d->flags & DECODE_MORE), units);
    d->kept.state = decoder.state;
    if (count != DECODER_BAD) {
        const bool is_utf_16 = d->encoding == ENCODING_UTF_16LE || d->encoding == ENCODING_UTF_16BE;
        const size_t skip = is_utf_16 && !d->kept.had_mark && !(d->flags & DECODE_IGNORE_BOM) &&
                            count > 0 && units[0] == 0xfeff;
        d->kept.had_mark |= count > 0;
        value = shortest_string(c->isolate, units + skip, (size_t)count - skip);
        if (!value)
            too_long(c);
    }
    if (units != small)
        free(units);
    return value;
}

/* The state is a script's memory: it may be anything. */
static bool is_sane(const struct decoding *d)
{
    const struct decoder_state zero = {0}, *s = &d->kept.state;
    if (d->kept.open_count > sizeof(d->kept.open))
        return false;
    if (d->encoding == ENCODING_UTF_8)
        return memcmp(s, &zero, sizeof(zero)) == 0;
    return decoder_is_state(d->encoding, s);
}

static void native_decode(struct v8c_call *c)
{
    struct decoding d = {.encoding = v8c_int_value(v8c_call_arg(c, 0)),
                         .bytes = v8c_bytes_of(v8c_call_arg(c, 1)),
                         .flags = v8c_int_value(v8c_call_arg(c, 2))};
    const struct v8c_bytes state = v8c_bytes_of(v8c_call_arg(c, 3));
    struct excuse excuse;

    if (state.len >= sizeof(d.kept))
        memcpy(&d.kept, state.data, sizeof(d.kept));
    if (d.encoding < 0 || d.encoding >= ENCODINGS || !is_sane(&d)) {
        v8c_throw_new(c->isolate, V8C_TYPE_ERROR, "not a decoder");
        return;
    }
    excuse_begin(c, &excuse, d.bytes.len);
    struct v8c_value *value =
        d.encoding == ENCODING_UTF_8 ? decode_utf8(c, &d) : decode_legacy(c, &d);
    excuse_end(&excuse);
    if (!value || !(d.flags & DECODE_MORE))
        d.kept = (struct kept){0};
    if (state.len >= sizeof(d.kept))
        memcpy(state.data, &d.kept, sizeof(d.kept));
    if (value)
        v8c_call_return(c, value);
}
static_assert(sizeof(struct kept) <= 16, "encoding.js has 16 bytes for it");

/* Writes units read and bytes written into the two numbers of the third argument. */
static void native_encode_into(struct v8c_call *c)
{
    struct v8c_value *text = natives_string(c, 0);
    const struct v8c_bytes to = v8c_bytes_of(v8c_call_arg(c, 1));
    const struct v8c_bytes counts = v8c_bytes_of(v8c_call_arg(c, 2));
    struct excuse excuse;
    size_t units = 0;

    if (!text)
        return;
    excuse_begin(c, &excuse, to.len);
    size_t written =
        to.len ? v8c_string_write_utf8_part(c->isolate, text, (char *)to.data, to.len, &units) : 0;
    excuse_end(&excuse);
    const uint32_t pair[2] = {(uint32_t)units, (uint32_t)written};
    if (counts.len >= sizeof(pair))
        memcpy(counts.data, pair, sizeof(pair));
}

/* ---- base64 ---- */

/* A string of bytes to another one: len bytes become at most cap. -1: they do not. */
typedef int64_t convert_fn(const uint8_t *bytes, size_t len, uint8_t *out);

static void convert(struct v8c_call *c, struct v8c_value *text, size_t len, size_t cap,
                    convert_fn *fn)
{
    uint8_t small[2 * SMALL], *bytes = small;
    struct excuse excuse;

    if (len + cap > sizeof(small))
        bytes = malloc(len + cap);
    if (!bytes) {
        too_long(c);
        return;
    }
    excuse_begin(c, &excuse, len);
    v8c_string_write_latin1(c->isolate, text, bytes, len);
    int64_t count = fn(bytes, len, bytes + len);
    struct v8c_value *value =
        count < 0 ? NULL : v8c_string_latin1(c->isolate, bytes + len, (size_t)count);
    excuse_end(&excuse);
    if (value)
        v8c_call_return(c, value);
    else if (count >= 0)
        too_long(c);
    if (bytes != small)
        free(bytes);
}

static int64_t to_base64(const uint8_t *bytes, size_t len, uint8_t *out)
{
    return (int64_t)v8c_base64_encode(bytes, len, (char *)out);
}

static int64_t from_base64(const uint8_t *text, size_t len, uint8_t *out)
{
    return v8c_base64_decode((const char *)text, len, out);
}

static void native_btoa(struct v8c_call *c)
{
    struct v8c_value *text = natives_string(c, 0);
    if (!text || !v8c_string_is_latin1(text))
        return;
    size_t len = v8c_string_length(text);
    convert(c, text, len, (len + 2) / 3 * 4, to_base64);
}

static void native_atob(struct v8c_call *c)
{
    struct v8c_value *text = natives_string(c, 0);
    if (!text || !v8c_string_is_latin1(text))
        return;
    size_t len = v8c_string_length(text);
    convert(c, text, len, len, from_base64);
}

const struct v8c_native_entry natives_text[] = {
    {"encodingOf", native_encoding_of},
    {"encodingName", native_encoding_name},
    {"decode", native_decode},
    {"encodeInto", native_encode_into},
    {"atob", native_atob},
    {"btoa", native_btoa},
    {0},
};
