/* Accounts, their tokens and ceilings: what a document of them must be, and what is made of it
 * (accounts.h); names of scripts across accounts (script_id.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "control/deploy/accounts.h"
#include "control/deploy/bundle.h"
#include "control/deploy/catalog.h"
#include "control/deploy/store.h"

static struct accounts accounts;
static char error[512];

static int set_up(void **state)
{
    accounts_init(&accounts);
    return 0;
}

static int tear_down(void **state)
{
    accounts_fini(&accounts);
    return 0;
}

/* Edits are judged as hearthd does: -1 and a sentence, and nothing changed. */
static int finish(json_t *document, int rc)
{
    if (!rc && !accounts_check(document, error, sizeof(error)))
        rc = -1;
    if (!rc)
        assert_true(accounts_take(&accounts, document));
    json_decref(document);
    return rc;
}

static int add(const char *name, const char *set)
{
    json_t *document = json_deep_copy(accounts.document), *list = json_array();
    int rc;

    if (set)
        json_array_append_new(list, json_string(set));
    rc = accounts_edit_add(document, name, list, error, sizeof(error));
    json_decref(list);
    return finish(document, rc);
}

static int set(const char *name, const char *assignment)
{
    json_t *document = json_deep_copy(accounts.document);
    json_t *list = json_pack("[s]", assignment);
    int rc = accounts_edit_set(document, name, list, error, sizeof(error));

    json_decref(list);
    return finish(document, rc);
}

static int add_token(const char *name, const char *scopes, uint8_t seed,
                     char token[ACCOUNT_TOKEN_CHARS + 1])
{
    uint8_t secret[ACCOUNT_TOKEN_SECRET_BYTES];
    char sha256[ACCOUNT_SHA_CHARS + 1];
    json_t *document = json_deep_copy(accounts.document);

    memset(secret, seed, sizeof(secret));
    account_token_write(token, secret);
    account_token_hash(sha256, token);
    return finish(document,
                  accounts_edit_token(document, name, scopes, sha256, 1, error, sizeof(error)));
}

static int revoke(const char *name, const char *id)
{
    json_t *document = json_deep_copy(accounts.document);

    return finish(document, accounts_edit_revoke(document, name, id, error, sizeof(error)));
}

static int drop(const char *name)
{
    json_t *document = json_deep_copy(accounts.document);

    return finish(document, accounts_edit_remove(document, name, error, sizeof(error)));
}

/* ---- names ---- */

static void a_name_is_a_label_and_nothing_else(void **state)
{
    static const struct {
        const char *name;
        bool is_good;
    } row[] = {
        {"acme", true},
        {"a", true},
        {"a-1", true},
        {"0", true},
        {"", false},
        {"-a", false},
        {"a-", false},
        {"Acme", false},
        {"a.b", false},
        {"a/b", false},
        {"..", false},
        {".", false},
        {"../../etc/passwd", false},
        {"a@b", false},
        {"a_b", false},
        {"a b", false},
        {"a\n", false},
        {"a\x1b[2J", false},
        {"\xc3\xa4", false},
        {"a*", false},
        {"abcdefghijklmnopqrstuvwxyz012345", true},
        {"abcdefghijklmnopqrstuvwxyz0123456", false},
    };

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        if (account_name_is_good(row[i].name) != row[i].is_good)
            fail_msg("row %zu: %s", i, row[i].name);
        if (strcmp(row[i].name, "") && (add(row[i].name, NULL) == 0) != row[i].is_good)
            fail_msg("added, row %zu: %s", i, row[i].name);
    }
    assert_int_equal(add("acme", NULL), -1);
    assert_string_equal(error, "account acme is there already");
    assert_int_equal(add("default", NULL), -1);
}

static void an_id_has_one_form(void **state)
{
    static const struct {
        const char *account, *said, *id; /* NULL: none */
    } row[] = {
        {NULL, "hello", "hello"},
        {"default", "hello", "hello"},
        {"acme", "hello", "acme/hello"},
        {"acme", "beta/hello", "beta/hello"},
        {"acme", "default/hello", "hello"},
        {NULL, "acme/*", "acme/*"},
        {"acme", "", NULL},
        {"acme", "/hello", NULL},
        {"acme", "beta/", NULL},
        {"acme", "a/b/c", NULL},
        {"acme", "../hello", NULL},
        {"acme", "beta/../x", NULL},
        {"acme", "a@b", NULL},
        {"acme", "hel\nlo", NULL},
    };
    char id[SCRIPT_ID_BYTES_MAX + 1];

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        bool is_good = script_id_resolve(id, row[i].account, row[i].said);

        if (is_good != (row[i].id != NULL) || (is_good && strcmp(id, row[i].id)))
            fail_msg("row %zu: %s", i, row[i].said);
    }
    assert_true(script_id_is_good("acme/hello"));
    assert_false(script_id_is_good("default/hello"));
    assert_false(script_id_is_good("acme/*"));
}

static void scripts_are_wanted_one_by_one_by_account_or_all(void **state)
{
    static const struct {
        const char *id, *wanted;
        bool is_it;
    } row[] = {
        {"hello", "", true},           {"acme/hello", "", true},
        {"hello", "hello", true},      {"acme/hello", "hello", false},
        {"acme/hello", "acme/", true}, {"acmes/hello", "acme/", false},
        {"hello", "acme/", false},     {"hello", "default/", true},
        {"acme/x", "default/", false}, {"acme/hello", "acme/hello", true},
    };

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
        if (script_id_is_of(row[i].id, row[i].wanted) != row[i].is_it)
            fail_msg("%s, %s", row[i].id, row[i].wanted);
}

/* ---- documents ---- */

static void a_document_that_is_none_is_refused_with_a_sentence(void **state)
{
    static const struct {
        const char *json, *error;
    } row[] = {
        {"[]", "there is no list of accounts"},
        {"{\"accounts\":[],\"x\":1}", "there is no list of accounts"},
        {"{\"accounts\":[{\"name\":\"../x\",\"hosts\":[],\"ceilings\":{},\"tokens\":[]}]}",
         "account \"../x\": at most 32 lower-case letters, digits and '-' inside are possible"},
        {"{\"accounts\":[{\"name\":\"a\\u0000b\",\"hosts\":[],\"ceilings\":{},\"tokens\":[]}]}",
         NULL},
        {"{\"accounts\":[{\"name\":\"a\",\"hosts\":[],\"ceilings\":{},\"tokens\":[],\"x\":1}]}",
         "account a has a key that is not known"},
        {"{\"accounts\":[{\"name\":\"a\",\"hosts\":[\"*\"],\"ceilings\":{},\"tokens\":[]}]}",
         "account a: host \"*\": an exact name, or *. and a zone"},
        {"{\"accounts\":[{\"name\":\"a\",\"hosts\":[\"*b.test\"],\"ceilings\":{},\"tokens\":[]}]}",
         "account a: host \"*b.test\": an exact name, or *. and a zone"},
        {"{\"accounts\":[{\"name\":\"a\",\"hosts\":[\"b.test/x\"],\"ceilings\":{},\"tokens\":[]}]}",
         "account a: host \"b.test/x\": an exact name, or *. and a zone"},
        {"{\"accounts\":[{\"name\":\"a\",\"hosts\":[],\"ceilings\":{\"cpu_ms\":0},\"tokens\":[]}]}",
         "account a: \"cpu_ms\" must be a number from 1 to 300000"},
        {"{\"accounts\":[{\"name\":\"a\",\"hosts\":[],\"ceilings\":{\"x\":1},\"tokens\":[]}]}",
         "account a: \"ceilings\" has a key that is not known"},
        {"{\"accounts\":[{\"name\":\"default\",\"hosts\":[\"a.b\"],\"ceilings\":{},\"tokens\":[]}]"
         "}",
         "account default has the operator's rights: it has no hosts or ceilings"},
        {"{\"accounts\":[{\"name\":\"a\",\"hosts\":[],\"ceilings\":{},\"tokens\":[],"
         "\"outbound\":\"b/*\"}]}",
         "account a: outbound is a script, or account/script"},
        {"{\"accounts\":[{\"name\":\"a\",\"hosts\":[],\"ceilings\":{},\"tokens\":[],"
         "\"outbound\":7}]}",
         "account a: outbound is a script, or account/script"},
        {"{\"accounts\":[{\"name\":\"default\",\"hosts\":[],\"ceilings\":{},\"tokens\":[],"
         "\"outbound\":\"b\"}]}",
         "account default has the operator's rights: it has no outbound"},
        {"{\"accounts\":[{\"name\":\"a\",\"hosts\":[],\"ceilings\":{},\"tokens\":["
         "{\"sha256\":\"12\",\"scopes\":[\"read\"],\"made_at\":1}]}]}",
         "account a: token 0 needs a SHA-256, and scopes of deploy, read, tail"},
        {"{\"accounts\":[{\"name\":\"a\",\"hosts\":[],\"ceilings\":{},\"tokens\":[]},"
         "{\"name\":\"a\",\"hosts\":[],\"ceilings\":{},\"tokens\":[]}]}",
         "account a is there twice"},
    };

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        json_t *document = json_loads(row[i].json, JSON_ALLOW_NUL, NULL);

        if (accounts_check(document, error, sizeof(error)))
            fail_msg("row %zu passes", i);
        if (row[i].error)
            assert_string_equal(error, row[i].error);
        json_decref(document);
    }
}

static void an_assignment_is_taken_or_refused(void **state)
{
    const struct account *a;

    assert_int_equal(add("acme", "hosts=a.test,*.b.test"), 0);
    assert_int_equal(set("acme", "cpu_ms=20"), 0);
    a = accounts_find(&accounts, "acme");
    assert_int_equal(json_array_size(a->hosts), 2);
    assert_int_equal(a->ceiling[CEILING_CPU_MS], 20);
    assert_int_equal(set("acme", "cpu_ms=999999999"), -1);
    assert_int_equal(a->ceiling[CEILING_CPU_MS], 20);
    assert_int_equal(set("acme", "cpu_ms=2x"), -1);
    assert_string_equal(error, "cpu_ms=2x: not a number");
    assert_int_equal(set("acme", "speed=2"), -1);
    assert_string_equal(error, "there is no ceiling \"speed\"");
    assert_int_equal(set("acme", "hosts"), -1);
    assert_string_equal(error, "\"hosts\" is not KEY=VALUE");
    assert_int_equal(set("nobody", "cpu_ms=2"), -1);
    assert_string_equal(error, "there is no account \"nobody\"");
    assert_int_equal(set("default", "cpu_ms=2"), -1);
    assert_int_equal(set("acme", "cpu_ms="), 0);
    assert_int_equal(a->ceiling[CEILING_CPU_MS], 0);
    assert_int_equal(set("acme", "hosts="), 0);
    assert_int_equal(json_array_size(a->hosts), 0);
    assert_int_equal(set("acme", "outbound=guard"), 0);
    assert_string_equal(a->outbound, "acme/guard");
    assert_int_equal(set("acme", "outbound=default/guard"), 0);
    assert_string_equal(a->outbound, "guard");
    assert_int_equal(set("acme", "outbound=a/b/c"), -1);
    assert_string_equal(a->outbound, "guard");
    assert_int_equal(set("acme", "outbound="), 0);
    assert_string_equal(a->outbound, "");
}

/* ---- tokens ---- */

static void a_token_is_its_accounts_until_it_is_revoked(void **state)
{
    char one[ACCOUNT_TOKEN_CHARS + 1], two[ACCOUNT_TOKEN_CHARS + 1], sha256[ACCOUNT_SHA_CHARS + 1];
    char voucher[ACCOUNT_SHA_CHARS + 1];
    uint32_t scopes = 0;

    assert_int_equal(add("acme", NULL), 0);
    assert_int_equal(add("beta", NULL), 0);
    assert_int_equal(add_token("acme", "deploy,tail", 1, one), 0);
    assert_int_equal(add_token("beta", "read", 2, two), 0);
    assert_string_equal(accounts_redeem(&accounts, one, &scopes)->name, "acme");
    assert_int_equal(scopes, ACCOUNT_SCOPE_DEPLOY | ACCOUNT_SCOPE_TAIL);
    assert_string_equal(accounts_redeem(&accounts, two, &scopes)->name, "beta");
    assert_int_equal(scopes, ACCOUNT_SCOPE_READ);

    one[ACCOUNT_TOKEN_CHARS - 1] ^= 1;
    assert_null(accounts_redeem(&accounts, one, &scopes));
    one[ACCOUNT_TOKEN_CHARS - 1] ^= 1;
    assert_null(accounts_redeem(&accounts, "", &scopes));
    account_token_hash(sha256, one); /* what the store has opens nothing */
    assert_null(accounts_redeem(&accounts, sha256, &scopes));
    assert_null(accounts_vouched(&accounts, sha256, &scopes)); /* nor does it vouch */
    account_token_voucher(voucher, one);
    assert_null(accounts_redeem(&accounts, voucher, &scopes)); /* what vouches is no token */
    assert_string_equal(accounts_vouched(&accounts, voucher, &scopes)->name, "acme");
    assert_int_equal(scopes, ACCOUNT_SCOPE_DEPLOY | ACCOUNT_SCOPE_TAIL);

    assert_int_equal(revoke("beta", sha256), -1); /* another account's */
    assert_int_equal(revoke("acme", ""), -1);
    sha256[ACCOUNT_TOKEN_ID_CHARS] = 0;
    assert_int_equal(revoke("acme", sha256), 0);
    assert_null(accounts_redeem(&accounts, one, &scopes));
    assert_null(accounts_vouched(&accounts, voucher, &scopes));
    assert_non_null(accounts_redeem(&accounts, two, &scopes));
}

static void tokens_of_a_removed_account_are_nobodys(void **state)
{
    char token[ACCOUNT_TOKEN_CHARS + 1];
    uint32_t scopes;

    assert_int_equal(add("acme", NULL), 0);
    assert_int_equal(add_token("acme", "deploy", 1, token), 0);
    assert_int_equal(drop("acme"), 0);
    assert_null(accounts_find(&accounts, "acme"));
    assert_null(accounts_redeem(&accounts, token, &scopes));
    assert_int_equal(add("acme", NULL), 0); /* another of that name */
    assert_null(accounts_redeem(&accounts, token, &scopes));
    assert_int_equal(drop("default"), -1);
}

static void a_token_needs_scopes_that_exist(void **state)
{
    char token[ACCOUNT_TOKEN_CHARS + 1];

    assert_int_equal(add("acme", NULL), 0);
    assert_int_equal(add_token("acme", "", 1, token), -1);
    assert_int_equal(add_token("acme", "deploy,root", 1, token), -1);
    for (int i = 0; i < ACCOUNT_TOKENS_MAX; i++)
        assert_int_equal(add_token("acme", "deploy,read,tail", (uint8_t)i, token), 0);
    assert_int_equal(add_token("acme", "read", 99, token), -1);
    assert_string_equal(error, "account acme: at most 16 tokens are possible");
    assert_int_equal(add_token("default", "deploy", 100, token), 0);
}

/* Calls of its scripts may still count down: its memory is not another's while they do. */
static void the_memory_of_an_account_is_reused_when_nothing_counts_there(void **state)
{
    struct account *first;

    assert_int_equal(add("acme", NULL), 0);
    first = accounts_find(&accounts, "acme");
    first->at_once = 1;
    assert_int_equal(drop("acme"), 0);
    assert_int_equal(add("beta", NULL), 0);
    assert_ptr_not_equal(accounts_find(&accounts, "beta"), first);
    first->at_once = 0;
    assert_int_equal(add("gamma", NULL), 0);
    assert_ptr_equal(accounts_find(&accounts, "gamma"), first);
}

/* ---- ceilings ---- */

static void limits_are_the_least_of_what_is_asked_given_and_allowed(void **state)
{
    static const struct {
        uint32_t ceiling, asked, given, limit;
    } row[] = {
        {0, 0, 50, 50},   {0, 20, 50, 20},  {0, 90, 50, 90}, {30, 0, 50, 30},
        {30, 20, 50, 20}, {30, 90, 50, 30}, {30, 0, 20, 20}, {30, 0, 0, 30},
    };

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct account a = {.ceiling = {[CEILING_CPU_MS] = row[i].ceiling}};

        if (account_limit(&a, CEILING_CPU_MS, row[i].asked, row[i].given) != row[i].limit)
            fail_msg("row %zu", i);
    }
    assert_int_equal(account_limit(NULL, CEILING_CPU_MS, 90, 50), 90);
}

static void a_deploy_over_a_ceiling_is_refused_with_both_numbers(void **state)
{
    json_t *m = json_pack("{s:{s:i, s:i}}", "limits", "cpu_ms", 100, "subrequests", 5);
    struct account a = {.ceiling = {[CEILING_CPU_MS] = 100, [CEILING_SIZE_MB] = 1}};

    assert_true(account_allows(&a, m, 1 << 20, error, sizeof(error)));
    assert_true(account_allows(NULL, m, SIZE_MAX, error, sizeof(error)));
    assert_false(account_allows(&a, m, (1 << 20) + 1, error, sizeof(error)));
    assert_string_equal(error, "1048577 bytes of modules: the account's ceiling size_mb is 1");
    a.ceiling[CEILING_SUBREQUESTS] = 4;
    assert_false(account_allows(&a, m, 1, error, sizeof(error)));
    assert_string_equal(error, "\"limits.subrequests\" asks for 5: the account's ceiling is 4");
    json_decref(m);
}

static void log_lines_over_the_ceiling_are_counted(void **state)
{
    struct account a = {.ceiling = {[CEILING_LOG_LINES] = 2}};

    assert_true(account_may_log(&a, 7));
    assert_true(account_may_log(&a, 7));
    assert_false(account_may_log(&a, 7));
    assert_true(account_may_log(&a, 8));
    assert_int_equal(a.log_lines_over, 1);
}

/* ---- manifests ---- */

static void a_manifest_names_its_callers_in_full(void **state)
{
    static const struct {
        const char *key, *json;
        bool is_good;
    } row[] = {
        {"allow_callers", "[\"acme/hello\", \"beta/*\", \"default/*\"]", true},
        {"allow_callers", "[\"hello\"]", false},
        {"allow_callers", "[\"*\"]", false},
        {"allow_callers", "[\"*/*\"]", false},
        {"allow_callers", "[\"acme/he*\"]", false},
        {"allow_callers", "[1]", false},
        {"allow_callers", "\"acme/*\"", false},
        {"owner", "\"acme\"", true},
        {"owner", "\"default\"", false},
        {"owner", "\"../x\"", false},
        {"owner", "1", false},
        {"services", "[{\"binding\":\"A\",\"service\":\"acme/hello\"}]", true},
        {"services", "[{\"binding\":\"A\",\"service\":\"acme/*\"}]", false},
        {"services", "[{\"binding\":\"A\",\"service\":\"acme/../x\"}]", false},
    };

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        json_t *m = json_pack("{s:s, s:s, s:[{s:s, s:i}]}", "name", "x", "main", "i.js", "modules",
                              "name", "i.js", "bytes", 1);

        json_object_set_new(m, row[i].key, json_loads(row[i].json, JSON_DECODE_ANY, NULL));
        if (bundle_check(m, 1, error, sizeof(error)) != row[i].is_good)
            fail_msg("%s: %s", row[i].key, row[i].json);
        json_decref(m);
    }
}

/* ---- on disk ---- */

static void accounts_and_their_scripts_come_back_from_the_store(void **state)
{
    char root[] = "/tmp/hearth-test-accounts-XXXXXX", path[128], token[ACCOUNT_TOKEN_CHARS + 1];
    char sha[STORE_SHA_CHARS + 1];
    struct store store;
    struct stat st;
    json_t *document, *names;
    json_t *m = json_pack("{s:s, s:s, s:s, s:[{s:s, s:i}]}", "name", "x", "main", "i.js", "owner",
                          "acme", "modules", "name", "i.js", "bytes", 1);

    assert_non_null(mkdtemp(root));
    assert_int_equal(store_open(&store, root, error, sizeof(error)), 0);
    assert_int_equal(store_get_accounts(&store, &document, error, sizeof(error)), 0);
    assert_null(document);
    assert_int_equal(add("acme", "cpu_ms=5"), 0);
    assert_int_equal(add_token("acme", "read", 7, token), 0);
    assert_int_equal(store_put_accounts(&store, accounts.document, error, sizeof(error)), 0);
    snprintf(path, sizeof(path), "%s/accounts.json", root);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(store_get_accounts(&store, &document, error, sizeof(error)), 0);
    assert_true(json_equal(document, accounts.document));
    json_decref(document);

    assert_int_equal(store_put(&store, m, (const uint8_t *)"x", 1, sha, error, sizeof(error)), 0);
    assert_int_equal(store_set_current(&store, "acme/x", sha, 1, error, sizeof(error)), 0);
    assert_int_equal(store_set_current(&store, "x", sha, 1, error, sizeof(error)), 0);
    names = store_names(&store);
    assert_int_equal(json_array_size(names), 2);
    assert_string_equal(json_string_value(json_array_get(names, 0)), "acme/x");
    json_decref(names);
    assert_null(store_record(&store, "../accounts", error, sizeof(error)));
    assert_null(store_record(&store, "acme/../x", error, sizeof(error)));
    assert_int_equal(store_delete(&store, "acme/x", error, sizeof(error)), 0);
    assert_non_null(document = store_record(&store, "x", error, sizeof(error)));
    json_decref(document);
    json_decref(m);
    store_close(&store);
    snprintf(path, sizeof(path), "rm -rf %s", root);
    assert_int_equal(system(path), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_name_is_a_label_and_nothing_else),
        TEST(an_id_has_one_form),
        TEST(scripts_are_wanted_one_by_one_by_account_or_all),
        TEST(a_document_that_is_none_is_refused_with_a_sentence),
        TEST(an_assignment_is_taken_or_refused),
        TEST(a_token_is_its_accounts_until_it_is_revoked),
        TEST(tokens_of_a_removed_account_are_nobodys),
        TEST(a_token_needs_scopes_that_exist),
        TEST(the_memory_of_an_account_is_reused_when_nothing_counts_there),
        TEST(limits_are_the_least_of_what_is_asked_given_and_allowed),
        TEST(a_deploy_over_a_ceiling_is_refused_with_both_numbers),
        TEST(log_lines_over_the_ceiling_are_counted),
        TEST(a_manifest_names_its_callers_in_full),
        TEST(accounts_and_their_scripts_come_back_from_the_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
