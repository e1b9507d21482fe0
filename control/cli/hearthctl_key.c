/* hearthctl key: makes and shows the keys of a node and of a cluster. Needs no hearthd. */
#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/curve25519.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "control/cli/hearthctl.h"
#include "control/config/key.h"

/* RFC 7748, section 5: the bits that every X25519 private key has. */
static void clamp(uint8_t private_key[KEY_BYTES])
{
    private_key[0] &= 248;
    private_key[31] = (uint8_t)((private_key[31] & 127) | 64);
}

static void print_public(const json_t *j)
{
    printf("%s\n", json_string_value(json_object_get(j, "public_key")));
}

static void print_secret(const json_t *j)
{
    printf("%s: a new secret; every member of the cluster needs the same file\n",
           json_string_value(json_object_get(j, "file")));
}

static int show_public(const struct options *o, const char *file, uint8_t private_key[KEY_BYTES])
{
    uint8_t public_key[KEY_BYTES];
    char text[KEY_TEXT_CHARS + 1];
    int rc;

    clamp(private_key);
    rc = wc_curve25519_make_pub(KEY_BYTES, public_key, KEY_BYTES, private_key);
    if (rc)
        return hearthctl_fail(o, REFUSED, "the library cannot derive a public key");
    key_format(text, public_key);
    return hearthctl_show(
        o, json_pack("{s:b, s:s, s:s}", "ok", 1, "file", file, "public_key", text), print_public);
}

static int run_new(const struct options *o, const char *file, bool is_secret)
{
    uint8_t key[KEY_BYTES];
    char error[512];
    int rc;

    if (getrandom(key, sizeof(key), 0) != sizeof(key))
        return hearthctl_fail(o, REFUSED, strerror(errno));
    if (!is_secret)
        clamp(key);
    if (key_file_create(file, key, error, sizeof(error)))
        rc = hearthctl_fail(o, REFUSED, error);
    else if (is_secret)
        rc = hearthctl_show(o, json_pack("{s:b, s:s}", "ok", 1, "file", file), print_secret);
    else
        rc = show_public(o, file, key);
    explicit_bzero(key, sizeof(key));
    return rc;
}

static int run_show(const struct options *o, const char *file)
{
    uint8_t key[KEY_BYTES];
    char error[512];
    int rc;

    if (key_file_read(file, key, error, sizeof(error)))
        return hearthctl_fail(o, REFUSED, error);
    rc = show_public(o, file, key);
    explicit_bzero(key, sizeof(key));
    return rc;
}

int hearthctl_key(const struct options *o, const struct command *c)
{
    if (!strcmp(o->argv[0], "new"))
        return run_new(o, o->argv[1], false);
    if (!strcmp(o->argv[0], "secret"))
        return run_new(o, o->argv[1], true);
    if (!strcmp(o->argv[0], "show"))
        return run_show(o, o->argv[1]);
    return hearthctl_fail(o, USAGE, "key new FILE, key show FILE or key secret FILE");
}
