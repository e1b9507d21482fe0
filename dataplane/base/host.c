#include "dataplane/base/host.h"

#include <stdint.h>

enum { LABEL_BYTES_MAX = 63 };

size_t host_canonical(char out[HOST_BYTES_MAX + 1], const char *name, size_t len)
{
    if (len > 0 && name[len - 1] == '.')
        len--;
    if (len == 0 || len > HOST_BYTES_MAX)
        return 0;
    size_t label = 0; /* bytes of it so far */
    char before = '.';
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        if (c >= 'A' && c <= 'Z')
            c |= 0x20;
        out[i] = c;
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_') {
            label++;
        } else if (c == '-') {
            if (label++ == 0)
                return 0;
        } else if (c != '.' || label == 0 || before == '-') {
            return 0;
        } else {
            label = 0;
        }
        if (label > LABEL_BYTES_MAX)
            return 0;
        before = c;
    }
    if (label == 0 || before == '-')
        return 0;
    out[len] = 0;
    return len;
}

bool host_is_numeric(const char *host, size_t len)
{
    size_t label = len;
    while (label > 0 && host[label - 1] != '.')
        label--;
    bool is_hex = len - label >= 2 && host[label] == '0' && host[label + 1] == 'x';
    for (size_t i = is_hex ? label + 2 : label; i < len; i++) {
        bool is_digit = host[i] >= '0' && host[i] <= '9';
        if (!is_digit && !(is_hex && host[i] >= 'a' && host[i] <= 'f'))
            return false;
    }
    return label < len;
}
