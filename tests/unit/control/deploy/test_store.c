/* Packing a directory, keeping it, and what is left of it after a crash. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/deploy/bundle.h"
#include "control/deploy/store.h"

static char root[64];
static char error[512];

static int make_root(void **state)
{
    snprintf(root, sizeof(root), "/tmp/hearth-test-store-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command);
}

static void put(const char *name, const char *text)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", root, name);
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static char *in_root(const char *name)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    return path;
}

/* ---- bundles ---- */

static void a_directory_becomes_a_manifest_and_its_modules(void **state)
{
    struct bundle b;
    char *text;

    put("app/wrangler.jsonc",
        "{ // a script\n \"name\": \"hello\", \"main\": \"./src/index.js\",\n"
        "\"routes\": [\"a.test/*\", {\"pattern\": \"b.test\", \"zone_id\": \"1\"}],\n"
        "\"vars\": {\"A\": \"1\"}, \"limits\": {\"cpu_ms\": 20},\n"
        "\"compatibility_date\": \"2026-01-01\", }");
    put("app/src/index.js", "import './b.mjs'");
    put("app/src/b.mjs", "1");
    put("app/data.txt", "text");
    put("app/README.md", "no module");
    put("app/package-lock.json", "{}");
    put("app/.secret.js", "hidden");
    put("app/node_modules/x/index.js", "skipped");
    assert_int_equal(symlink("/etc/passwd", in_root("app/link.txt")), 0);
    if (bundle_pack(in_root("app"), NULL, &b, error, sizeof(error)))
        fail_msg("%s", error);
    text = json_dumps(b.manifest, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text,
                        "{\"compatibility_date\":\"2026-01-01\",\"limits\":{\"cpu_ms\":20},"
                        "\"main\":\"src/index.js\",\"modules\":["
                        "{\"bytes\":4,\"name\":\"data.txt\"},{\"bytes\":1,\"name\":\"src/b.mjs\"},"
                        "{\"bytes\":16,\"name\":\"src/index.js\"}],\"name\":\"hello\","
                        "\"routes\":[\"a.test/*\",\"b.test\"],\"vars\":{\"A\":\"1\"}}");
    assert_int_equal(b.bytes, 21);
    assert_memory_equal(b.modules, "text1import './b.mjs'", 21);
    free(text);
    bundle_fini(&b);
}

static void services_limits_and_account_reach_the_manifest(void **state)
{
    struct bundle b;
    char *text;

    put("caller/wrangler.json", "{\"name\":\"a\",\"main\":\"i.js\",\"account_id\":\"acc\","
                                "\"limits\":{\"subrequests\":9,\"other\":1},"
                                "\"services\":[{\"binding\":\"SELF\",\"service\":\"a\"},"
                                "{\"binding\":\"$b_2\",\"service\":\"b-1\","
                                "\"limits\":{\"cpu_ms\":5,\"x\":1}}]}");
    put("caller/i.js", "1");
    if (bundle_pack(in_root("caller"), NULL, &b, error, sizeof(error)))
        fail_msg("%s", error);
    text = json_dumps(b.manifest, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(
        text, "{\"account\":\"acc\",\"limits\":{\"subrequests\":9},\"main\":\"i.js\",\"modules\":["
              "{\"bytes\":1,\"name\":\"i.js\"}],\"name\":\"a\",\"routes\":[],\"services\":["
              "{\"binding\":\"SELF\",\"service\":\"a\"},"
              "{\"binding\":\"$b_2\",\"limits\":{\"cpu_ms\":5},\"service\":\"b-1\"}],\"vars\":{}}");
    free(text);
    bundle_fini(&b);
}

static void a_bad_directory_is_refused_with_a_sentence(void **state)
{
    static const struct {
        const char *what, *wrangler, *error;
    } rows[] = {
        {"no name", "{\"main\":\"i.js\"}", "\"name\" is missing"},
        {"a bad name", "{\"name\":\"A b\",\"main\":\"i.js\"}",
         "name \"A b\": at most 63 lower-case letters, digits, '-' and '_' are possible"},
        {"no main", "{\"name\":\"a\"}",
         "\"main\" is missing: the path of the script's entry module"},
        {"a main that is not there", "{\"name\":\"a\",\"main\":\"x.js\"}",
         "main module \"x.js\" does not exist"},
        {"a main outside", "{\"name\":\"a\",\"main\":\"../i.js\"}",
         "main module \"../i.js\" does not exist"},
        {"routes of a wrong kind", "{\"name\":\"a\",\"main\":\"i.js\",\"routes\":[1]}",
         "\"routes\" must be a list of strings or of {\"pattern\": ...}"},
        {"a bad route", "{\"name\":\"a\",\"main\":\"i.js\",\"route\":\"a.test/*/b\"}",
         "route \"a.test/*/b\": in the path, * must be its last character"},
        {"vars of a wrong kind", "{\"name\":\"a\",\"main\":\"i.js\",\"vars\":[]}",
         "\"vars\" must be an object"},
        {"a CPU limit out of range", "{\"name\":\"a\",\"main\":\"i.js\",\"limits\":{\"cpu_ms\":0}}",
         "\"limits.cpu_ms\" must be a number from 1 to 300000"},
        {"services of a wrong kind", "{\"name\":\"a\",\"main\":\"i.js\",\"services\":{}}",
         "\"services\" must be a list"},
        {"a binding that is no identifier",
         "{\"name\":\"a\",\"main\":\"i.js\",\"services\":[{\"binding\":\"1x\",\"service\":\"b\"}]}",
         "services: entry 0 needs a \"binding\" that is a JavaScript identifier"},
        {"a binding to no script",
         "{\"name\":\"a\",\"main\":\"i.js\",\"services\":[{\"binding\":\"B\",\"service\":\"../"
         "b\"}]}",
         "services: \"B\" needs a \"service\" that is the name of a script"},
        {"a binding that is a var too",
         "{\"name\":\"a\",\"main\":\"i.js\",\"vars\":{\"B\":1},\"services\":[{\"binding\":\"B\","
         "\"service\":"
         "\"b\"}]}",
         "services: \"B\" is a var too"},
        {"a binding twice",
         "{\"name\":\"a\",\"main\":\"i.js\",\"services\":[{\"binding\":\"B\",\"service\":\"b\"},"
         "{\"binding\":\"B\",\"service\":\"c\"}]}",
         "services: \"B\" is there twice"},
        {"a call limit out of range",
         "{\"name\":\"a\",\"main\":\"i.js\",\"services\":[{\"binding\":\"B\",\"service\":\"b\","
         "\"limits\":{\"wall_ms\":-1}}]}",
         "\"services.B.limits.wall_ms\" must be a number from 1 to 3600000"},
        {"an entrypoint",
         "{\"name\":\"a\",\"main\":\"i.js\",\"services\":[{\"binding\":\"B\",\"service\":\"b\","
         "\"entrypoint\":\"E\"}]}",
         "wrangler.json:1: \"services[].entrypoint\": only the default entrypoint can be called"},
        {"an account of a wrong kind", "{\"name\":\"a\",\"main\":\"i.js\",\"account_id\":7}",
         "\"account_id\" must be a string of 1 to 64 bytes"},
        {"not JSON", "{",
         "wrangler.json: line 1 column 1: string or '}' expected near end of file"},
        {"a list", "[]", "wrangler.json: is not an object"},
    };
    struct bundle b;

    put("bad/i.js", "");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        put("bad/wrangler.json", rows[i].wrangler);
        if (!bundle_pack(in_root("bad"), NULL, &b, error, sizeof(error)))
            fail_msg("%s: packed", rows[i].what);
        if (strcmp(error, rows[i].error))
            fail_msg("%s: %s", rows[i].what, error);
        bundle_fini(&b);
    }
    unlink(in_root("bad/wrangler.json"));
    assert_int_equal(bundle_pack(in_root("bad"), NULL, &b, error, sizeof(error)), -1);
    assert_string_equal(error, "there is no wrangler.jsonc, wrangler.json or wrangler.toml");
    bundle_fini(&b);
    put("bad/wrangler.toml", "name = \"a\"");
    assert_int_equal(bundle_pack(in_root("bad"), NULL, &b, error, sizeof(error)), -1);
    assert_string_equal(error, "wrangler.toml: cannot be read here");
    bundle_fini(&b);
    assert_int_equal(bundle_pack("/nonexistent", NULL, &b, error, sizeof(error)), -1);
    bundle_fini(&b);
}

static void a_bundle_over_its_limits_is_refused(void **state)
{
    struct bundle b;
    char name[64];

    put("many/wrangler.json", "{\"name\":\"a\",\"main\":\"m0.js\"}");
    for (int i = 0; i < 257; i++) {
        snprintf(name, sizeof(name), "many/m%d.js", i);
        put(name, "1");
    }
    assert_int_equal(bundle_pack(in_root("many"), NULL, &b, error, sizeof(error)), -1);
    assert_string_equal(error, "more than 256 modules");
    bundle_fini(&b);
    put("big/wrangler.json", "{\"name\":\"a\",\"main\":\"m.js\"}");
    put("big/m.js", "");
    assert_int_equal(truncate(in_root("big/m.js"), BUNDLE_BYTES_MAX + 1), 0);
    assert_int_equal(bundle_pack(in_root("big"), NULL, &b, error, sizeof(error)), -1);
    assert_string_equal(error, "m.js: too large");
    bundle_fini(&b);
}

static void a_module_that_is_missing_is_named_where_it_is_imported(void **state)
{
    static const struct {
        const char *what, *source, *error; /* NULL: packed */
    } rows[] = {
        {"one that is there", "import './b.mjs'; import x from '../top.js';", NULL},
        {"one that is not", "\nimport y from \"./missing.js\";",
         "src/i.js:2: No such module \"./missing.js\", imported from \"src/i.js\""},
        {"from the root", "import '/src/b.mjs'; import '/b.mjs';",
         "src/i.js:1: No such module \"/b.mjs\", imported from \"src/i.js\""},
        {"a bare name is the name of a module", "import 'top.js'; import 'react';",
         "src/i.js:1: No such module \"react\", imported from \"src/i.js\""},
        {"outside", "import '../../x.js';",
         "src/i.js:1: No such module \"../../x.js\", imported from \"src/i.js\""},
        {"of an imported module", "import '../wants.js'",
         "wants.js:1: No such module \"./nowhere.js\", imported from \"wants.js\""},
        {"of a module that nobody imports", "export default 1;", NULL},
        {"in a circle", "import './i.js'; import './b.mjs';", NULL},
        {"in a string", "const x = \"import './missing.js'\";", NULL},
    };
    struct bundle b;

    put("imports/wrangler.json", "{\"name\":\"a\",\"main\":\"src/i.js\"}");
    put("imports/src/b.mjs", "import './i.js';");
    put("imports/top.js", "");
    put("imports/wants.js", "export * from './nowhere.js';");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int rc;

        put("imports/src/i.js", rows[i].source);
        rc = bundle_pack(in_root("imports"), NULL, &b, error, sizeof(error));
        if (rc ? !rows[i].error || strcmp(error, rows[i].error) : rows[i].error != NULL)
            fail_msg("%s: %s", rows[i].what, rc ? error : "packed");
        bundle_fini(&b);
    }
}

static void a_manifest_that_lies_is_refused(void **state)
{
    static const struct {
        const char *what, *manifest;
    } rows[] = {
        {"no object", "[]"},
        {"sizes that do not add up",
         "{\"name\":\"a\",\"main\":\"i\",\"modules\":[{\"name\":\"i\",\"bytes\":5}]}"},
        {"a negative size",
         "{\"name\":\"a\",\"main\":\"i\",\"modules\":[{\"name\":\"i\",\"bytes\":-4},"
         "{\"name\":\"j\",\"bytes\":8}]}"},
        {"a path upwards", "{\"name\":\"a\",\"main\":\"../i\",\"modules\":[{\"name\":\"../"
                           "i\",\"bytes\":4}]}"},
        {"an absolute path",
         "{\"name\":\"a\",\"main\":\"/i\",\"modules\":[{\"name\":\"/i\",\"bytes\":4}]}"},
        {"a module twice",
         "{\"name\":\"a\",\"main\":\"i\",\"modules\":[{\"name\":\"i\",\"bytes\":2},"
         "{\"name\":\"i\",\"bytes\":2}]}"},
        {"a name that is a path",
         "{\"name\":\"../a\",\"main\":\"i\",\"modules\":[{\"name\":\"i\",\"bytes\":4}]}"},
        {"no modules", "{\"name\":\"a\",\"main\":\"i\",\"modules\":[]}"},
        {"services of strings",
         "{\"name\":\"a\",\"main\":\"i\",\"services\":[\"b\"],\"modules\":[{\"name\":"
         "\"i\",\"bytes\":4}]}"},
        {"routes of numbers",
         "{\"name\":\"a\",\"main\":\"i\",\"routes\":[7],\"modules\":[{\"name\":"
         "\"i\",\"bytes\":4}]}"},
        {"a key that nobody knows", "{\"name\":\"a\",\"main\":\"i.js\",\"x\":1,\"modules\":[{"
                                    "\"name\":\"i.js\",\"bytes\":1}]}"},
        {"a module's key that nobody knows", "{\"name\":\"a\",\"main\":\"i.js\",\"modules\":[{"
                                             "\"name\":\"i.js\",\"bytes\":1,\"x\":\"\"}]}"},
        {"a limit that nobody knows",
         "{\"name\":\"a\",\"main\":\"i.js\",\"limits\":{\"cpu_ms\":1,\"x\":1},"
         "\"modules\":[{\"name\":\"i.js\",\"bytes\":1}]}"},
        {"a service's key that nobody knows", "{\"name\":\"a\",\"main\":\"i.js\",\"services\":[{"
                                              "\"binding\":\"B\",\"service\":\"b\",\"x\":1}],"
                                              "\"modules\":[{\"name\":\"i.js\",\"bytes\":1}]}"},
    };
    json_t *good = json_loads(
        "{\"name\":\"a\",\"main\":\"i\",\"modules\":[{\"name\":\"i\",\"bytes\":4}]}", 0, NULL);

    assert_true(bundle_check(good, 4, error, sizeof(error)));
    json_decref(good);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *m = json_loads(rows[i].manifest, 0, NULL);

        assert_non_null(m);
        if (bundle_check(m, 4, error, sizeof(error)))
            fail_msg("%s: taken for good", rows[i].what);
        json_decref(m);
    }
}

/* ---- store ---- */

static json_t *manifest_of(const char *name, int bytes)
{
    return json_pack("{s:s, s:s, s:[{s:s, s:i}]}", "name", name, "main", "i.js", "modules", "name",
                     "i.js", "bytes", bytes);
}

static void deploy(struct store *s, const char *name, const char *source, int64_t now, char *sha)
{
    json_t *m = manifest_of(name, (int)strlen(source));

    if (store_put(s, m, (const uint8_t *)source, strlen(source), sha, error, sizeof(error)) ||
        store_set_current(s, name, sha, now, error, sizeof(error)))
        fail_msg("%s", error);
    json_decref(m);
}

static void open_store(struct store *s, const char *name)
{
    if (store_open(s, in_root(name), error, sizeof(error)))
        fail_msg("%s", error);
}

static void what_is_deployed_survives_a_restart(void **state)
{
    struct store s;
    char sha[65], other[65], text[16];
    json_t *m, *names;
    int fd;

    open_store(&s, "kept/deep");
    deploy(&s, "hello", "source", 7, sha);
    deploy(&s, "alpha", "other", 8, other);
    store_close(&s);

    open_store(&s, "kept/deep");
    names = store_names(&s);
    assert_int_equal(json_array_size(names), 2);
    assert_string_equal(json_string_value(json_array_get(names, 0)), "alpha");
    json_decref(names);
    assert_int_equal(store_get(&s, sha, &m, &fd, error, sizeof(error)), 0);
    assert_string_equal(json_string_value(json_object_get(m, "name")), "hello");
    assert_int_equal(pread(fd, text, sizeof(text), 0), 6);
    assert_memory_equal(text, "source", 6);
    assert_int_equal(write(fd, "x", 1), -1); /* sealed */
    assert_int_equal(fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE, F_SEAL_WRITE);
    close(fd);
    json_decref(m);
    store_close(&s);
}

static void the_same_content_is_the_same_version(void **state)
{
    struct store s;
    char a[65], b[65];
    json_t *record;

    open_store(&s, "same");
    deploy(&s, "hello", "source", 1, a);
    deploy(&s, "hello", "source", 2, b);
    assert_string_equal(a, b);
    record = store_record(&s, "hello", error, sizeof(error));
    assert_int_equal(json_array_size(json_object_get(record, "versions")), 1);
    json_decref(record);
    store_close(&s);
}

static void versions_can_be_found_again(void **state)
{
    struct store s;
    char one[65], two[65], found[65], start[9];

    open_store(&s, "versions");
    deploy(&s, "hello", "one", 1, one);
    assert_int_equal(store_find_version(&s, "hello", "", found, error, sizeof(error)), -1);
    assert_string_equal(error, "hello: there is no earlier version");
    deploy(&s, "hello", "two", 2, two);
    assert_int_equal(store_find_version(&s, "hello", NULL, found, error, sizeof(error)), 0);
    assert_string_equal(found, one);
    snprintf(start, sizeof(start), "%.8s", two);
    assert_int_equal(store_find_version(&s, "hello", start, found, error, sizeof(error)), 0);
    assert_string_equal(found, two);
    assert_int_equal(store_find_version(&s, "hello", "xyz", found, error, sizeof(error)), -1);
    assert_string_equal(error, "xyz: there is no such version");
    assert_int_equal(store_find_version(&s, "nobody", "", found, error, sizeof(error)), -1);
    assert_int_equal(store_find_version(&s, "../x", "", found, error, sizeof(error)), -1);
    store_close(&s);
}

static void what_did_not_become_current_is_not_kept(void **state)
{
    struct store s;
    char one[65], two[65], tried[65];
    json_t *m = manifest_of("hello", 5);
    json_t *kept;
    int fd;

    open_store(&s, "tried");
    assert_int_equal(store_put(&s, m, (const uint8_t *)"first", 5, tried, error, sizeof(error)), 0);
    store_discard(&s, "hello", tried); /* there is no script of that name at all */
    assert_int_equal(store_get(&s, tried, &kept, &fd, error, sizeof(error)), -1);
    deploy(&s, "hello", "one", 1, one);
    deploy(&s, "hello", "two", 2, two);
    assert_int_equal(store_put(&s, m, (const uint8_t *)"tried", 5, tried, error, sizeof(error)), 0);
    store_discard(&s, "hello", tried);
    store_discard(&s, "hello", one); /* a version that was to come back */
    store_discard(&s, "hello", two);
    assert_int_equal(store_get(&s, tried, &kept, &fd, error, sizeof(error)), -1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_get(&s, i ? one : two, &kept, &fd, error, sizeof(error)), 0);
        json_decref(kept);
        close(fd);
    }
    /* Nobody knows what a damaged record names. */
    put("tried/scripts/hello.json", "{");
    store_discard(&s, "hello", one);
    assert_int_equal(store_get(&s, one, &kept, &fd, error, sizeof(error)), 0);
    json_decref(kept);
    close(fd);
    json_decref(m);
    store_close(&s);
}

static void old_versions_go(void **state)
{
    struct store s;
    char first[65], sha[65], source[16];
    json_t *record, *m;

    open_store(&s, "old");
    deploy(&s, "hello", "first", 0, first);
    for (int i = 0; i < STORE_VERSIONS_MAX; i++) {
        snprintf(source, sizeof(source), "v%d", i);
        deploy(&s, "hello", source, i, sha);
    }
    record = store_record(&s, "hello", error, sizeof(error));
    assert_int_equal(json_array_size(json_object_get(record, "versions")), STORE_VERSIONS_MAX);
    json_decref(record);
    assert_int_equal(store_get(&s, first, &m, NULL, error, sizeof(error)), -1);
    assert_int_equal(store_get(&s, sha, &m, NULL, error, sizeof(error)), 0);
    json_decref(m);
    store_close(&s);
}

static void what_is_deleted_is_gone(void **state)
{
    struct store s;
    char sha[65];
    json_t *m;

    open_store(&s, "gone");
    deploy(&s, "hello", "one", 1, sha);
    assert_int_equal(store_delete(&s, "hello", error, sizeof(error)), 0);
    assert_null(store_record(&s, "hello", error, sizeof(error)));
    assert_string_equal(error, "hello: there is no such script");
    assert_int_equal(store_get(&s, sha, &m, NULL, error, sizeof(error)), -1);
    assert_int_equal(store_delete(&s, "hello", error, sizeof(error)), -1);
    store_close(&s);
}

static void a_damaged_artifact_is_refused_and_a_deploy_repairs_it(void **state)
{
    struct store s;
    char sha[65], path[256];
    json_t *m;

    open_store(&s, "damaged");
    deploy(&s, "hello", "good", 1, sha);
    snprintf(path, sizeof(path), "damaged/artifacts/%s/modules", sha);
    put(path, "evil");
    assert_int_equal(store_get(&s, sha, &m, NULL, error, sizeof(error)), -1);
    assert_non_null(strstr(error, "the artifact is damaged"));
    deploy(&s, "hello", "good", 2, sha);
    assert_int_equal(store_get(&s, sha, &m, NULL, error, sizeof(error)), 0);
    json_decref(m);
    store_close(&s);
}

/* A crash can leave: half an artifact or record in tmp/, and an artifact that no record names. */
static void what_a_crash_leaves_changes_nothing(void **state)
{
    struct store s;
    char sha[65];
    json_t *record, *names;
    struct stat st;

    open_store(&s, "crash");
    deploy(&s, "hello", "one", 1, sha);
    store_close(&s);
    put("crash/tmp/0123/manifest.json", "{\"na");
    put("crash/tmp/hello.json", "{\"name\":");
    put("crash/artifacts/0123/manifest.json", "{}");
    open_store(&s, "crash");
    assert_int_equal(stat(in_root("crash/tmp/0123"), &st), -1);
    assert_int_equal(stat(in_root("crash/tmp/hello.json"), &st), -1);
    record = store_record(&s, "hello", error, sizeof(error));
    assert_string_equal(json_string_value(json_object_get(record, "current")), sha);
    json_decref(record);
    names = store_names(&s);
    assert_int_equal(json_array_size(names), 1);
    json_decref(names);
    store_close(&s);
}

static void a_damaged_record_is_refused_with_a_sentence(void **state)
{
    struct store s;
    char sha[65];

    open_store(&s, "record");
    deploy(&s, "hello", "one", 1, sha);
    put("record/scripts/hello.json",
        "{\"name\":\"hello\",\"current\":\"../../etc\",\"versions\":[]}");
    assert_null(store_record(&s, "hello", error, sizeof(error)));
    assert_string_equal(error, "hello: its record is damaged");
    deploy(&s, "hello", "one", 1, sha);
    json_decref(store_record(&s, "hello", error, sizeof(error)));
    store_close(&s);
}

static void one_process_uses_a_store(void **state)
{
    struct store a, b;

    open_store(&a, "lock");
    assert_int_equal(store_open(&b, in_root("lock"), error, sizeof(error)), -1);
    assert_non_null(strstr(error, "another hearthd uses it"));
    store_close(&a);
    open_store(&b, "lock");
    store_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_becomes_a_manifest_and_its_modules),
        cmocka_unit_test(services_limits_and_account_reach_the_manifest),
        cmocka_unit_test(a_bad_directory_is_refused_with_a_sentence),
        cmocka_unit_test(a_bundle_over_its_limits_is_refused),
        cmocka_unit_test(a_module_that_is_missing_is_named_where_it_is_imported),
        cmocka_unit_test(a_manifest_that_lies_is_refused),
        cmocka_unit_test(what_is_deployed_survives_a_restart),
        cmocka_unit_test(the_same_content_is_the_same_version),
        cmocka_unit_test(versions_can_be_found_again),
        cmocka_unit_test(what_did_not_become_current_is_not_kept),
        cmocka_unit_test(old_versions_go),
        cmocka_unit_test(what_is_deleted_is_gone),
        cmocka_unit_test(a_damaged_artifact_is_refused_and_a_deploy_repairs_it),
        cmocka_unit_test(what_a_crash_leaves_changes_nothing),
        cmocka_unit_test(a_damaged_record_is_refused_with_a_sentence),
        cmocka_unit_test(one_process_uses_a_store),
    };

    return cmocka_run_group_tests(tests, make_root, remove_root);
}
