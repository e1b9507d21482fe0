#include "control/deploy/dev_vars.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789.-";

/* Behind the opening quote at *p: the value, and *p behind the closing one. NULL: there is none. */
static char *quoted(const char **p, size_t *len)
{
    char quote = **p, *value = malloc(strlen(*p) + 1);
    const char *c = *p + 1;

    *len = 0;
    for (; value && *c && *c != quote; c++) {
        if (quote == '"' && *c == '\\' && (c[1] == 'n' || c[1] == '"' || c[1] == '\\')) {
            c++;
            value[(*len)++] = *c == 'n' ? '\n' : *c;
        } else {
            value[(*len)++] = *c;
        }
    }
    if (!*c) {
        free(value);
        return NULL;
    }
    *p = c + 1;
    return value;
}

static char *plain(const char **p, size_t *len)
{
    const char *end = *p;

    while (*end && *end != '\n' && !(*end == '#' && (end == *p || end[-1] == ' ')))
        end++;
    *len = (size_t)(end - *p);
    while (*len && strchr(" \t\r", (*p)[*len - 1]))
        (*len)--;
    const char *from = *p;

    *p = end;
    return strndup(from, *len);
}

static unsigned line_of(const char *text, const char *p)
{
    unsigned line = 1;

    for (; text < p; text++)
        line += *text == '\n';
    return line;
}

int dev_vars_read(const char *file, const char *text, json_t *vars, const struct fault *f)
{
    for (const char *p = text; *(p += strspn(p, " \t\r\n"));) {
        const char *begin = p;
        size_t name_len, len;
        char *value;
        bool is_set;

        if (*p == '#') {
            p += strcspn(p, "\n");
            continue;
        }
        if (!strncmp(p, "export ", 7))
            p += 7 + strspn(p + 7, " \t");
        const char *name = p;

        name_len = strspn(p, letters);
        p += name_len;
        p += strspn(p, " \t");
        if (!name_len || *p != '=')
            return refuse(f, "%s:%u: is not of the form KEY=value", file, line_of(text, begin));
        p++;
        p += strspn(p, " \t");
        value = *p && strchr("\"'`", *p) ? quoted(&p, &len) : plain(&p, &len);
        if (!value)
            return refuse(f, "%s:%u: a quoted value does not end", file, line_of(text, begin));
        is_set = !json_object_setn_new(vars, name, name_len, json_stringn(value, len));
        free(value);
        if (!is_set)
            return refuse(f, "%s:%u: is not UTF-8", file, line_of(text, begin));
        p += strcspn(p, "\n"); /* a comment behind it */
    }
    return 0;
}
