#include "control/jsonc.h"

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
