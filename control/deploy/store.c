#include "control/deploy/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include "control/deploy/bundle.h"
#include "control/deploy/script_id.h"
#include "dataplane/base/limits.h"

enum { MANIFEST_BYTES_MAX = 1 << 20, RECORD_BYTES_MAX = 64 * 1024, ACCOUNTS_BYTES_MAX = 32 << 20 };

struct fault {
    char *text;
    size_t bytes;
};

static int refuse(const struct fault *f, const char *what, const char *why)
{
    snprintf(f->text, f->bytes, "%s: %s", what, why);
    return -1;
}

static int refuse_errno(const struct fault *f, const char *what)
{
    return refuse(f, what, strerror(errno));
}

/* ---- files ---- */

static int sync_dir(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc;

    if (fd < 0)
        return -1;
    rc = fsync(fd);
    close(fd);
    return rc;
}

static int write_file(int at, const char *name, const void *bytes, size_t len)
{
    int fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    const uint8_t *p = bytes;

    if (fd < 0)
        return -1;
    while (len) {
        ssize_t n = write(fd, p, len);

        if (n < 0) {
            close(fd);
            return -1;
        }
        p += n;
        len -= (size_t)n;
    }
    if (fsync(fd)) {
        close(fd);
        return -1;
    }
    return close(fd);
}

/* NULL with errno; EFBIG when it is longer than max. */
static uint8_t *read_whole(int at, const char *name, size_t max, size_t *len)
{
    int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    uint8_t *bytes = NULL;
    size_t got = 0;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) || (size_t)st.st_size > max) {
        errno = EFBIG;
    } else if ((bytes = malloc((size_t)st.st_size + 1))) {
        ssize_t n;

        while (got < (size_t)st.st_size &&
               (n = read(fd, bytes + got, (size_t)st.st_size - got)) > 0)
            got += (size_t)n;
        if (got < (size_t)st.st_size) {
            free(bytes);
            bytes = NULL;
            errno = EIO;
        }
    }
    close(fd);
    *len = got;
    return bytes;
}

/* A directory of plain files, or of such directories. */
static void remove_tree(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d;
    struct dirent *entry;

    if (fd < 0 || !(d = fdopendir(fd))) {
        if (fd >= 0)
            close(fd);
        unlinkat(at, name, 0);
        return;
    }
    while ((entry = readdir(d))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (unlinkat(fd, entry->d_name, 0))
            remove_tree(fd, entry->d_name);
    }
    closedir(d);
    unlinkat(at, name, AT_REMOVEDIR);
}

static int make_dirs(const char *path)
{
    char part[PATH_MAX];

    if (strlen(path) >= sizeof(part)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (size_t i = 1;; i++) {
        if (path[i] != '/' && path[i])
            continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0700) && errno != EEXIST)
            return -1;
        if (!path[i])
            return 0;
    }
}

/* ---- open ---- */

int store_open(struct store *s, const char *path, char *error, size_t error_bytes)
{
    const struct fault f = {error, error_bytes};
    static const char *const inner[] = {"artifacts", "scripts", "tmp"};

    *s = (struct store){.dir = -1, .lock = -1};
    if (make_dirs(path) || (s->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        refuse_errno(&f, path);
        goto fail;
    }
    s->lock = openat(s->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock < 0 || flock(s->lock, LOCK_EX | LOCK_NB)) {
        refuse(&f, path, errno == EWOULDBLOCK ? "another hearthd uses it" : strerror(errno));
        goto fail;
    }
    remove_tree(s->dir, "tmp");
    for (size_t i = 0; i < 3; i++) {
        if (mkdirat(s->dir, inner[i], 0700) && errno != EEXIST) {
            refuse_errno(&f, path);
            goto fail;
        }
    }
    return 0;
fail:
    store_close(s);
    return -1;
}

void store_close(struct store *s)
{
    if (s->lock >= 0)
        close(s->lock);
    if (s->dir >= 0)
        close(s->dir);
    *s = (struct store){.dir = -1, .lock = -1};
}

/* ---- artifacts ---- */

static int sha256_of(const void *manifest, size_t manifest_bytes, const void *modules, size_t bytes,
                     char out[STORE_SHA_CHARS + 1])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t digest[WC_SHA256_DIGEST_SIZE], length[8];
    wc_Sha256 sha;
    int rc;

    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)((uint64_t)manifest_bytes >> (8 * i));
    if (wc_InitSha256(&sha))
        return -1;
    rc = wc_Sha256Update(&sha, length, sizeof(length)) ||
         wc_Sha256Update(&sha, manifest, (word32)manifest_bytes) ||
         (bytes && wc_Sha256Update(&sha, modules, (word32)bytes)) || wc_Sha256Final(&sha, digest);
    wc_Sha256Free(&sha);
    for (size_t i = 0; i < sizeof(digest); i++) {
        out[2 * i] = hex[digest[i] >> 4];
        out[2 * i + 1] = hex[digest[i] & 15];
    }
    out[STORE_SHA_CHARS] = 0;
    return rc ? -1 : 0;
}

static bool is_sha(const char *s)
{
    return strlen(s) == STORE_SHA_CHARS && strspn(s, "0123456789abcdef") == STORE_SHA_CHARS;
}

int store_get(struct store *s, const char *sha256, json_t **manifest, int *modules_fd, char *error,
              size_t error_bytes)
{
    const struct fault f = {error, error_bytes};
    char path[128], found[STORE_SHA_CHARS + 1];
    size_t manifest_bytes = 0, bytes = 0;
    uint8_t *text = NULL, *modules = NULL;
    json_t *m = NULL;
    int fd = -1, rc = -1;

    if (!is_sha(sha256))
        return refuse(&f, "artifact", "its name is not a SHA-256");
    snprintf(path, sizeof(path), "artifacts/%s/manifest.json", sha256);
    text = read_whole(s->dir, path, MANIFEST_BYTES_MAX, &manifest_bytes);
    snprintf(path, sizeof(path), "artifacts/%s/modules", sha256);
    if (text)
        modules = read_whole(s->dir, path, BUNDLE_BYTES_MAX, &bytes);
    if (!text || !modules) {
        refuse_errno(&f, sha256);
        goto out;
    }
    if (sha256_of(text, manifest_bytes, modules, bytes, found) || strcmp(found, sha256)) {
        refuse(&f, sha256, "the artifact is damaged");
        goto out;
    }
    m = json_loadb((char *)text, manifest_bytes, 0, NULL);
    if (!m || !bundle_check(m, bytes, error, error_bytes)) {
        if (!m)
            refuse(&f, sha256, "its manifest is not JSON");
        goto out;
    }
    if (modules_fd) {
        fd = memfd_create("modules", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0 || ftruncate(fd, (off_t)bytes) ||
            pwrite(fd, modules, bytes, 0) != (ssize_t)bytes ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)) {
            refuse_errno(&f, sha256);
            goto out;
        }
        *modules_fd = fd;
        fd = -1;
    }
    *manifest = m;
    m = NULL;
    rc = 0;
out:
    if (fd >= 0)
        close(fd);
    json_decref(m);
    free(text);
    free(modules);
    return rc;
}

/* True if a whole artifact of that name lies there. */
static bool is_kept(struct store *s, const char *sha256)
{
    char ignored[256];
    json_t *manifest = NULL;
    bool ok = store_get(s, sha256, &manifest, NULL, ignored, sizeof(ignored)) == 0;

    json_decref(manifest);
    return ok;
}

int store_put(struct store *s, const json_t *manifest, const uint8_t *modules, size_t bytes,
              char sha256[STORE_SHA_CHARS + 1], char *error, size_t error_bytes)
{
    const struct fault f = {error, error_bytes};
    char *text = json_dumps(manifest, JSON_COMPACT | JSON_SORT_KEYS);
    char tmp[128], inner[160], final[128];
    int rc = -1;

    if (!text || sha256_of(text, strlen(text), modules, bytes, sha256)) {
        free(text);
        return refuse(&f, "artifact", "no memory");
    }
    snprintf(tmp, sizeof(tmp), "tmp/%s", sha256);
    snprintf(final, sizeof(final), "artifacts/%s", sha256);
    if (is_kept(s, sha256)) {
        free(text);
        return 0;
    }
    remove_tree(s->dir, tmp);
    remove_tree(s->dir, final); /* damaged, or not there */
    if (mkdirat(s->dir, tmp, 0700))
        goto out;
    snprintf(inner, sizeof(inner), "%s/manifest.json", tmp);
    if (write_file(s->dir, inner, text, strlen(text)))
        goto out;
    snprintf(inner, sizeof(inner), "%s/modules", tmp);
    if (write_file(s->dir, inner, modules, bytes) || sync_dir(s->dir, tmp) ||
        renameat(s->dir, tmp, s->dir, final) || sync_dir(s->dir, "artifacts"))
        goto out;
    rc = 0;
out:
    if (rc)
        refuse_errno(&f, final);
    free(text);
    return rc;
}

/* ---- records ---- */

/* A name has no '@' of its own. */
static void record_path(char out[128], const char *folder, const char *id)
{
    size_t folder_bytes = strlen(folder) + 1;
    char *slash;

    snprintf(out, 128, "%s/%.*s.json", folder, SCRIPT_ID_BYTES_MAX, id);
    slash = strchr(out + folder_bytes, '/');
    if (slash)
        *slash = '@';
}

static bool is_record(const json_t *r, const char *name)
{
    const char *its_name = json_string_value(json_object_get(r, "name"));
    const char *current = json_string_value(json_object_get(r, "current"));
    const json_t *versions = json_object_get(r, "versions");
    const json_t *version;
    size_t index;

    if (!its_name || strcmp(its_name, name) || !current || !is_sha(current) ||
        !json_array_size(versions))
        return false;
    json_array_foreach(versions, index, version)
    {
        const char *sha = json_string_value(json_object_get(version, "sha256"));

        if (!sha || !is_sha(sha) || !json_is_integer(json_object_get(version, "deployed_at")))
            return false;
    }
    return true;
}

json_t *store_record(struct store *s, const char *name, char *error, size_t error_bytes)
{
    const struct fault f = {error, error_bytes};
    char path[128];
    uint8_t *text;
    size_t len;
    json_t *r;

    if (!script_id_is_good(name)) {
        refuse(&f, name, "is not a script's name");
        return NULL;
    }
    record_path(path, "scripts", name);
    text = read_whole(s->dir, path, RECORD_BYTES_MAX, &len);
    if (!text) {
        refuse(&f, name, errno == ENOENT ? "there is no such script" : strerror(errno));
        return NULL;
    }
    r = json_loadb((char *)text, len, 0, NULL);
    free(text);
    if (r && !is_record(r, name)) {
        json_decref(r);
        r = NULL;
    }
    if (!r)
        refuse(&f, name, "its record is damaged");
    return r;
}

static int write_record(struct store *s, const char *name, const json_t *record,
                        const struct fault *f)
{
    char tmp[128], final[128];
    char *text = json_dumps(record, JSON_INDENT(1) | JSON_SORT_KEYS);
    int rc = -1;

    record_path(tmp, "tmp", name);
    record_path(final, "scripts", name);
    if (text && !write_file(s->dir, tmp, text, strlen(text)) &&
        !renameat(s->dir, tmp, s->dir, final) && !sync_dir(s->dir, "scripts"))
        rc = 0;
    else
        refuse_errno(f, final);
    free(text);
    return rc;
}

/* ---- accounts ---- */

int store_put_accounts(struct store *s, const json_t *document, char *error, size_t error_bytes)
{
    const struct fault f = {error, error_bytes};
    char *text = json_dumps(document, JSON_INDENT(1) | JSON_SORT_KEYS);
    int rc = -1;

    if (text && !write_file(s->dir, "tmp/accounts.json", text, strlen(text)) &&
        !renameat(s->dir, "tmp/accounts.json", s->dir, "accounts.json") && !fsync(s->dir))
        rc = 0;
    else
        refuse_errno(&f, "accounts.json");
    free(text);
    return rc;
}

int store_get_accounts(struct store *s, json_t **document, char *error, size_t error_bytes)
{
    const struct fault f = {error, error_bytes};
    size_t len;
    uint8_t *text = read_whole(s->dir, "accounts.json", ACCOUNTS_BYTES_MAX, &len);

    *document = NULL;
    if (!text)
        return errno == ENOENT ? 0 : refuse_errno(&f, "accounts.json");
    *document = json_loadb((char *)text, len, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    return *document ? 0 : refuse(&f, "accounts.json", "it is not JSON");
}

/* ---- records, changed ---- */

static void remove_artifact(struct store *s, const char *sha256)
{
    char path[128];

    /* The manifest has the script's name and owner in it: no other script shares the artifact. */
    snprintf(path, sizeof(path), "artifacts/%s", sha256);
    remove_tree(s->dir, path);
}

static const char *version_sha(const json_t *versions, size_t index)
{
    return json_string_value(json_object_get(json_array_get(versions, index), "sha256"));
}

int store_set_current(struct store *s, const char *name, const char *sha256, int64_t now_s,
                      char *error, size_t error_bytes)
{
    const struct fault f = {error, error_bytes};
    char ignored[256], dropped[STORE_SHA_CHARS + 1] = "";
    json_t *record = store_record(s, name, ignored, sizeof(ignored));
    json_t *versions;
    int rc;

    if (!record)
        record = json_pack("{s:s, s:s, s:[]}", "name", name, "current", sha256, "versions");
    versions = json_object_get(record, "versions");
    if (!versions)
        return refuse(&f, name, "no memory");
    for (size_t i = json_array_size(versions); i-- > 0;)
        if (!strcmp(version_sha(versions, i), sha256))
            json_array_remove(versions, i);
    json_array_append_new(
        versions, json_pack("{s:s, s:I}", "sha256", sha256, "deployed_at", (json_int_t)now_s));
    if (json_array_size(versions) > STORE_VERSIONS_MAX) {
        snprintf(dropped, sizeof(dropped), "%s", version_sha(versions, 0));
        json_array_remove(versions, 0);
    }
    json_object_set_new(record, "current", json_string(sha256));
    rc = write_record(s, name, record, &f);
    if (!rc && dropped[0])
        remove_artifact(s, dropped);
    json_decref(record);
    return rc;
}

int store_find_version(struct store *s, const char *name, const char *version,
                       char sha256[STORE_SHA_CHARS + 1], char *error, size_t error_bytes)
{
    const struct fault f = {error, error_bytes};
    json_t *record = store_record(s, name, error, error_bytes);
    const json_t *versions = json_object_get(record, "versions");
    const char *current = json_string_value(json_object_get(record, "current"));
    const char *found = NULL;
    unsigned matches = 0;

    if (!record)
        return -1;
    for (size_t i = 0; i < json_array_size(versions); i++) {
        const char *sha = version_sha(versions, i);

        if (version && *version) {
            if (!strncmp(sha, version, strlen(version))) {
                found = sha;
                matches++;
            }
        } else if (!strcmp(sha, current) && i > 0) {
            found = version_sha(versions, i - 1);
            matches = 1;
        }
    }
    if (matches == 1)
        snprintf(sha256, STORE_SHA_CHARS + 1, "%s", found);
    else if (matches)
        refuse(&f, version, "more than one version begins so");
    else if (version && *version)
        refuse(&f, version, "there is no such version");
    else
        refuse(&f, name, "there is no earlier version");
    json_decref(record);
    return matches == 1 ? 0 : -1;
}

void store_discard(struct store *s, const char *name, const char *sha256)
{
    char ignored[256], path[128];
    json_t *record = store_record(s, name, ignored, sizeof(ignored));
    const json_t *versions = json_object_get(record, "versions");
    bool is_version;

    record_path(path, "scripts", name);
    is_version = !record && !faccessat(s->dir, path, F_OK, 0); /* who knows what it names */

    for (size_t i = 0; i < json_array_size(versions); i++)
        is_version |= !strcmp(version_sha(versions, i), sha256);
    if (!is_version)
        remove_artifact(s, sha256);
    json_decref(record);
}

int store_delete(struct store *s, const char *name, char *error, size_t error_bytes)
{
    const struct fault f = {error, error_bytes};
    json_t *record = store_record(s, name, error, error_bytes);
    const json_t *versions = json_object_get(record, "versions");
    char path[128];

    if (!record)
        return -1;
    record_path(path, "scripts", name);
    if (unlinkat(s->dir, path, 0) || sync_dir(s->dir, "scripts")) {
        json_decref(record);
        return refuse_errno(&f, name);
    }
    for (size_t i = 0; i < json_array_size(versions); i++)
        remove_artifact(s, version_sha(versions, i));
    json_decref(record);
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

json_t *store_names(struct store *s)
{
    int fd = openat(s->dir, "scripts", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    char **names = calloc(SCRIPTS_MAX, sizeof(*names));
    struct dirent *entry;
    size_t count = 0;
    json_t *out = json_array();

    if (!d && fd >= 0)
        close(fd);
    while (d && names && count < SCRIPTS_MAX && (entry = readdir(d))) {
        size_t len = strlen(entry->d_name);

        if (len <= 5 || strcmp(entry->d_name + len - 5, ".json"))
            continue;
        names[count] = strndup(entry->d_name, len - 5);
        char *at = names[count] ? strchr(names[count], '@') : NULL;

        if (at)
            *at = '/';
        if (names[count] && script_id_is_good(names[count]))
            count++;
        else
            free(names[count]);
    }
    if (count)
        qsort(names, count, sizeof(*names), by_text);
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(out, json_string(names[i]));
        free(names[i]);
    }
    free(names);
    if (d)
        closedir(d);
    return out;
}
