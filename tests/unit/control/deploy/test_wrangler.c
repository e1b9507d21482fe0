/* What hearth says to the keys of wrangler.jsonc, and what a module's head tells of its imports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/base/json_field.h"
#include "control/deploy/jsonc.h"
#include "control/deploy/module_head.h"
#include "control/deploy/wrangler.h"

/* "2 var: is not known ..." for each warning, then "refused" and the sentences. */
static void judge_of(const char *env, const char *text, char *out, size_t room)
{
    char error[1024] = "";
    json_t *root = jsonc_parse(text, strlen(text), error, sizeof(error));
    json_t *warnings = json_array(), *w;
    bool is_good;
    size_t i, used = 0;

    if (!root)
        fail_msg("%s", error);
    is_good = wrangler_judge(&(struct wrangler_text){.file = "w.jsonc",
                                                     .text = text,
                                                     .bytes = strlen(text),
                                                     .root = root,
                                                     .env = env,
                                                     .has_lines = true},
                             warnings, error, sizeof(error));
    out[0] = 0;
    json_array_foreach(warnings, i, w)
    {
        used += (size_t)snprintf(out + used, room - used, "%lld %s: %s\n", field_number(w, "line"),
                                 field_text(w, "key"), field_text(w, "text"));
    }
    if (!is_good)
        snprintf(out + used, room - used, "refused %s\n", error);
    json_decref(warnings);
    json_decref(root);
}

static void judge(const char *text, char *out, size_t room)
{
    judge_of(NULL, text, out, room);
}

static void an_environment_is_judged_in_place_of_what_it_does_not_inherit(void **state)
{
    static const struct {
        const char *what, *text, *said;
    } rows[] = {
        {"a binding that is not inherited", "{\"ai\":{\"binding\":\"A\"},\"env\":{\"dev\":{}}}",
         ""},
        {"one of its own", "{\n\"env\":{\n\"dev\":{\"ai\":{\"binding\":\"A\"}}}}",
         "refused w.jsonc:3: \"env.dev.ai\": hearth has no such binding, and the script depends on "
         "it\n"},
        {"one of another environment",
         "{\"env\":{\"devel\":{\"ai\":{\"binding\":\"A\"}},\"dev\":{}}}", ""},
        {"what is inherited", "{\"triggers\":{\"crons\":[\"* * * * *\"]},\"env\":{\"dev\":{}}}",
         "refused w.jsonc:1: \"triggers\": nothing is called by time: only fetch() is\n"},
        {"a slip of the pen", "{\"env\":{\"dev\":{\"nmae\":1,\"vars\":{\"nmae\":1}}}}",
         "1 env.dev.nmae: is not known; did you mean \"name\"?\n"},
    };
    char said[1024];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        judge_of("dev", rows[i].text, said, sizeof(said));
        if (strcmp(said, rows[i].said))
            fail_msg("%s: %s", rows[i].what, said);
    }
}

/* 200 letters: a third of them is more than the longest word that is compared. */
#define TEN_LETTERS "zzzzzzzzzz"
#define LONG_KEY    FIVE FIVE FIVE FIVE
#define FIVE        TEN_LETTERS TEN_LETTERS TEN_LETTERS TEN_LETTERS TEN_LETTERS

static void each_key_is_judged_by_its_place(void **state)
{
    static const struct {
        const char *what, *text, *said;
    } rows[] = {
        {"what hearth takes",
         "{\"name\":\"a\",\"main\":\"i.js\",\"routes\":[\"a.test\",{\"pattern\":\"b.test\"}],"
         "\"limits\":{\"cpu_ms\":1},\"services\":[{\"binding\":\"B\",\"service\":\"b\","
         "\"limits\":{\"wall_ms\":1}}],\"account_id\":\"x\"}",
         ""},
        {"vars are the script's own", "{\"vars\":{\"kv_namespaces\":1,\"var\":{\"nmae\":2}}}", ""},
        {"what is for other tools",
         "{\"$schema\":\"x\",\"dev\":{\"port\":1,\"anything\":[{\"x\":1}]},\"workers_dev\":true,"
         "\"compatibility_date\":\"2026-01-01\",\"observability\":{\"enabled\":true},"
         "\"routes\":[{\"pattern\":\"a\",\"zone_name\":\"a\",\"custom_domain\":true}]}",
         ""},
        {"misspelt, with the line",
         "{ \"name\": \"typo\", // a \"comment\": 1\n  /* and\n another */ \"compatability_date\": "
         "\"x\",\n\"var\": {\"A\": 1} }",
         "3 compatability_date: is not known; did you mean \"compatibility_date\"?\n"
         "4 var: is not known; did you mean \"vars\"?\n"},
        {"unknown and far too long to be meant for another", "{\"" LONG_KEY "\":1}",
         "1 " LONG_KEY ": is not known\n"},
        {"unknown and like nothing", "{\"zzzzzzzz\":{\"name\":1}}", "1 zzzzzzzz: is not known\n"},
        {"misspelt inside",
         "{\"routes\":[{\n\"patern\":\"a\"}],\"services\":[\"x\",{\n\"binding\":\"B\","
         "\"servise\":\"b\",\n\"limits\":{\"cpu\":1}}],\"limits\":{\"cpums\":3}}",
         "2 routes[].patern: is not known; did you mean \"pattern\"?\n"
         "3 services[].servise: is not known; did you mean \"service\"?\n"
         "4 services[].limits.cpu: is not known\n"
         "4 limits.cpums: is not known; did you mean \"cpu_ms\"?\n"},
        {"a binding that hearth has not",
         "{\"name\":\"kv\",\n\"kv_namespaces\":[{\"binding\":\"KV\",\"id\":\"x\"}],"
         "\"d1_databases\":[]}",
         "refused w.jsonc:2: \"kv_namespaces\": hearth has no such binding, and the script depends "
         "on it\n"},
        {"several, and a warning besides",
         "{\"nmae\":1,\"r2_buckets\":[{}, {\"binding\":\"R\"}],\n\"triggers\":{\"crons\":[\"* * * "
         "* "
         "*\"]}}",
         "1 nmae: is not known; did you mean \"name\"?\n"
         "refused w.jsonc:1: \"r2_buckets\": hearth has no such binding, and the script depends on "
         "it\nw.jsonc:2: \"triggers\": nothing is called by time: only fetch() is\n"},
        {"nothing of what hearth has not",
         "{\"kv_namespaces\":[],\"triggers\":{\"crons\":[]},\"queues\":{\"producers\":[],"
         "\"consumers\":[]},\"assets\":null,\"unsafe\":{},\"site\":false}",
         ""},
        {"a part of a service that hearth has not",
         "{\"services\":[{\"binding\":\"B\",\"service\":\"b\"},\n{\"entrypoint\":\"E\","
         "\"environment\":\"p\"}]}",
         "refused w.jsonc:2: \"services[].entrypoint\": only the default entrypoint can be called\n"
         "w.jsonc:2: \"services[].environment\": a script has no environments\n"},
        {"what the script can do without",
         "{\"compatibility_flags\":[\"nodejs_compat\"],\"env\":{\"dev\":{\"nmae\":1}},"
         "\"build\":{\"command\":\"make\"}}",
         "1 env: only what --env names is deployed of it; without, the top level is\n"},
        {"none of that", "{\"compatibility_flags\":[],\"env\":{},\"tail_consumers\":[]}", ""},
        {"strings that look like keys", "{\"name\":\"\\\"var\\\":\",\"main\":\"x\"}", ""},
        {"a key with an escape", "{\"n\\u0061me\":\"a\"}", "1 n\\u0061me: is not known\n"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char said[2048];

        judge(rows[i].text, said, sizeof(said));
        if (strcmp(said, rows[i].said))
            fail_msg("%s:\n%s", rows[i].what, said);
    }
}

static bool count_keys(void *arg, const struct jsonc_key *key)
{
    ++*(unsigned *)arg;
    assert_true(strlen(key->path) < JSONC_PATH_BYTES_MAX);
    return true;
}

static void what_is_too_deep_or_too_long_is_left_out(void **state)
{
    static char text[8192];
    size_t used = 0;
    unsigned keys = 0;
    json_t *root;
    char error[256];

    for (int i = 0; i < 100; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "{\"k\":[");
    for (int i = 0; i < 100; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "]}");
    root = jsonc_parse(text, used, error, sizeof(error));
    assert_non_null(root);
    assert_true(jsonc_walk(text, used, root, count_keys, &keys));
    assert_int_equal(keys, JSONC_DEPTH_MAX / 2);
    json_decref(root);

    memset(text, 'k', sizeof(text));
    memcpy(text, "{\"a\":{\"", 7);
    memcpy(text + 2000, "\":{\"b\":1}},\"c\":2}", 17);
    root = jsonc_parse(text, 2017, error, sizeof(error));
    assert_non_null(root);
    keys = 0;
    assert_true(jsonc_walk(text, 2017, root, count_keys, &keys));
    assert_int_equal(keys, 2); /* a and c */
    json_decref(root);
}

static void a_head_tells_its_imports_and_ends_with_the_first_other_statement(void **state)
{
    static const struct {
        const char *text, *imports; /* "line:specifier " */
    } rows[] = {
        {"", ""},
        {"import './a.js'", "1:./a.js "},
        {"import './a.js';import\"./b.js\"\nimport './c.js'", "1:./a.js 1:./b.js 2:./c.js "},
        {"// x\n/* import 'n'\n */ import a from './a.js'", "3:./a.js "},
        {"#!/usr/bin/env node\nimport 'a'", "2:a "},
        {"\xef\xbb\xbfimport 'a'", "1:a "},
        {"'use strict'; ;\"x\";\nimport 'a'", "2:a "},
        {"import a, {b as c, 'd-e' as f,} from 'x'; import * as y from 'z'", "1:x 1:z "},
        {"import from from 'x'; import {from} from 'y'; import {a as from} from 'z'",
         "1:x 1:y 1:z "},
        {"import {\n a,\n b\n} from 'x'\nimport 'y'", "1:x 5:y "},
        {"import j from './j.json' with { type: 'json' }; import 'k' assert {a: 'b', c: "
         "'d'}\nimport 'l'",
         "1:./j.json 1:k 2:l "},
        {"export * from 'a'; export * as n from 'b'; export {c, d as e} from 'f'; import 'g'",
         "1:a 1:b 1:f 1:g "},
        {"export {a}; import 'x'", ""},
        {"export {a}\nlet b\nfrom\n'x'", ""},
        {"export default 1; import 'x'", ""},
        {"import('x'); import 'y'", ""},
        {"import.meta; import 'y'", ""},
        {"let x; import 'y'", ""},
        {"importx 'y'", ""},
        {"$import 'y'", ""},
        {"import a from x; import 'y'", ""},
        {"import 'a\\x2e'; import 'b'", ""},
        {"import 'a", ""},
        {"import a = 'x'", ""},
        {"import {a /* } from 'n' */} from 'x'", "1:x "},
        {"/* not ended import 'x'", ""},
        {"'use strict' + x; import 'y'", ""},
        {"import 'x' with {", "1:x "},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct module_head h;
        struct module_import m;
        char said[256] = "";

        module_head_init(&h, rows[i].text, strlen(rows[i].text));
        while (module_head_next(&h, &m))
            snprintf(said + strlen(said), sizeof(said) - strlen(said), "%u:%.*s ", m.line,
                     (int)m.bytes, m.specifier);
        if (strcmp(said, rows[i].imports))
            fail_msg("%s: %s", rows[i].text, said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_environment_is_judged_in_place_of_what_it_does_not_inherit),
        cmocka_unit_test(each_key_is_judged_by_its_place),
        cmocka_unit_test(what_is_too_deep_or_too_long_is_left_out),
        cmocka_unit_test(a_head_tells_its_imports_and_ends_with_the_first_other_statement),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
