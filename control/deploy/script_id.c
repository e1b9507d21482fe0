#include "control/deploy/script_id.h"

#include <stdio.h>
#include <string.h>

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool script_name_is_good(const char *name)
{
    size_t len = strlen(name);

    return len >= 1 && len <= SCRIPT_NAME_BYTES_MAX && is_alphanumeric(name[0]) &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == len;
}

bool account_name_is_good(const char *name)
{
    size_t len = strlen(name);

    return len >= 1 && len <= ACCOUNT_NAME_BYTES_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len &&
           is_alphanumeric(name[0]) && is_alphanumeric(name[len - 1]);
}

void script_id_write(char out[SCRIPT_ID_BYTES_MAX + 1], const char *account, const char *name)
{
    if (!account || !strcmp(account, ACCOUNT_DEFAULT))
        snprintf(out, SCRIPT_ID_BYTES_MAX + 1, "%.*s", SCRIPT_NAME_BYTES_MAX, name);
    else
        snprintf(out, SCRIPT_ID_BYTES_MAX + 1, "%.*s/%.*s", ACCOUNT_NAME_BYTES_MAX, account,
                 SCRIPT_NAME_BYTES_MAX, name);
}

const char *script_id_name(const char *id)
{
    const char *slash = strchr(id, '/');

    return slash ? slash + 1 : id;
}

void script_id_account(const char *id, char out[ACCOUNT_NAME_BYTES_MAX + 1])
{
    const char *slash = strchr(id, '/');
    size_t len = slash ? (size_t)(slash - id) : 0;

    if (slash && len <= ACCOUNT_NAME_BYTES_MAX)
        snprintf(out, ACCOUNT_NAME_BYTES_MAX + 1, "%.*s", (int)len, id);
    else
        snprintf(out, ACCOUNT_NAME_BYTES_MAX + 1, "%s", ACCOUNT_DEFAULT);
}

bool script_id_resolve(char out[SCRIPT_ID_BYTES_MAX + 1], const char *account, const char *text)
{
    char said[ACCOUNT_NAME_BYTES_MAX + 1];
    const char *name = script_id_name(text);
    size_t len = (size_t)(name - text);

    if (name != text) {
        if (len - 1 > ACCOUNT_NAME_BYTES_MAX)
            return false;
        snprintf(said, sizeof(said), "%.*s", (int)(len - 1), text);
        account = said;
    }
    if ((account && !account_name_is_good(account)) ||
        (strcmp(name, "*") != 0 && !script_name_is_good(name)))
        return false;
    script_id_write(out, account, name);
    return true;
}

bool script_id_is_good(const char *id)
{
    char again[SCRIPT_ID_BYTES_MAX + 1];

    return script_id_resolve(again, NULL, id) && !strcmp(again, id) && !strchr(id, '*');
}

bool script_id_is_of(const char *id, const char *wanted)
{
    size_t len = strlen(wanted);

    if (!len)
        return true;
    if (wanted[len - 1] != '/')
        return !strcmp(id, wanted);
    if (!strcmp(wanted, ACCOUNT_DEFAULT "/"))
        return !strchr(id, '/');
    return !strncmp(id, wanted, len);
}
