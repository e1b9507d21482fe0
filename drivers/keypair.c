#include "drivers/keypair.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

enum {
    FILE_BYTES_MAX = 1 << 20, /* a chain of ten certificates has 20 KB */
    CHAIN_MAX = 16,
    RSA_BITS_MIN = 2048,
    CURVE_BITS_MIN = 256,
};

struct keypair {
    EVP_PKEY *key;
    X509 *leaf;
    BIO *chain_pem;
    uint8_t *key_der;
    int key_bytes;
    int64_t expires_s;
};

struct file {
    const char *name;
    uint8_t *bytes;
    size_t len;
};

struct fault {
    char *text;
    size_t bytes;
};

static bool refuse(struct fault *f, const char *file, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Always false. */
static bool refuse(struct fault *f, const char *file, const char *format, ...)
{
    va_list args;
    int n = snprintf(f->text, f->bytes, "%s: ", file);

    va_start(args, format);
    if (n >= 0 && (size_t)n < f->bytes)
        vsnprintf(f->text + n, f->bytes - (size_t)n, format, args);
    va_end(args);
    return false;
}

/* ---- files ---- */

static bool read_whole(struct file *file, int fd, const struct stat *st, struct fault *f)
{
    if (!S_ISREG(st->st_mode))
        return refuse(f, file->name, "is not a file");
    if (st->st_size == 0)
        return refuse(f, file->name, "is empty");
    if (st->st_size > FILE_BYTES_MAX)
        return refuse(f, file->name, "has more than %d bytes: no certificate and no key does",
                      FILE_BYTES_MAX);
    file->bytes = malloc((size_t)st->st_size);
    if (!file->bytes)
        return refuse(f, file->name, "no memory");
    while (file->len < (size_t)st->st_size) {
        ssize_t n = read(fd, file->bytes + file->len, (size_t)st->st_size - file->len);
        if (n < 0)
            return refuse(f, file->name, "cannot be read: %s", strerror(errno));
        if (n == 0)
            break;
        file->len += (size_t)n;
    }
    return true;
}

static bool starts_with(const struct file *file, const char *bytes, size_t len)
{
    return file->len >= len && memcmp(file->bytes, bytes, len) == 0;
}

static bool holds(const struct file *file, const char *text)
{
    return memmem(file->bytes, file->len, text, strlen(text));
}

static bool is_pem(const struct file *file)
{
    return holds(file, "-----BEGIN ");
}

/* What editors leave behind: libcrypto would silently skip the block that it stands before. */
static bool check_encoding(const struct file *file, struct fault *f)
{
    if (starts_with(file, "\xef\xbb\xbf", 3))
        return refuse(f, file->name, "begins with a byte order mark (BOM): save it as plain text");
    if (starts_with(file, "\xff\xfe", 2) || starts_with(file, "\xfe\xff", 2))
        return refuse(f, file->name, "is UTF-16 text: save it as plain text");
    return true;
}

static bool is_pkcs12(const struct file *file)
{
    const uint8_t *at = file->bytes;
    PKCS12 *bundle = d2i_PKCS12(NULL, &at, (long)file->len);
    PKCS12_free(bundle);
    return bundle;
}

/* The caller frees file->bytes, whatever the answer. */
static bool load(struct file *file, bool is_secret, struct fault *f)
{
    struct stat st;
    int fd = open(file->name, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return refuse(f, file->name, "cannot be read: %s", strerror(errno));
    bool is_read = fstat(fd, &st) == 0 ? read_whole(file, fd, &st, f)
                                       : refuse(f, file->name, "%s", strerror(errno));
    close(fd);
    if (!is_read)
        return false;
    if (is_secret && st.st_mode & S_IRWXO)
        return refuse(f, file->name,
                      "the private key has mode %04o, so others may read or write it: chmod 600, "
                      "and replace it if they did",
                      (unsigned)st.st_mode & 07777);
    if (!check_encoding(file, f))
        return false;
    if (!is_pem(file) && is_pkcs12(file))
        return refuse(f, file->name,
                      "is a PKCS #12 bundle: openssl pkcs12 -in FILE -nodes writes its parts");
    return true;
}

static void unload(struct file *file)
{
    if (file->bytes)
        explicit_bzero(file->bytes, file->len);
    free(file->bytes);
}

/* ---- the chain ---- */

static bool add_certificate(struct keypair *k, X509 *x)
{
    if (PEM_write_bio_X509(k->chain_pem, x) != 1)
        return false;
    if (!k->leaf && X509_up_ref(x) == 1)
        k->leaf = x;
    return k->leaf;
}

/* How many there are; -1: one that is broken, no memory, or too many. */
static int read_certificates(struct keypair *k, const struct file *file)
{
    int count = 0;
    BIO *in = BIO_new_mem_buf(file->bytes, (int)file->len);
    const uint8_t *der = file->bytes;

    if (!is_pem(file)) {
        X509 *x = d2i_X509(NULL, &der, (long)file->len);
        count = !x ? 0 : add_certificate(k, x) ? 1 : -1;
        X509_free(x);
    } else {
        for (X509 *x; count >= 0 && (x = PEM_read_bio_X509(in, NULL, NULL, NULL)); X509_free(x))
            count = count < CHAIN_MAX && add_certificate(k, x) ? count + 1 : -1;
        if (count >= 0 && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
            count = -1;
    }
    BIO_free(in);
    return count;
}

static bool read_chain(struct keypair *k, const struct file *file, struct fault *f)
{
    struct tm after;
    int count = read_certificates(k, file);

    if (count == 0)
        return refuse(f, file->name, "the certificate chain cannot be used: %s",
                      holds(file, "PRIVATE KEY-----")
                          ? "it holds a private key and no certificate (is it the other file?)"
                          : "it holds no certificate");
    if (count < 0)
        return refuse(f, file->name,
                      "the certificate chain cannot be used: one of its certificates is broken, or "
                      "there are more than %d",
                      CHAIN_MAX);
    if (ASN1_TIME_to_tm(X509_get0_notAfter(k->leaf), &after) != 1)
        return refuse(f, file->name, "the certificate has no readable end date");
    k->expires_s = timegm(&after);
    return true;
}

/* ---- the key ---- */

/* Nobody is there to be asked for a passphrase. */
static int no_passphrase(char *buf, int size, int is_write, void *arg)
{
    return -1;
}

static bool is_encrypted(const struct file *file)
{
    const uint8_t *at = file->bytes;

    if (is_pem(file))
        return holds(file, "BEGIN ENCRYPTED PRIVATE KEY") || holds(file, "Proc-Type: 4,ENCRYPTED");
    X509_SIG *sealed =
        d2i_X509_SIG(NULL, &at, (long)file->len); /* PKCS #8's EncryptedPrivateKeyInfo */
    X509_SIG_free(sealed);
    return sealed;
}

static EVP_PKEY *parse_key(const struct file *file)
{
    const uint8_t *at = file->bytes;

    if (!is_pem(file))
        return d2i_AutoPrivateKey(NULL, &at, (long)file->len);
    BIO *in = BIO_new_mem_buf(file->bytes, (int)file->len);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL);
    BIO_free(in);
    return key;
}

static bool check_kind(const struct keypair *k, const struct file *file, struct fault *f)
{
    int kind = EVP_PKEY_get_base_id(k->key), bits = EVP_PKEY_get_bits(k->key);

    if (kind != EVP_PKEY_RSA && kind != EVP_PKEY_EC)
        return refuse(f, file->name,
                      "the private key cannot be used: it is of the kind %s, hearth takes RSA and "
                      "ECDSA",
                      OBJ_nid2sn(kind));
    if (bits < (kind == EVP_PKEY_RSA ? RSA_BITS_MIN : CURVE_BITS_MIN))
        return refuse(f, file->name,
                      "the private key cannot be used: %d bits are too short (RSA %d, ECDSA %d)",
                      bits, RSA_BITS_MIN, CURVE_BITS_MIN);
    return true;
}

static bool read_key(struct keypair *k, const struct file *file, struct fault *f)
{
    if (is_encrypted(file))
        return refuse(f, file->name,
                      "the private key is encrypted, and hearthd cannot ask for its passphrase: "
                      "openssl pkey -in FILE -out PLAIN decrypts it");
    k->key = parse_key(file);
    if (!k->key)
        return refuse(f, file->name, "the private key cannot be used: %s",
                      holds(file, "BEGIN CERTIFICATE-----")
                          ? "it holds a certificate and no private key (is it the other file?)"
                          : "it holds no private key in PEM or DER");
    if (!check_kind(k, file, f))
        return false;
    if (X509_check_private_key(k->leaf, k->key) != 1)
        return refuse(f, file->name, "the private key is not the certificate's");
    k->key_bytes = i2d_PrivateKey(k->key, &k->key_der);
    return k->key_bytes > 0 || refuse(f, file->name, "no memory");
}

/* ---- the keypair ---- */

static bool read_both(struct keypair *k, struct file *chain, struct file *key, struct fault *f)
{
    k->chain_pem = BIO_new(BIO_s_mem());
    if (!k->chain_pem)
        return refuse(f, chain->name, "no memory");
    return load(chain, false, f) && read_chain(k, chain, f) && load(key, true, f) &&
           read_key(k, key, f);
}

struct keypair *keypair_read(const char *chain_file, const char *key_file, char *error,
                             size_t error_bytes)
{
    struct fault f = {error, error_bytes};
    struct file chain = {.name = chain_file}, key = {.name = key_file};
    struct keypair *k = calloc(1, sizeof(*k));

    /* The system's configuration could load engines. */
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    if (!k)
        refuse(&f, chain_file, "no memory");
    bool is_good = k && read_both(k, &chain, &key, &f);
    unload(&chain);
    unload(&key);
    ERR_clear_error();
    if (is_good)
        return k;
    keypair_destroy(k);
    return NULL;
}

void keypair_destroy(struct keypair *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->key);
    X509_free(k->leaf);
    BIO_free(k->chain_pem);
    if (k->key_der)
        OPENSSL_clear_free(k->key_der, (size_t)k->key_bytes);
    free(k);
}

struct keypair_bytes keypair_chain(const struct keypair *k)
{
    char *pem;
    long len = BIO_get_mem_data(k->chain_pem, &pem);
    return (struct keypair_bytes){(const uint8_t *)pem, (size_t)len};
}

struct keypair_bytes keypair_key(const struct keypair *k)
{
    return (struct keypair_bytes){k->key_der, (size_t)k->key_bytes};
}

static void tell_name(const ASN1_STRING *s, void (*each)(void *arg, const char *name), void *arg)
{
    const char *name = (const char *)ASN1_STRING_get0_data(s); /* always with a NUL behind it */
    if (strlen(name) == (size_t)ASN1_STRING_length(s))
        each(arg, name);
}

void keypair_names(const struct keypair *k, void (*each)(void *arg, const char *name), void *arg)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(k->leaf, NID_subject_alt_name, NULL, NULL);
    const X509_NAME *subject = X509_get_subject_name(k->leaf);
    int common = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS)
            tell_name(name->d.dNSName, each, arg);
    }
    if (!names && common >= 0)
        tell_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, common)), each, arg);
    GENERAL_NAMES_free(names);
}

int64_t keypair_expires(const struct keypair *k)
{
    return k->expires_s;
}

/* ---- signatures ---- */

bool keypair_signs(const struct keypair *k)
{
    return EVP_PKEY_get_base_id(k->key) == EVP_PKEY_RSA &&
           EVP_PKEY_get_bits(k->key) <= KEYPAIR_SIGNS_BITS_MAX;
}

static const EVP_MD *hash_of(size_t digest_bytes)
{
    switch (digest_bytes) {
    case 32:
        return EVP_sha256();
    case 48:
        return EVP_sha384();
    case 64:
        return EVP_sha512();
    default:
        return NULL;
    }
}

/* hash: of PSS; NULL: PKCS #1 1.5. */
static bool sign(const struct keypair *k, const EVP_MD *hash, const uint8_t *in, size_t in_bytes,
                 uint8_t *signature, size_t *len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(k->key, NULL);
    bool is_set =
        ctx && EVP_PKEY_sign_init(ctx) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(ctx, hash ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) == 1;
    if (is_set && hash)
        is_set = EVP_PKEY_CTX_set_signature_md(ctx, hash) == 1 &&
                 EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
    bool is_signed = is_set && EVP_PKEY_sign(ctx, signature, len, in, in_bytes) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (!is_signed)
        ERR_clear_error();
    return is_signed;
}

bool keypair_sign_pss(const struct keypair *k, const uint8_t *digest, size_t digest_bytes,
                      uint8_t *signature, size_t *len)
{
    const EVP_MD *hash = hash_of(digest_bytes);

    assert(keypair_signs(k));
    return hash && sign(k, hash, digest, digest_bytes, signature, len);
}

bool keypair_sign_pkcs1(const struct keypair *k, const uint8_t *info, size_t info_bytes,
                        uint8_t *signature, size_t *len)
{
    assert(keypair_signs(k));
    return sign(k, NULL, info, info_bytes, signature, len);
}
