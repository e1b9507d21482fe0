/* keypair: what an operator may hand in, and the sentence for what not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "drivers/keypair.h"

/* Directory of make_certs.sh: argv[1]. */
static const char *certs;

/* In the directory of the certificates. */
static void shell(const char *command)
{
    char line[1024];
    snprintf(line, sizeof(line), "cd '%s' && umask 077 && exec 2>/dev/null && { %s; }", certs,
             command);
    assert_int_equal(system(line), 0);
}

static struct keypair *read_pair(const char *chain, const char *key, char error[512])
{
    char chain_file[512], key_file[512];
    snprintf(chain_file, sizeof(chain_file), "%s/%s", certs, chain);
    snprintf(key_file, sizeof(key_file), "%s/%s", certs, key);
    *error = 0;
    return keypair_read(chain_file, key_file, error, 512);
}

static void a_row_of_files_is_taken_or_named(void **state)
{
    static const struct {
        const char *what, *make, *chain, *key, *sentence; /* NULL: taken */
    } rows[] = {
        {"PEM, ECDSA", "true", "ec.pem", "ec.key", NULL},
        {"PEM, RSA", "true", "rsa.pem", "rsa.key", NULL},
        {"both in DER",
         "openssl x509 -in ec.pem -outform DER -out k.der; openssl pkey -in ec.key -outform DER "
         "-out k.key",
         "k.der", "k.key", NULL},
        {"an RSA key in PKCS #1's DER",
         "openssl rsa -in rsa.key -traditional -outform DER -out k.key", "rsa.pem", "k.key", NULL},
        {"a PKCS #8 key in PEM", "openssl pkcs8 -topk8 -nocrypt -in ec.key -out k.key", "ec.pem",
         "k.key", NULL},
        {"words and parameters before the key",
         "(echo note; openssl ecparam -name prime256v1; cat ec.key) >k.key", "ec.pem", "k.key",
         NULL},
        {"chain and key in one file", "cat ec.key ec.pem >k.pem", "k.pem", "k.pem", NULL},
        {"a key that its group may read", "cp ec.key k.key; chmod 640 k.key", "ec.pem", "k.key",
         NULL},

        {"no chain", "true", "none.pem", "ec.key", "none.pem: cannot be read: No such file"},
        {"no key", "true", "ec.pem", "none.key", "none.key: cannot be read: No such file"},
        {"a directory", "true", ".", "ec.key", "is not a file"},
        {"an empty chain", ": >k.pem", "k.pem", "ec.key", "is empty"},
        {"an empty key", ": >k.key", "ec.pem", "k.key", "is empty"},
        {"a large file", "head -c 1048577 /dev/zero >k.pem", "k.pem", "ec.key",
         "more than 1048576"},
        {"noise", "head -c 999 /dev/zero >k.pem", "k.pem", "ec.key", "it holds no certificate"},
        {"a chain that is the key", "true", "ec.key", "ec.key", "it holds a private key"},
        {"a key that is the chain", "cp ec.pem k.key", "ec.pem", "k.key", "it holds a certificate"},
        {"a chain with a BOM", "(printf '\\357\\273\\277'; cat ec.pem) >k.pem", "k.pem", "ec.key",
         "begins with a byte order mark (BOM)"},
        {"a key with a BOM", "(printf '\\357\\273\\277'; cat ec.key) >k.key", "ec.pem", "k.key",
         "begins with a byte order mark (BOM)"},
        {"a chain in UTF-16", "(printf '\\377\\376'; cat ec.pem) >k.pem", "k.pem", "ec.key",
         "is UTF-16 text"},
        {"a chain whose second certificate is cut", "(cat ec.leaf; head -3 ca.pem) >k.pem", "k.pem",
         "ec.key", "one of its certificates is broken"},
        {"17 certificates", "for i in 1 2 3 4 5 6 7 8 9; do cat ec.pem; done >k.pem", "k.pem",
         "ec.key", "more than 16"},
        {"an encrypted PKCS #8 key", "openssl pkcs8 -topk8 -passout pass:x -in ec.key -out k.key",
         "ec.pem", "k.key", "the private key is encrypted"},
        {"an encrypted key of the old kind",
         "openssl ec -in ec.key -aes128 -passout pass:x -out k.key", "ec.pem", "k.key",
         "the private key is encrypted"},
        {"an encrypted key in DER",
         "openssl pkcs8 -topk8 -passout pass:x -in ec.key -outform DER -out k.key", "ec.pem",
         "k.key", "the private key is encrypted"},
        {"a bundle", "openssl pkcs12 -export -inkey ec.key -in ec.leaf -passout pass:x -out k.key",
         "ec.pem", "k.key", "is a PKCS #12 bundle"},
        {"a key that others may read", "cp ec.key k.key; chmod 644 k.key", "ec.pem", "k.key",
         "has mode 0644"},
        {"a key that others may write", "cp ec.key k.key; chmod 602 k.key", "ec.pem", "k.key",
         "has mode 0602"},
        {"another curve's key", "true", "ec.pem", "other.key", "is not the certificate's"},
        {"another kind of key", "true", "rsa.pem", "ec.key", "is not the certificate's"},
        {"the key of the second certificate", "true", "ec.pem", "ca.key",
         "is not the certificate's"},
        {"a short RSA key",
         "openssl req -x509 -newkey rsa:1024 -nodes -keyout k.key -out k.pem -subj /CN=a", "k.pem",
         "k.key", "1024 bits are too short"},
        {"Ed25519", "openssl req -x509 -newkey ed25519 -nodes -keyout k.key -out k.pem -subj /CN=a",
         "k.pem", "k.key", "of the kind ED25519"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char error[512];
        shell("rm -f k.*");
        shell(rows[i].make);
        struct keypair *k = read_pair(rows[i].chain, rows[i].key, error);
        bool is_right = rows[i].sentence ? !k && strstr(error, rows[i].sentence) : k && !*error;
        if (!is_right)
            fail_msg("%s: %s", rows[i].what, k ? "taken" : error);
        keypair_destroy(k);
    }
    shell("rm -f k.*");
}

static void collect(void *arg, const char *name)
{
    strcat(arg, name);
    strcat(arg, " ");
}

static void names_are_dns_names_or_the_common_name(void **state)
{
    char error[512], names[512] = "";
    struct keypair *k = read_pair("ec.pem", "ec.key", error);
    keypair_names(k, collect, names);
    assert_string_equal(names, "ec.test *.EC.test ");
    assert_int_equal(keypair_expires(k), 2524607999);
    keypair_destroy(k);

    *names = 0;
    shell("openssl req -x509 -newkey rsa:2048 -nodes -keyout k.key -out k.pem -subj "
          "/O=a/CN=common.test");
    k = read_pair("k.pem", "k.key", error);
    keypair_names(k, collect, names);
    assert_string_equal(names, "common.test ");
    keypair_destroy(k);
    shell("rm -f k.*");
}

static void write_file(const char *name, const uint8_t *bytes, size_t len)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", certs, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

/* By another program's word. */
static void signatures_verify(void **state)
{
    static const struct {
        size_t digest_bytes;
        const char *hash;
    } rows[] = {{32, "sha256"}, {48, "sha384"}, {64, "sha512"}};
    char error[512];
    uint8_t digest[64], signature[512];
    struct keypair *k = read_pair("rsa.pem", "rsa.key", error);
    assert_true(keypair_signs(k));
    memset(digest, 7, sizeof(digest));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char command[512];
        size_t len = sizeof(signature);
        assert_true(keypair_sign_pss(k, digest, rows[i].digest_bytes, signature, &len));
        assert_int_equal(len, 256);
        write_file("k.digest", digest, rows[i].digest_bytes);
        write_file("k.sig", signature, len);
        snprintf(command, sizeof(command),
                 "openssl pkeyutl -verify -in k.digest -sigfile k.sig -inkey rsa.key -pkeyopt "
                 "digest:%s -pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:digest "
                 "-pkeyopt rsa_mgf1_md:%s >k.out",
                 rows[i].hash, rows[i].hash);
        shell(command);
    }
    size_t len = sizeof(signature);
    assert_true(keypair_sign_pkcs1(k, digest, 51, signature, &len));
    write_file("k.digest", digest, 51);
    write_file("k.sig", signature, len);
    shell("openssl pkeyutl -verify -in k.digest -sigfile k.sig -inkey rsa.key >k.out");

    len = sizeof(signature);
    assert_false(keypair_sign_pss(k, digest, 20, signature, &len)); /* no hash of ours */
    len = 255;
    assert_false(keypair_sign_pss(k, digest, 32, signature, &len)); /* no room */
    keypair_destroy(k);

    k = read_pair("ec.pem", "ec.key", error);
    assert_false(keypair_signs(k));
    keypair_destroy(k);
    shell("rm -f k.*");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_of_files_is_taken_or_named),
        cmocka_unit_test(names_are_dns_names_or_the_common_name),
        cmocka_unit_test(signatures_verify),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: test_keypair DIRECTORY-OF-CERTIFICATES\n");
        return 2;
    }
    certs = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
