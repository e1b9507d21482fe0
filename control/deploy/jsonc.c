#include "control/deploy/jsonc.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* One past the end of the string that opens at `at`. */
static size_t skip_string(const char *text, size_t bytes, size_t at)
{
    for (at++; at < bytes && text[at] != '"'; at++)
        if (text[at] == '\\')
            at++;
    return at < bytes ? at + 1 : bytes;
}

/* Blanks the comment that opens at `at`, keeping line ends; one past its end. */
static size_t blank_comment(char *text, size_t bytes, size_t at)
{
    bool is_line = text[at + 1] == '/';
    size_t end = at + 2;

    if (is_line)
        while (end < bytes && text[end] != '\n')
            end++;
    else
        while (end < bytes && !(end >= at + 4 && text[end - 1] == '/' && text[end - 2] == '*'))
            end++;
    for (; at < end; at++)
        if (!is_space(text[at]))
            text[at] = ' ';
    return end;
}

void jsonc_strip(char *text, size_t bytes)
{
    size_t comma = SIZE_MAX; /* a comma with nothing but blanks behind it so far */

    for (size_t i = 0; i < bytes;) {
        if (text[i] == '"') {
            comma = SIZE_MAX;
            i = skip_string(text, bytes, i);
        } else if (text[i] == '/' && i + 1 < bytes && (text[i + 1] == '/' || text[i + 1] == '*')) {
            i = blank_comment(text, bytes, i);
        } else {
            if (text[i] == ',')
                comma = i;
            else if ((text[i] == '}' || text[i] == ']') && comma != SIZE_MAX)
                text[comma] = ' ';
            if (text[i] != ',' && !is_space(text[i]))
                comma = SIZE_MAX;
            i++;
        }
    }
}

json_t *jsonc_parse(const char *text, size_t bytes, char *error, size_t error_bytes)
{
    json_error_t fault;
    json_t *value;
    char *copy = malloc(bytes + 1);

    if (!copy) {
        snprintf(error, error_bytes, "no memory");
        return NULL;
    }
    memcpy(copy, text, bytes);
    jsonc_strip(copy, bytes);
    value = json_loadb(copy, bytes, JSON_REJECT_DUPLICATES, &fault);
    free(copy);
    if (!value)
        snprintf(error, error_bytes, "line %d column %d: %s", fault.line, fault.column, fault.text);
    return value;
}

/* ---- keys and their lines ---- */

struct level {
    const json_t *value; /* NULL: nobody wants to know */
    size_t path_bytes;   /* of the path to it */
    size_t index;        /* in a list */
    bool is_list;
};

struct walk {
    const char *text;
    size_t bytes, at;
    uint32_t line;
    char path[JSONC_PATH_BYTES_MAX];
    struct level level[JSONC_DEPTH_MAX];
    unsigned depth, deeper; /* deeper: levels that are not kept */
    const json_t *next;     /* the value that comes now */
    size_t next_path_bytes;
    bool (*fn)(void *arg, const struct jsonc_key *);
    void *arg;
};

static void walk_open(struct walk *w, bool is_list)
{
    size_t path_bytes = w->next_path_bytes;

    if (w->deeper || w->depth == JSONC_DEPTH_MAX) {
        w->deeper++;
        return;
    }
    if (w->next && is_list) {
        if (path_bytes + 3 > sizeof(w->path)) {
            w->next = NULL;
        } else {
            memcpy(w->path + path_bytes, "[]", 3);
            path_bytes += 2;
        }
    }
    w->level[w->depth++] =
        (struct level){.value = w->next, .path_bytes = path_bytes, .is_list = is_list};
    w->next = is_list ? json_array_get(w->next, 0) : NULL;
    w->next_path_bytes = path_bytes;
}

static void walk_close(struct walk *w)
{
    if (w->deeper)
        w->deeper--;
    else if (w->depth)
        w->depth--;
    w->next = NULL;
}

static void walk_comma(struct walk *w)
{
    struct level *l = w->depth && !w->deeper ? &w->level[w->depth - 1] : NULL;

    w->next = NULL;
    if (l && l->is_list) {
        w->next = json_array_get(l->value, ++l->index);
        w->next_path_bytes = l->path_bytes;
    }
}

/* The string from `from` to the closing quote before w->at, if it is a key. */
static void walk_string(struct walk *w, size_t from)
{
    const struct level *l = w->depth && !w->deeper ? &w->level[w->depth - 1] : NULL;
    size_t len = w->at > from + 2 ? w->at - from - 2 : 0, look = w->at;
    size_t dot = l && l->path_bytes ? 1 : 0;
    struct jsonc_key key;

    while (look < w->bytes && is_space(w->text[look]))
        look++;
    if (!l || l->is_list || look == w->bytes || w->text[look] != ':')
        return;
    w->next = NULL;
    if (!l->value || l->path_bytes + dot + len + 1 > sizeof(w->path))
        return;
    memcpy(w->path + l->path_bytes, ".", dot);
    memcpy(w->path + l->path_bytes + dot, w->text + from + 1, len);
    w->path[l->path_bytes + dot + len] = 0;
    key = (struct jsonc_key){
        .path = w->path,
        .name = w->path + l->path_bytes + dot,
        .line = w->line,
        .value = json_object_get(l->value, w->path + l->path_bytes + dot),
    };
    if (w->fn(w->arg, &key))
        w->next = key.value;
    w->next_path_bytes = l->path_bytes + dot + len;
}

bool jsonc_walk(const char *text, size_t bytes, const json_t *root,
                bool (*fn)(void *arg, const struct jsonc_key *), void *arg)
{
    char *copy = malloc(bytes + 1);
    struct walk w = {.text = copy, .bytes = bytes, .line = 1, .next = root, .fn = fn, .arg = arg};

    if (!copy)
        return false;
    memcpy(copy, text, bytes);
    jsonc_strip(copy, bytes);
    while (w.at < bytes) {
        size_t from = w.at;
        char c = copy[w.at++];

        if (c == '"') {
            w.at = skip_string(copy, bytes, from);
            walk_string(&w, from);
        } else if (c == '{' || c == '[') {
            walk_open(&w, c == '[');
        } else if (c == '}' || c == ']') {
            walk_close(&w);
        } else if (c == ',') {
            walk_comma(&w);
        } else if (c == '\n') {
            w.line++;
        }
    }
    free(copy);
    return true;
}
