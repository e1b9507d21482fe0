#include "control/deploy/module_head.h"

#include <string.h>

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_STRING, TOKEN_SIGN };

struct token {
    enum token_kind kind;
    const char *text; /* of a string: without its quotes */
    size_t bytes;
    uint32_t line;
};

void module_head_init(struct module_head *h, const char *text, size_t bytes)
{
    *h = (struct module_head){text, text + bytes, 1};
    if (bytes >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
        h->p += 3;
    if (h->end - h->p >= 2 && !memcmp(h->p, "#!", 2))
        while (h->p < h->end && *h->p != '\n')
            h->p++;
}

static bool starts(const struct module_head *h, const char *two)
{
    return h->end - h->p >= 2 && h->p[0] == two[0] && h->p[1] == two[1];
}

/* Blanks and comments. */
static void skip_blanks(struct module_head *h)
{
    while (h->p < h->end) {
        if (starts(h, "//")) {
            while (h->p < h->end && *h->p != '\n')
                h->p++;
        } else if (starts(h, "/*")) {
            for (h->p += 2; h->p < h->end && !starts(h, "*/"); h->p++)
                h->line += *h->p == '\n';
            h->p += h->p < h->end ? 2 : 0;
        } else if (*h->p == ' ' || *h->p == '\t' || *h->p == '\r' || *h->p == '\n') {
            h->line += *h->p++ == '\n';
        } else {
            return;
        }
    }
}

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || (unsigned char)c >= 0x80;
}

/* A string with an escape or a line end is none: END. */
static struct token next_token(struct module_head *h)
{
    struct token t = {.kind = TOKEN_END};

    skip_blanks(h);
    t.line = h->line;
    t.text = h->p;
    if (h->p == h->end)
        return t;
    if (*h->p == '"' || *h->p == '\'') {
        char quote = *h->p++;

        t.text = h->p;
        while (h->p < h->end && *h->p != quote && *h->p != '\\' && *h->p != '\n')
            h->p++;
        if (h->p < h->end && *h->p == quote) {
            t.kind = TOKEN_STRING;
            t.bytes = (size_t)(h->p++ - t.text);
        }
        return t;
    }
    t.kind = is_word_byte(*h->p) ? TOKEN_WORD : TOKEN_SIGN;
    do
        h->p++;
    while (t.kind == TOKEN_WORD && h->p < h->end && is_word_byte(*h->p));
    t.bytes = (size_t)(h->p - t.text);
    return t;
}

static bool is(const struct token *t, enum token_kind kind, const char *text)
{
    return t->kind == kind && t->bytes == strlen(text) && !memcmp(t->text, text, t->bytes);
}

static struct token peek(const struct module_head *h)
{
    struct module_head ahead = *h;

    return next_token(&ahead);
}

/* Behind a specifier: `with {...}` and a semicolon, if they are there. False: something unknown. */
static bool skip_rest(struct module_head *h)
{
    struct token t = peek(h);

    if (is(&t, TOKEN_WORD, "with") || is(&t, TOKEN_WORD, "assert")) {
        next_token(h);
        t = next_token(h);
        if (!is(&t, TOKEN_SIGN, "{"))
            return false;
        while (!is(&t, TOKEN_SIGN, "}")) {
            t = next_token(h);
            if (t.kind == TOKEN_END)
                return false;
        }
        t = peek(h);
    }
    if (is(&t, TOKEN_SIGN, ";"))
        next_token(h);
    return true;
}

/* The names between the first word and `from`: words, commas, stars, and strings in braces. *t: the
 * token behind them. An export list may be without a `from`: then it is none of ours, and what
 * follows it no name. */
static bool skip_names(struct module_head *h, struct token *t, bool is_export)
{
    bool is_in_braces = false, is_over = false;

    for (;; *t = next_token(h)) {
        if (is(t, TOKEN_WORD, "from") && !is_in_braces && peek(h).kind == TOKEN_STRING) {
            *t = next_token(h);
            return true;
        }
        if (is_over)
            return false;
        if (is(t, TOKEN_SIGN, "{") && !is_in_braces) {
            is_in_braces = true;
        } else if (is(t, TOKEN_SIGN, "}") && is_in_braces) {
            is_in_braces = false;
            is_over = is_export;
        } else if (t->kind != TOKEN_WORD && !is(t, TOKEN_SIGN, ",") && !is(t, TOKEN_SIGN, "*") &&
                   !(t->kind == TOKEN_STRING && is_in_braces)) {
            return false;
        }
    }
}

static bool end_head(struct module_head *h)
{
    h->p = h->end;
    return false;
}

bool module_head_next(struct module_head *h, struct module_import *out)
{
    struct token t;
    uint32_t line;
    bool is_export;

    /* "use strict", and statements that are empty. */
    for (t = next_token(h); t.kind == TOKEN_STRING || is(&t, TOKEN_SIGN, ";"); t = next_token(h)) {
        struct token after = peek(h);

        if (t.kind == TOKEN_STRING && !is(&after, TOKEN_SIGN, ";"))
            return end_head(h);
    }
    is_export = is(&t, TOKEN_WORD, "export");
    line = t.line;
    if (!is_export && !is(&t, TOKEN_WORD, "import"))
        return end_head(h);
    t = next_token(h);
    if (is_export && !is(&t, TOKEN_SIGN, "*") && !is(&t, TOKEN_SIGN, "{"))
        return end_head(h);
    if ((t.kind != TOKEN_STRING || is_export) && !skip_names(h, &t, is_export))
        return end_head(h);
    *out = (struct module_import){t.text, t.bytes, line};
    if (!skip_rest(h))
        h->p = h->end;
    return true;
}
