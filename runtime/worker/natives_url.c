/* The URL parser, and the percent coding of forms: what runtime/web/url.js does in C.
 *
 * Rejected: whatwg-url, in JavaScript: a parse of what was no plain shape took tens of
 * microseconds, and what libidn2 knows is IDNA2008, which refuses https://♥.net.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/worker/ada.h"
#include "runtime/worker/natives.h"
#include "runtime/worker/natives_call.h"

enum {
    URL_BYTES_MAX = 16 << 20,  /* longer ones are none: 50 ms to parse */
    TEXT_BYTES_MAX = 64 << 20, /* of what is read, before anybody looks at it */
    SMALL = 1024,
};

/* A string's UTF-8, on the stack if it is short. */
struct text {
    size_t len;
    char *p; /* NULL: too long, or no string, and an exception is pending */
    char small[SMALL];
};

static bool text_read(struct text *t, const struct v8c_call *c, unsigned n)
{
    struct v8c_value *string = natives_string(c, n);
    t->p = NULL;
    if (!string)
        return false;
    /* Three bytes for each unit at most. */
    t->len = v8c_string_length(string) * 3;
    if (t->len > SMALL)
        t->len = v8c_string_utf8_length(c->isolate, string);
    if (t->len <= SMALL)
        t->p = t->small;
    else if (t->len <= TEXT_BYTES_MAX)
        t->p = malloc(t->len);
    if (!t->p) {
        v8c_throw_new(c->isolate, V8C_RANGE_ERROR, "the text is too long");
        return false;
    }
    t->len = v8c_string_write_utf8(c->isolate, string, t->p, t->len);
    return true;
}

static void text_free(struct text *t)
{
    if (t->p != t->small)
        free(t->p);
}

/* url.js slices the href at these. What is not there is empty. */
static void write_parts(struct v8c_bytes to, ada_url url, uint32_t length)
{
    const ada_url_components *c = ada_get_components(url);
    const uint32_t hash = c->hash_start == ADA_URL_OMITTED ? length : c->hash_start;
    const uint32_t parts[] = {
        c->protocol_end,
        c->username_end,
        c->host_start,
        c->host_end,
        c->pathname_start,
        c->search_start == ADA_URL_OMITTED ? hash : c->search_start,
        hash,
    };
    if (to.len >= sizeof(parts))
        memcpy(to.data, parts, sizeof(parts));
}

/* Returns the href, as `given` if it is that; frees the URL. */
static void return_url(struct v8c_call *c, ada_url url, struct v8c_value *given,
                       const struct text *text, unsigned parts)
{
    if (ada_is_valid(url)) {
        const ada_string href = ada_get_href(url);
        write_parts(v8c_bytes_of(v8c_call_arg(c, parts)), url, (uint32_t)href.length);
        bool is_same = text->len == href.length && memcmp(text->p, href.data, href.length) == 0;
        struct v8c_value *value =
            is_same ? given : v8c_string_latin1(c->isolate, href.data, href.length);
        if (value)
            v8c_call_return(c, value);
    }
    ada_free(url);
}

static void native_url_parse(struct v8c_call *c)
{
    struct text input, base;

    ada_set_max_input_length(URL_BYTES_MAX);
    if (!text_read(&input, c, 0))
        return;
    if (v8c_is(v8c_call_arg(c, 1), V8C_UNDEFINED)) {
        return_url(c, ada_parse(input.p, input.len), v8c_call_arg(c, 0), &input, 2);
    } else if (text_read(&base, c, 1)) {
        return_url(c, ada_parse_with_base(input.p, input.len, base.p, base.len), v8c_call_arg(c, 0),
                   &input, 2);
        text_free(&base);
    }
    text_free(&input);
}

static void native_url_can_parse(struct v8c_call *c)
{
    struct text input, base;

    ada_set_max_input_length(URL_BYTES_MAX);
    if (!text_read(&input, c, 0))
        return;
    if (v8c_is(v8c_call_arg(c, 1), V8C_UNDEFINED)) {
        v8c_call_return_bool(c, ada_can_parse(input.p, input.len));
    } else if (text_read(&base, c, 1)) {
        v8c_call_return_bool(c, ada_can_parse_with_base(input.p, input.len, base.p, base.len));
        text_free(&base);
    }
    text_free(&input);
}

static bool set_search(ada_url url, const char *p, size_t len)
{
    ada_set_search(url, p, len);
    return true;
}

static bool set_hash(ada_url url, const char *p, size_t len)
{
    ada_set_hash(url, p, len);
    return true;
}

/* In the order of url.js. */
static bool (*const setters[])(ada_url, const char *, size_t) = {
    ada_set_protocol, ada_set_username, ada_set_password, ada_set_host, ada_set_hostname,
    ada_set_port,     ada_set_pathname, set_search,       set_hash,
};

static void native_url_set(struct v8c_call *c)
{
    struct text href, value;
    const uint32_t part = (uint32_t)v8c_int_value(v8c_call_arg(c, 1));

    ada_set_max_input_length(URL_BYTES_MAX);
    if (part >= sizeof(setters) / sizeof(*setters) || !text_read(&href, c, 0))
        return;
    if (text_read(&value, c, 2)) {
        ada_url url = ada_parse(href.p, href.len);
        if (ada_is_valid(url) && setters[part](url, value.p, value.len))
            return_url(c, url, v8c_call_arg(c, 0), &href, 3);
        else
            ada_free(url);
        text_free(&value);
    }
    text_free(&href);
}

/* ---- application/x-www-form-urlencoded ---- */

static int hex_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static void native_form_decode(struct v8c_call *c)
{
    struct text text;
    size_t to = 0;

    if (!text_read(&text, c, 0))
        return;
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.p[i];
        if (byte == '+') {
            byte = ' ';
        } else if (byte == '%' && i + 2 < text.len) {
            const int high = hex_of(text.p[i + 1]), low = hex_of(text.p[i + 2]);
            if (high >= 0 && low >= 0) {
                byte = (char)(high << 4 | low);
                i += 2;
            }
        }
        text.p[to++] = byte;
    }
    struct v8c_value *value = v8c_string_utf8(c->isolate, text.p, to);
    if (value)
        v8c_call_return(c, value);
    text_free(&text);
}

static bool is_form_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '*' ||
           c == '-' || c == '.' || c == '_';
}

static void native_form_encode(struct v8c_call *c)
{
    static const char digits[] = "0123456789ABCDEF";
    char small[SMALL];
    struct text text;
    size_t to = 0;

    if (!text_read(&text, c, 0))
        return;
    char *out = text.len * 3 <= sizeof(small) ? small : malloc(text.len * 3);
    for (size_t i = 0; out && i < text.len; i++) {
        const char byte = text.p[i];
        if (is_form_plain(byte)) {
            out[to++] = byte;
        } else if (byte == ' ') {
            out[to++] = '+';
        } else {
            out[to++] = '%';
            out[to++] = digits[(uint8_t)byte >> 4];
            out[to++] = digits[(uint8_t)byte & 15];
        }
    }
    struct v8c_value *value = out ? v8c_string_latin1(c->isolate, out, to) : NULL;
    if (value)
        v8c_call_return(c, value);
    else
        v8c_throw_new(c->isolate, V8C_RANGE_ERROR, "the text is too long for a string");
    if (out != small)
        free(out);
    text_free(&text);
}

const struct v8c_native_entry natives_url[] = {
    {"urlParse", native_url_parse},     {"urlCanParse", native_url_can_parse},
    {"urlSet", native_url_set},         {"formDecode", native_form_decode},
    {"formEncode", native_form_encode}, {0},
};
