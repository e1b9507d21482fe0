#include "dataplane/world/url_path.h"

#include <stdbool.h>
#include <stdint.h>

/* The percent-encode sets of a path and of a special scheme's query; beside them, control bytes and
 * all above 0x7e. */
enum { IN_PATH = 1, IN_QUERY = 2 };
static const uint8_t encoded[128] = {
    [' '] = IN_PATH | IN_QUERY,
    ['"'] = IN_PATH | IN_QUERY,
    ['#'] = IN_PATH | IN_QUERY,
    ['<'] = IN_PATH | IN_QUERY,
    ['>'] = IN_PATH | IN_QUERY,
    ['\''] = IN_QUERY,
    ['?'] = IN_PATH,
    ['^'] = IN_PATH,
    ['`'] = IN_PATH,
    ['{'] = IN_PATH,
    ['}'] = IN_PATH,
};

struct writer {
    char *start, *p, *end;
    bool bad; /* sticks */
};

static void put(struct writer *w, char c, uint8_t set)
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t byte = (uint8_t)c;
    bool is_plain = byte > 0x1f && byte < 0x7f && !(encoded[byte] & set);
    if ((size_t)(w->end - w->p) < (is_plain ? 1 : 3)) {
        w->bad = true;
    } else if (is_plain) {
        *w->p++ = c;
    } else {
        *w->p++ = '%';
        *w->p++ = digits[byte >> 4];
        *w->p++ = digits[byte & 15];
    }
}

/* Takes "." or "%2e" off the front. */
static bool skip_dot(const char **p, const char *end)
{
    if (*p < end && **p == '.') {
        (*p)++;
        return true;
    }
    bool is_escape = end - *p >= 3 && (*p)[0] == '%' && (*p)[1] == '2' && ((*p)[2] | 0x20) == 'e';
    *p += is_escape ? 3 : 0;
    return is_escape;
}

/* How many dots a segment is made of, if of nothing else: 1 or 2; else 0. */
static int dots_of(const char *p, const char *end)
{
    int dots = 0;
    while (dots < 3 && skip_dot(&p, end))
        dots++;
    return p == end && dots < 3 ? dots : 0;
}

/* Takes the last segment off what is written, with its slash. */
static void pop(struct writer *w)
{
    while (w->p > w->start && *--w->p != '/')
        ;
}

static bool ends_segment(char c)
{
    return c == '/' || c == '\\' || c == '?';
}

size_t url_path_write(char *out, size_t cap, const char *target, size_t len, size_t *path_bytes)
{
    struct writer w = {out, out, out + cap, false};
    const char *p = target, *end = target + len;
    bool is_last = false;
    if (p < end && *p != '?')
        p++; /* the first slash */
    while (!is_last) {
        const char *segment = p;
        while (p < end && !ends_segment(*p))
            p++;
        is_last = p == end || *p == '?';
        int dots = dots_of(segment, p);
        if (dots == 2)
            pop(&w);
        if (dots == 0 || is_last)
            put(&w, '/', 0);
        for (; dots == 0 && segment < p; segment++)
            put(&w, *segment, IN_PATH);
        p += !is_last;
    }
    *path_bytes = (size_t)(w.p - w.start);
    if (p < end)
        put(&w, *p++, 0); /* '?' */
    while (p < end)
        put(&w, *p++, IN_QUERY);
    return w.bad ? 0 : (size_t)(w.p - w.start);
}
