/* What a member of the cluster is told, and on whose behalf (behalf.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/daemon/behalf.h"

static struct accounts accounts;
static struct behalf_counts counts;
static struct session_counts sessions;
static char acme[ACCOUNT_TOKEN_CHARS + 1], beta[ACCOUNT_TOKEN_CHARS + 1],
    ours[ACCOUNT_TOKEN_CHARS + 1];

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
    accounts_edit_add(document, "beta", NULL, error, sizeof(error));
    give_token(document, "acme", "tail", 1, acme);
    give_token(document, "beta", "read", 2, beta);
    give_token(document, "default", "tail", 3, ours);
    assert_true(accounts_check(document, error, sizeof(error)));
    accounts_take(&accounts, document);
    json_decref(document);
    counts = (struct behalf_counts){0};
    return 0;
}

static int tear_down(void **state)
{
    accounts_fini(&accounts);
    return 0;
}

/* The note of a session with that token; NULL: the operator's. */
static json_t *note_of(const char *token)
{
    json_t *request = token ? json_pack("{s:s}", "token", token) : json_object();
    json_t *note = json_object();
    struct session s;
    struct behalf b;
    const char *why;

    assert_true(session_open(&s, &accounts, request, false, &sessions, &why));
    b = behalf_of(&s);
    behalf_write(&b, note);
    json_decref(request);
    return note;
}

static char wanted[SCRIPT_ID_BYTES_MAX + 1];

/* Consumes note. */
static bool is_told(json_t *note, bool is_operators, uint32_t scope)
{
    bool is_good = behalf_read(note, &accounts, is_operators, scope, &counts, wanted);

    json_decref(note);
    return is_good;
}

static void for_the_operator_a_member_of_that_role_is_told_all(void **state)
{
    assert_true(is_told(note_of(NULL), true, ACCOUNT_SCOPE_TAIL));
    assert_string_equal(wanted, "");
    assert_true(behalf_covers(wanted, "acme/one", &counts));
    assert_true(behalf_covers(wanted, "", &counts));
    assert_false(is_told(note_of(NULL), false, ACCOUNT_SCOPE_TAIL));
    assert_int_equal(counts.refused[BEHALF_role], 1);
}

static void for_an_account_any_member_is_told_what_is_its_own(void **state)
{
    assert_true(is_told(note_of(acme), false, ACCOUNT_SCOPE_TAIL));
    assert_string_equal(wanted, "acme/");
    assert_true(behalf_covers(wanted, "acme/one", &counts));
    assert_false(behalf_covers(wanted, "beta/one", &counts));
    assert_false(behalf_covers(wanted, "", &counts));
    assert_int_equal(counts.refused[BEHALF_foreign], 2);
    /* With the role it is still the account's ask. */
    assert_true(is_told(note_of(acme), true, ACCOUNT_SCOPE_TAIL));
    assert_string_equal(wanted, "acme/");
    assert_true(is_told(note_of(ours), false, ACCOUNT_SCOPE_TAIL));
    assert_string_equal(wanted, "default/");
}

static void in_the_note_there_is_no_token(void **state)
{
    json_t *note = note_of(acme), *request;
    struct session s;
    const char *why;

    assert_string_not_equal(json_string_value(json_object_get(note, "voucher")), acme);
    request = json_pack("{s:O}", "token", json_object_get(note, "voucher"));
    assert_false(session_open(&s, &accounts, request, false, &sessions, &why));
    json_decref(request);
    json_decref(note);
}

/* Rows: what a hostile member of the role "edge" writes. */
static void a_member_makes_up_no_account(void **state)
{
    char sha256[ACCOUNT_SHA_CHARS + 1], kept[128];
    json_t *note;

    account_token_hash(sha256, acme); /* which every member has */
    snprintf(kept, sizeof(kept), "{\"account\":\"acme\",\"voucher\":\"%s\"}", sha256);
    const char *const rows[] = {
        "{\"account\":\"acme\"}",
        "{\"account\":\"acme\",\"voucher\":\"\"}",
        "{\"account\":\"acme\",\"voucher\":5}",
        "{\"account\":null}",
        "{\"account\":\"\"}",
        "{\"account\":\"default\",\"voucher\":\"\"}",
        kept,
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (is_told(json_loads(rows[i], 0, NULL), false, ACCOUNT_SCOPE_TAIL))
            fail_msg("%s", rows[i]);
        assert_int_equal(counts.refused[BEHALF_voucher], i + 1);
    }
    note = note_of(acme); /* one account's voucher, another's name */
    json_object_set_new(note, "account", json_string("beta"));
    assert_false(is_told(note, false, ACCOUNT_SCOPE_TAIL));
    /* One without the scope; one that is not any more. */
    assert_false(is_told(note_of(beta), false, ACCOUNT_SCOPE_TAIL));
    assert_true(is_told(note_of(beta), false, ACCOUNT_SCOPE_READ));
}

static void a_revoked_token_vouches_for_nobody(void **state)
{
    json_t *note = note_of(acme), *document = json_deep_copy(accounts.document);
    char sha256[ACCOUNT_SHA_CHARS + 1], error[256];

    account_token_hash(sha256, acme);
    assert_int_equal(accounts_edit_revoke(document, "acme", sha256, error, sizeof(error)), 0);
    accounts_take(&accounts, document);
    json_decref(document);
    assert_false(is_told(note, false, ACCOUNT_SCOPE_TAIL));
    assert_int_equal(counts.refused[BEHALF_voucher], 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(for_the_operator_a_member_of_that_role_is_told_all),
        TEST(for_an_account_any_member_is_told_what_is_its_own),
        TEST(in_the_note_there_is_no_token),
        TEST(a_member_makes_up_no_account),
        TEST(a_revoked_token_vouches_for_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
