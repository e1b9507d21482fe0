/* Who asks, what he may, and that each refusal has a sentence and a counter (session.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/daemon/session.h"

static struct accounts accounts;
static struct session_counts counts;
static char acme[ACCOUNT_TOKEN_CHARS + 1], ours[ACCOUNT_TOKEN_CHARS + 1];

static void give_token(json_t *document, const char *name, const char *scopes, uint8_t seed,
                       char token[ACCOUNT_TOKEN_CHARS + 1])
{
    uint8_t secret[ACCOUNT_TOKEN_SECRET_BYTES];
    char sha256[ACCOUNT_SHA_CHARS + 1], error[256];

    memset(secret, seed, sizeof(secret));
    account_token_write(token, secret);
    account_token_hash(sha256, token);
    assert_int_equal(accounts_edit_token(document, name, scopes, sha256, 1, error, sizeof(error)),
                     0);
}

static int set_up(void **state)
{
    char error[256];
    json_t *document;

    accounts_init(&accounts);
    document = json_deep_copy(accounts.document);
    accounts_edit_add(document, "acme", NULL, error, sizeof(error));
    give_token(document, "acme", "deploy", 1, acme);
    give_token(document, "default", "read,tail", 2, ours);
    assert_true(accounts_check(document, error, sizeof(error)));
    accounts_take(&accounts, document);
    json_decref(document);
    counts = (struct session_counts){0};
    return 0;
}

static int tear_down(void **state)
{
    accounts_fini(&accounts);
    return 0;
}

static bool open_with(struct session *s, const char *token, bool is_guest, const char **why)
{
    json_t *request = token ? json_pack("{s:s}", "token", token) : json_object();
    bool is_open = session_open(s, &accounts, request, is_guest, &counts, why);

    json_decref(request);
    return is_open;
}

static void the_operators_socket_without_a_token_is_the_operators(void **state)
{
    struct session s;
    const char *why;
    char id[SCRIPT_ID_BYTES_MAX + 1];

    assert_true(open_with(&s, NULL, false, &why));
    assert_true(s.is_operator);
    assert_true(session_may(&s, 0, 1, &counts, &why));
    assert_true(session_script(&s, "hello", id, &counts, &why));
    assert_string_equal(id, "hello");
    assert_true(session_script(&s, "acme/hello", id, &counts, &why));
    assert_string_equal(id, "acme/hello");
    assert_true(session_script(&s, "default/hello", id, &counts, &why));
    assert_string_equal(id, "hello");
    session_all(&s, id);
    assert_string_equal(id, "");
}

static void a_token_is_its_accounts_on_either_socket(void **state)
{
    struct session s;
    const char *why;
    char id[SCRIPT_ID_BYTES_MAX + 1];

    for (int is_guest = 0; is_guest < 2; is_guest++) {
        assert_true(open_with(&s, acme, is_guest, &why));
        assert_false(s.is_operator);
        assert_string_equal(s.account->name, "acme");
        assert_true(session_script(&s, "hello", id, &counts, &why));
        assert_string_equal(id, "acme/hello");
        assert_true(session_script(&s, "acme/hello", id, &counts, &why));
        assert_string_equal(id, "acme/hello");
        session_all(&s, id);
        assert_string_equal(id, "acme/");
    }
    assert_true(open_with(&s, ours, true, &why));
    assert_true(session_script(&s, "hello", id, &counts, &why));
    assert_string_equal(id, "hello");
    session_all(&s, id);
    assert_string_equal(id, "default/");
}

static void each_refusal_has_a_sentence_and_a_counter(void **state)
{
    static const char *const foreign[] = {
        "beta/hello", "default/hello", "../hello", "acme/../beta/hello",
        "*",          "acme/*",        "",         "hel\nlo"};
    char id[SCRIPT_ID_BYTES_MAX + 1];
    struct session s;
    const char *why = NULL;
    json_t *number = json_pack("{s:i}", "token", 1);

    assert_false(open_with(&s, NULL, true, &why));
    assert_non_null(strstr(why, "wants a token"));
    assert_int_equal(counts.refused[SESSION_no_token], 1);

    assert_false(open_with(&s, "hearth_guess", false, &why));
    assert_false(session_open(&s, &accounts, number, false, &counts, &why));
    json_decref(number);
    assert_string_equal(why, "the token is nobody's, or was revoked");
    assert_int_equal(counts.refused[SESSION_bad_token], 2);

    assert_true(open_with(&s, acme, true, &why));
    assert_false(session_may(&s, 0, 1, &counts, &why));
    assert_string_equal(why, "only the operator may do that");
    assert_int_equal(counts.refused[SESSION_operator_only], 1);

    assert_true(session_may(&s, ACCOUNT_SCOPE_DEPLOY, 1, &counts, &why));
    assert_false(session_may(&s, ACCOUNT_SCOPE_READ, 1, &counts, &why));
    assert_string_equal(why, "the token's scopes do not have \"read\"");
    assert_false(session_may(&s, ACCOUNT_SCOPE_TAIL, 1, &counts, &why));
    assert_int_equal(counts.refused[SESSION_scope], 2);

    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        if (session_script(&s, foreign[i], id, &counts, &why))
            fail_msg("%s", foreign[i]);
        assert_string_equal(why, "that is no script of the token's account");
    }
    assert_int_equal(counts.refused[SESSION_foreign_script], sizeof(foreign) / sizeof(foreign[0]));
}

/* 25 % of the time, of which 2 s are saved. */
static void an_account_has_its_share_of_the_control_threads_time(void **state)
{
    const uint64_t ms = 1000 * 1000, now = 1000 * 1000 * ms;
    struct session s, operators;
    const char *why;

    assert_true(open_with(&s, acme, false, &why));
    assert_true(session_may(&s, ACCOUNT_SCOPE_DEPLOY, now, &counts, &why));
    session_spend(&s, 1999 * ms);
    assert_true(session_may(&s, ACCOUNT_SCOPE_DEPLOY, now, &counts, &why));
    session_spend(&s, 1001 * ms); /* what has begun goes on, and is owed */
    assert_false(session_may(&s, ACCOUNT_SCOPE_DEPLOY, now, &counts, &why));
    assert_non_null(strstr(why, "try again in a moment"));
    assert_int_equal(counts.refused[SESSION_share], 1);
    assert_false(session_may(&s, ACCOUNT_SCOPE_DEPLOY, now + 4000 * ms, &counts, &why));
    assert_true(session_may(&s, ACCOUNT_SCOPE_DEPLOY, now + 4004 * ms, &counts, &why));
    /* Another account's is another. */
    session_spend(&s, 100000 * ms);
    assert_true(open_with(&s, ours, false, &why));
    assert_true(session_may(&s, ACCOUNT_SCOPE_READ, now + 4004 * ms, &counts, &why));
    /* The operator has all of it. */
    assert_true(open_with(&operators, NULL, false, &why));
    session_spend(&operators, 100000 * ms);
    assert_true(session_may(&operators, 0, now, &counts, &why));
}

static void a_revoked_token_opens_nothing(void **state)
{
    json_t *document = json_deep_copy(accounts.document);
    char sha256[ACCOUNT_SHA_CHARS + 1], error[256];
    struct session s;
    const char *why;

    account_token_hash(sha256, acme);
    assert_int_equal(accounts_edit_revoke(document, "acme", sha256, error, sizeof(error)), 0);
    accounts_take(&accounts, document);
    json_decref(document);
    assert_false(open_with(&s, acme, false, &why));
    assert_int_equal(counts.refused[SESSION_bad_token], 1);
}

static void every_refusal_is_named(void **state)
{
    for (int i = 0; i < SESSION_REFUSAL_KINDS; i++) {
        assert_true(strlen(session_refusal_name[i]) > 0);
        assert_true(strlen(session_refusal_text[i]) > 0);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_operators_socket_without_a_token_is_the_operators),
        TEST(a_token_is_its_accounts_on_either_socket),
        TEST(each_refusal_has_a_sentence_and_a_counter),
        TEST(an_account_has_its_share_of_the_control_threads_time),
        TEST(a_revoked_token_opens_nothing),
        TEST(every_refusal_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
