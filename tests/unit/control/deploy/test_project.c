/* Projects, built by esbuild as hearthctl does it. */
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

#include "control/deploy/bundle.h"

static char root[64];
static char error[4096];
static struct bundle b;

static const struct bundle_options tools = {.esbuild = ESBUILD, .node = NODE, .library = LIBRARY};

static int make_root(void **state)
{
    snprintf(root, sizeof(root), "/tmp/hearth-test-project-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    char command[128];

    bundle_fini(&b);
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

static void pack(const struct bundle_options *o)
{
    bundle_fini(&b);
    if (bundle_pack(root, o, &b, error, sizeof(error)))
        fail_msg("%s", error);
}

static void is_refused(const char *sentence)
{
    bundle_fini(&b);
    assert_int_equal(bundle_pack(root, &tools, &b, error, sizeof(error)), -1);
    assert_string_equal(error, sentence);
}

/* Of the module whose name ends so: its kind, and its text. NULL: there is none. */
static const char *module_text(const char *ending, const char **kind)
{
    static char text[1 << 20];
    const json_t *module;
    size_t at = 0, i;

    json_array_foreach(json_object_get(b.manifest, "modules"), i, module)
    {
        const char *name = json_string_value(json_object_get(module, "name"));
        size_t bytes = (size_t)json_integer_value(json_object_get(module, "bytes"));

        if (strlen(name) >= strlen(ending) &&
            !strcmp(name + strlen(name) - strlen(ending), ending)) {
            assert_true(bytes < sizeof(text));
            memcpy(text, b.modules + at, bytes);
            text[bytes] = 0;
            if (kind)
                *kind = json_string_value(json_object_get(module, "kind"));
            return text;
        }
        at += bytes;
    }
    return NULL;
}

static void typescript_and_packages_become_one_module(void **state)
{
    const char *kind, *text;

    put("wrangler.jsonc", "{\"name\":\"a\",\"main\":\"src/index.ts\"}");
    put("package.json", "{}");
    put("node_modules/words/package.json",
        "{\"exports\":{\"workerd\":\"./w.js\",\"default\":\"./d.js\"}}");
    put("node_modules/words/w.js", "export const word = 'for workers';");
    put("node_modules/words/d.js", "export const word = 'for others';");
    put("src/index.ts", "import { word } from 'words';\nimport { n } from './n';\n"
                        "export default { fetch: (): Response => new Response(word + n) };\n");
    put("src/n.ts", "export const n: number = 41;\n");
    pack(&tools);
    assert_string_equal(json_string_value(json_object_get(b.manifest, "main")), "index.js");
    assert_int_equal(json_array_size(json_object_get(b.manifest, "modules")), 2);
    text = module_text("index.js", &kind);
    assert_string_equal(kind, "esm");
    assert_non_null(strstr(text, "for workers"));
    assert_null(strstr(text, "for others"));
    assert_null(strstr(text, ": number"));
    text = module_text("index.js.map", &kind);
    assert_string_equal(kind, "map");
    assert_non_null(strstr(text, "\"src/n.ts\""));
    assert_non_null(strstr(text, "\"node_modules/words/w.js\""));
    assert_null(strstr(text, "sourcesContent"));
    assert_int_equal(json_integer_value(json_object_get(b.report, "inputs")), 3);
}

static void other_modules_go_along_as_they_are(void **state)
{
    const char *kind;

    put("wrangler.jsonc",
        "{\"name\":\"a\",\"main\":\"i.ts\",\"rules\":[{\"type\":\"Data\","
        "\"globs\":[\"**/*.dat\"]},{\"type\":\"Text\",\"globs\":[\"**/*.bin\"]}]}");
    put("i.ts", "import a from './a.wasm'; import b from './a.dat'; import c from './a.bin';\n"
                "import d from './a.sql?raw'; import e from './a.json';\n"
                "export default { a, b, c, d, e };");
    put("a.wasm", "wasm");
    put("a.dat", "dat");
    put("a.bin", "bin");
    put("a.sql", "sql");
    put("a.json", "[\"inside\"]");
    pack(&tools);
    assert_string_equal(module_text(".wasm", &kind), "wasm");
    assert_string_equal(kind, "wasm");
    assert_string_equal(module_text(".dat", &kind), "dat");
    assert_string_equal(kind, "data");
    assert_string_equal(module_text(".bin", &kind), "bin");
    assert_string_equal(kind, "text"); /* a rule of the author's comes first */
    assert_string_equal(module_text(".sql", &kind), "sql");
    assert_non_null(strstr(module_text("i.js", NULL), "inside"));
}

static void define_alias_and_a_service_worker(void **state)
{
    const char *kind, *text;

    put("wrangler.toml",
        "name = \"a\"\nmain = \"w.js\"\n[define]\nWORD = '\"defined\"'\n"
        "[alias]\nabsent = \"./there\"\n[vars]\nA = \"1\"\n[env.e.vars]\nA = \"2\"\n");
    put("w.js", "import { there } from 'absent';\naddEventListener('fetch', () => [WORD, there]);");
    put("there.js", "export const there = 'aliased';");
    pack(&tools);
    text = module_text("w.js", &kind);
    assert_string_equal(kind, "script");
    assert_non_null(strstr(text, "\"defined\""));
    assert_non_null(strstr(text, "aliased"));
}

static void an_environment_and_dev_vars_change_what_is_deployed(void **state)
{
    struct bundle_options o = tools;
    json_t *vars;

    put("wrangler.json", "{\"name\":\"a\",\"main\":\"i.js\",\"vars\":{\"A\":\"1\",\"B\":\"1\"},"
                         "\"limits\":{\"cpu_ms\":7},\"env\":{\"e\":{\"vars\":{\"A\":\"2\"}},"
                         "\"f\":{\"name\":\"own\"}}}");
    put("i.js", "export default {};");
    put(".dev.vars", "A=dev\nC='more'");
    put(".dev.vars.f", "D=f");
    pack(&tools);
    assert_string_equal(json_string_value(json_object_get(b.manifest, "name")), "a");
    o.env = "e";
    pack(&o);
    assert_string_equal(json_string_value(json_object_get(b.manifest, "name")), "a-e");
    vars = json_object_get(b.manifest, "vars");
    assert_string_equal(json_string_value(json_object_get(vars, "A")), "2");
    assert_null(json_object_get(vars, "B"));
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(b.manifest, "limits"), "cpu_ms")), 7);
    o.has_dev_vars = true;
    pack(&o);
    vars = json_object_get(b.manifest, "vars");
    assert_string_equal(json_string_value(json_object_get(vars, "A")), "dev");
    assert_string_equal(json_string_value(json_object_get(vars, "C")), "more");
    o.env = "f";
    pack(&o);
    vars = json_object_get(b.manifest, "vars");
    assert_string_equal(json_string_value(json_object_get(b.manifest, "name")), "own");
    assert_int_equal(json_array_size(b.warnings), 1); /* vars are not inherited */
    assert_int_equal(json_object_size(vars), 1);
    assert_string_equal(json_string_value(json_object_get(vars, "D")), "f");
    bundle_fini(&b);
    o.env = "g";
    assert_int_equal(bundle_pack(root, &o, &b, error, sizeof(error)), -1);
    assert_string_equal(error, "there is no environment \"g\": \"env\" has no such key");
}

static void a_project_that_cannot_be_built_is_refused_by_place(void **state)
{
    static const struct {
        const char *wrangler, *source, *sentence;
    } rows[] = {
        {"", "let x: = 1;", "i.ts:1:7: Unexpected \"=\""},
        {"", "import x from './nowhere';\nexport default { x };",
         "i.ts:1:14: Could not resolve \"./nowhere\""},
        {"", "import fs from 'node:fs';\nexport default { fs };",
         "i.ts:1:15: Could not resolve \"node:fs\": that needs the compatibility flag "
         "\"nodejs_compat\""},
        {"\"compatibility_flags\":[\"nodejs_compat\"],",
         "import { DatabaseSync } from 'node:sqlite';\nexport default { DatabaseSync };",
         "i.ts:1:29: Could not resolve \"node:sqlite\": hearth has no such module"},
        {"\"rules\":[{\"type\":\"Text\",\"globs\":[\"data/*\"]}],", "export default {};",
         "rules: \"data/*\": only globs like **/*.EXT are possible"},
        {"\"rules\":[{\"type\":\"Python\",\"globs\":[]}],", "export default {};",
         "rules: type \"Python\" is none of CompiledWasm, Data, Text, ESModule and CommonJS"},
        {"\"build\":{\"command\":\"echo no; exit 3\"},", "export default {};",
         "build.command ended with 3\nno\n"},
        {"\"define\":{\"A\":1},", "export default {};", "define: \"A\" must be a string"},
    };
    char text[512];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(text, sizeof(text), "{%s\"name\":\"a\",\"main\":\"i.ts\"}", rows[i].wrangler);
        put("wrangler.json", text);
        put("i.ts", rows[i].source);
        is_refused(rows[i].sentence);
    }
    bundle_fini(&b);
    assert_int_equal(bundle_pack(root, NULL, &b, error, sizeof(error)), -1);
    assert_string_equal(error, "the bundler is not there: this project cannot be built here");
}

static void what_a_package_can_do_without_is_no_fault(void **state)
{
    put("wrangler.json", "{\"name\":\"a\",\"main\":\"i.ts\"}");
    put("node_modules/p/package.json", "{\"main\":\"p.js\",\"browser\":{\"fs\":false}}");
    put("node_modules/p/p.js",
        "try { require('zlib'); } catch {}\nmodule.exports = require('fs');");
    put("i.ts", "import p from 'p';\nexport default { p };");
    pack(&tools);
}

static void node_modules_are_bundled_where_they_are_asked_for(void **state)
{
    put("wrangler.json",
        "{\"name\":\"a\",\"main\":\"i.ts\",\"compatibility_flags\":[\"nodejs_compat\"]}");
    put("i.ts",
        "import { text } from 'node:stream/consumers';\nimport { escape } from 'querystring';\n"
        "export default { text, escape };");
    pack(&tools);
    assert_non_null(strstr(module_text("i.js", NULL), "fromCharCode"));
    assert_null(strstr(module_text("i.js", NULL), "cloudflare:workers")); /* no process */
    put("i.ts", "export default { e: process.env, b: Buffer };");
    pack(&tools);
    assert_non_null(strstr(module_text("i.js", NULL), "cloudflare:workers"));
    assert_non_null(strstr(module_text("i.js", NULL), "base64url"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)
    const struct CMUnitTest tests[] = {
        TEST(typescript_and_packages_become_one_module),
        TEST(other_modules_go_along_as_they_are),
        TEST(define_alias_and_a_service_worker),
        TEST(an_environment_and_dev_vars_change_what_is_deployed),
        TEST(a_project_that_cannot_be_built_is_refused_by_place),
        TEST(what_a_package_can_do_without_is_no_fault),
        TEST(node_modules_are_bundled_where_they_are_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
