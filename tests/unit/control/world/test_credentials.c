/* test_credentials CERTS: what a configuration names is loaded by the judge as by a start. CERTS:
 * the directory of make_certs.sh. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/config/key.h"
#include "control/world/cluster.h"
#include "control/world/credentials.h"

static char root[64];
static const char *certs;
static char public_key[KEY_TEXT_CHARS + 1];

static const char *in_root(const char *name)
{
    static char path[8][128];
    static unsigned next;
    char *out = path[next++ % 8];

    snprintf(out, sizeof(path[0]), "%s/%s", root, name);
    return out;
}

static void copy(const char *from, const char *to, mode_t mode)
{
    char command[512];

    snprintf(command, sizeof(command), "cat %s > %s && chmod %o %s", from, in_root(to), mode,
             in_root(to));
    assert_int_equal(system(command), 0);
}

static void copy_cert(const char *name, const char *to)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", certs, name);
    copy(path, to, 0600);
}

static int set_up(void **state)
{
    struct noise_identity identity;
    uint8_t key[KEY_BYTES];
    char error[256];

    snprintf(root, sizeof(root), "/tmp/hearth-test-credentials-XXXXXX");
    assert_non_null(mkdtemp(root));
    chmod(root, 0755);
    copy_cert("ec.pem", "good.pem");
    copy_cert("ec.key", "good.key");
    copy_cert("other.key", "other.key");
    copy("/dev/null", "empty.pem", 0600);
    copy_cert("ca.pem", "ca-first.pem");
    memset(key, 7, sizeof(key));
    assert_int_equal(key_file_create(in_root("node.key"), key, error, sizeof(error)), 0);
    assert_int_equal(noise_identity_init(&identity, key), 0);
    key_format(public_key, identity.public_key);
    memset(key, 9, sizeof(key));
    assert_int_equal(key_file_create(in_root("other-node.key"), key, error, sizeof(error)), 0);
    assert_int_equal(key_file_create(in_root("secret"), key, error, sizeof(error)), 0);
    copy(in_root("secret"), "open-secret", 0644);
    copy("/dev/null", "empty-secret", 0600);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command);
}

/* "LINE sentence\n" for each complaint; root's path is written as R. */
static void judge(const char *chain, const char *key, const char *secret, const char *node_key,
                  char *out, size_t room)
{
    static struct conf_verdict v;
    char text[2048];
    size_t used = 0;
    int len = snprintf(text, sizeof(text),
                       "node: n1\nport: {device: x, addresses: [10.0.0.1/24]}\ncores: [0]\n"
                       "certificates:\n  - {chain: %s, key: %s}\n\n  - {chain: %s,\n     key: %s}\n"
                       "cluster:\n  members: [{name: n1, address: 10.0.0.1, key: \"%s\"}]\n"
                       "  key: %s\n  secret: %s\n",
                       in_root("good.pem"), in_root("good.key"), in_root(chain), in_root(key),
                       public_key, in_root(node_key), in_root(secret));
    struct conf *c = conf_parse(text, (size_t)len, &v);
    bool is_good;

    if (!c)
        fail_msg("line %u: %s", v.error[0].line, v.error[0].text);
    is_good = credentials_check(c, &v);
    assert_int_equal(is_good, v.count == 0);
    out[0] = 0;
    for (uint32_t i = 0; i < v.count; i++) {
        char *at;

        while ((at = strstr(v.error[i].text, root))) {
            *at = 'R';
            memmove(at + 1, at + strlen(root), strlen(at + strlen(root)) + 1);
        }
        used +=
            (size_t)snprintf(out + used, room - used, "%u %s\n", v.error[i].line, v.error[i].text);
    }
    conf_free(c);
}

static void what_cannot_be_used_is_told_with_the_line_of_its_entry(void **state)
{
    static const struct {
        const char *what, *chain, *key, *secret, *node_key;
        const char *said; /* the complaint begins so; "": none */
    } rows[] = {
        {"all good", "good.pem", "good.key", "secret", "node.key", ""},
        {"no chain", "none.pem", "good.key", "secret", "node.key",
         "7 certificates[1]: R/none.pem: cannot be read: No such file or directory"},
        {"no key", "good.pem", "none.key", "secret", "node.key",
         "7 certificates[1]: R/none.key: cannot be read: No such file or directory"},
        {"an empty chain", "empty.pem", "good.key", "secret", "node.key",
         "7 certificates[1]: R/empty.pem: "},
        {"another certificate's key", "good.pem", "other.key", "secret", "node.key",
         "7 certificates[1]: R/other.key: "},
        {"the CA first", "ca-first.pem", "good.key", "secret", "node.key", "7 certificates[1]: R/"},
        {"no secret", "good.pem", "good.key", "none", "node.key",
         "12 cluster: R/none: No such file or directory"},
        {"a secret that others may read", "good.pem", "good.key", "open-secret", "node.key",
         "12 cluster: R/open-secret: has mode 0644, so others may read or write it: chmod 600"},
        {"an empty secret", "good.pem", "good.key", "empty-secret", "node.key",
         "12 cluster: R/empty-secret: is not the base64"},
        {"no node key", "good.pem", "good.key", "secret", "none",
         "11 cluster: R/none: No such file or directory"},
        {"a key that is not the list's", "good.pem", "good.key", "secret", "other-node.key",
         "10 cluster.members: the list of members has another key for n1"},
        {"two at once", "empty.pem", "good.key", "none", "node.key",
         "7 certificates[1]: R/empty.pem: "},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char said[1024];

        judge(rows[i].chain, rows[i].key, rows[i].secret, rows[i].node_key, said, sizeof(said));
        if (*rows[i].said ? strncmp(said, rows[i].said, strlen(rows[i].said)) : *said)
            fail_msg("%s: %s", rows[i].what, said);
        if (!strcmp(rows[i].what, "two at once"))
            assert_non_null(strstr(said, "\n12 cluster: R/none: "));
    }
}

static void what_the_judge_may_not_read_he_says(void **state)
{
    char said[1024];

    if (geteuid()) {
        skip();
        return;
    }
    copy_cert("ec.pem", "good.pem");
    assert_int_equal(seteuid(65534), 0);
    judge("good.pem", "good.key", "secret", "node.key", said, sizeof(said));
    assert_int_equal(seteuid(0), 0);
    assert_string_equal(said, "5 certificates[0]: R/good.pem: cannot be read: Permission denied\n"
                              "7 certificates[1]: R/good.pem: cannot be read: Permission denied\n"
                              "12 cluster: R/secret: Permission denied\n");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_cannot_be_used_is_told_with_the_line_of_its_entry,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_judge_may_not_read_he_says, set_up, tear_down),
    };

    if (argc != 2)
        return 2;
    certs = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
