/* Log lines between two nodes: who gets them, who may send them. Notes go from hand to hand
 * here; capabilities are the real ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/daemon/tail.h"
#include "dataplane/base/note.h"

enum { READER, RUNNER, NODES };

/* ---- two nodes ---- */

static struct tail node[NODES];
static json_t *sent[256]; /* by whom, to whom: all go to the other one */
static int sent_count;
static bool is_full;
static char shown[4096];

static bool send_note(void *arg, uint16_t to, json_t *note)
{
    if (is_full || !note || json_dumpb(note, NULL, 0, JSON_COMPACT) > NOTE_BYTES_MAX) {
        json_decref(note);
        return false;
    }
    assert_true(sent_count < 256);
    sent[sent_count++] = note;
    return true;
}

static void show(void *arg, uint16_t from, const char *script, const struct tail_wish *wish,
                 const json_t *line)
{
    size_t used = strlen(shown);

    assert_true(script_id_is_of(script, wish->script));
    snprintf(shown + used, sizeof(shown) - used, "%u:%s:%.20s%s;", from, script,
             json_string_value(json_object_get(line, "text")),
             json_object_get(line, "is_cut") ? "+" : "");
}

static void forget_notes(void)
{
    for (int i = 0; i < sent_count; i++)
        json_decref(sent[i]);
    sent_count = 0;
}

static int set_up(void **state)
{
    for (uint8_t i = 0; i < NODES; i++) {
        const struct tail_io io = {.send = send_note, .show = show};
        const uint8_t key[16] = {(uint8_t)(i + 1)};

        tail_init(&node[i], 100u + i, key, &io);
    }
    shown[0] = 0;
    is_full = false;
    return 0;
}

static int tear_down(void **state)
{
    forget_notes();
    return 0;
}

/* What is on its way arrives. */
static void deliver(int to, uint64_t now_ms)
{
    for (int i = 0; i < sent_count; i++) {
        const char *type = json_string_value(json_object_get(sent[i], "type"));

        if (!strcmp(type, "tail"))
            tail_take_request(&node[to], (uint16_t)(1 - to), "", sent[i], now_ms);
        else
            tail_take_line(&node[to], (uint16_t)(1 - to), sent[i], now_ms);
    }
    forget_notes();
}

static const struct behalf operators;

static void follow(const char *script, uint64_t now_ms)
{
    const struct tail_wish wish = {script, &operators};

    tail_follow(&node[READER], &wish, script ? 1 : 0, now_ms);
    deliver(RUNNER, now_ms);
}

static void logs(const char *script, const char *text, uint64_t now_ms)
{
    json_t *line = json_pack("{s:s, s:s, s:s}", "script", script, "level", "log", "text", text);

    assert_non_null(line);
    tail_give(&node[RUNNER], script, line, now_ms);
    json_decref(line);
}

/* ---- tests ---- */

static void a_line_reaches_who_asked_for_its_script(void **state)
{
    logs("alpha", "before", 0);
    assert_int_equal(sent_count, 0);
    follow("alpha", 0);
    logs("alpha", "one", 10);
    logs("beta", "not asked for", 10);
    deliver(READER, 20);
    assert_string_equal(shown, "1:alpha:one;");
    assert_int_equal(node[READER].counts.taken, 1);
    assert_int_equal(node[RUNNER].counts.given, 1);
}

static void who_asks_for_all_gets_all(void **state)
{
    follow("", 0);
    logs("alpha", "one", 1);
    logs("beta", "two", 1);
    deliver(READER, 2);
    assert_string_equal(shown, "1:alpha:one;1:beta:two;");
}

static void an_account_gets_its_own_lines_whatever_the_other_node_says(void **state)
{
    json_t *line;

    follow("acme/", 0);
    logs("acme/one", "mine", 10);
    logs("beta/one", "not mine", 10);
    logs("one", "the operator's", 10);
    assert_int_equal(sent_count, 1);
    /* A member that says another account's lines with a good capability. */
    line = json_object_get(sent[0], "line");
    json_object_set_new(line, "script", json_string("beta/one"));
    deliver(READER, 20);
    assert_string_equal(shown, "");
    assert_int_equal(node[READER].counts.refused[CAPABILITY_OK], 1);
    logs("acme/two", "mine too", 30);
    deliver(READER, 40);
    assert_string_equal(shown, "1:acme/two:mine too;");
}

/* Each wish has its own clients, who get the line by its own capability. */
static void of_two_wishes_neither_lives_on_the_other(void **state)
{
    const struct behalf acme = {.account = "acme", .voucher = "v"};
    const struct tail_wish wishes[] = {{"acme/one", &operators}, {"acme/", &acme}};

    tail_follow(&node[READER], wishes, 2, 0);
    assert_null(json_object_get(sent[0], "account"));
    assert_string_equal(json_string_value(json_object_get(sent[1], "account")), "acme");
    assert_string_equal(json_string_value(json_object_get(sent[1], "voucher")), "v");
    deliver(RUNNER, 0);
    logs("acme/one", "x", 1);
    logs("acme/two", "y", 1);
    deliver(READER, 2);
    assert_string_equal(shown, "1:acme/one:x;1:acme/one:x;1:acme/two:y;");
    tail_follow(&node[READER], wishes + 1, 1, 3);
    forget_notes();
    shown[0] = 0;
    logs("acme/one", "z", 4);
    deliver(READER, 5);
    assert_string_equal(shown, "1:acme/one:z;");
    assert_int_equal(node[READER].counts.refused[CAPABILITY_SPENT], 1);
}

/* Rows: what a member asks for in acme's name, and whether it is remembered. */
static void an_account_is_told_nothing_but_its_own(void **state)
{
    static const struct {
        const char *script;
        bool is_its_own;
    } rows[] = {
        {"acme/", true},      {"acme/one", true},  {"", false},          {"acme", false},
        {"beta/", false},     {"beta/one", false}, {"one", false},       {"default/", false},
        {"acme/../x", false}, {"acme/*", false},   {"acme/one/", false}, {"/", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        set_up(NULL);
        tail_follow(&node[READER], &(struct tail_wish){rows[i].script, &operators}, 1, 0);
        tail_take_request(&node[RUNNER], READER, "acme/", sent[0], 0);
        forget_notes();
        if (node[RUNNER].request[0].is_used != rows[i].is_its_own)
            fail_msg("\"%s\" in acme's name", rows[i].script);
        if (node[RUNNER].counts.behalf.refused[BEHALF_foreign] != !rows[i].is_its_own)
            fail_msg("\"%s\": not counted", rows[i].script);
    }
}

static void nobody_renews_and_the_lines_end(void **state)
{
    follow("alpha", 0);
    logs("alpha", "last", TAIL_LIFE_MS - 1);
    logs("alpha", "too late", TAIL_LIFE_MS);
    deliver(READER, TAIL_LIFE_MS - 1);
    assert_string_equal(shown, "1:alpha:last;");
}

static void renewed_in_time_they_go_on_for_ever(void **state)
{
    for (uint64_t now = 0; now < 100 * TAIL_LIFE_MS; now += TAIL_RENEW_MS) {
        follow("alpha", now);
        shown[0] = 0;
        logs("alpha", "x", now + TAIL_RENEW_MS - 1);
        deliver(READER, now + TAIL_RENEW_MS);
        assert_string_equal(shown, "1:alpha:x;");
    }
    assert_true(node[READER].table.count <= TAIL_CAPABILITIES);
}

static void a_line_on_its_way_survives_a_renewal(void **state)
{
    json_t *late;

    follow("alpha", 0);
    logs("alpha", "slow", 1);
    late = json_incref(sent[0]);
    forget_notes();
    follow("alpha", TAIL_RENEW_MS);
    tail_take_line(&node[READER], RUNNER, late, TAIL_RENEW_MS + 1);
    assert_string_equal(shown, "1:alpha:slow;");
    json_decref(late);
}

static void when_the_client_leaves_its_capabilities_are_worth_nothing(void **state)
{
    follow("alpha", 0);
    follow(NULL, 1);
    logs("alpha", "nobody listens", 2);
    deliver(READER, 3);
    assert_string_equal(shown, "");
    assert_int_equal(node[READER].counts.refused[CAPABILITY_SPENT], 1);
    assert_int_equal(node[READER].table.count, 0);
}

/* Rows: how a line that was right is falsified, and what is counted. */
static void lines_without_a_good_capability_are_refused(void **state)
{
    static const struct {
        const char *what;
        int byte;           /* of the sealed bytes, that is changed */
        uint64_t at_ms;     /* when it arrives */
        const char *script; /* of the line */
        int result;         /* refused[...]; -1: bad */
    } rows[] = {
        {"another owner", 7, 1, "alpha", CAPABILITY_FOREIGN},
        {"another kind", 10, 1, "alpha", CAPABILITY_BAD},
        {"another object", 23, 1, "alpha", CAPABILITY_FORGED},
        {"another serial", 31, 1, "alpha", CAPABILITY_FORGED},
        {"a longer life", 39, 1, "alpha", CAPABILITY_FORGED},
        {"another MAC", 55, 1, "alpha", CAPABILITY_FORGED},
        {"too late", -1, TAIL_LIFE_MS + 1, "alpha", CAPABILITY_EXPIRED},
        {"another script than it was given for", -1, 1, "beta", CAPABILITY_OK},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char seal[2 * CAPABILITY_BYTES + 1];
        json_t *note;

        set_up(NULL);
        tail_follow(&node[READER], &(struct tail_wish){"alpha", &operators}, 1, 0);
        snprintf(seal, sizeof(seal), "%s",
                 json_string_value(json_object_get(sent[0], "capability")));
        forget_notes();
        if (rows[i].byte >= 0)
            seal[2 * rows[i].byte + 1] = seal[2 * rows[i].byte + 1] == '0' ? '1' : '0';
        note = json_pack("{s:s, s:s, s:{s:s, s:s}}", "type", "line", "capability", seal, "line",
                         "script", rows[i].script, "text", "lies");
        tail_take_line(&node[READER], RUNNER, note, rows[i].at_ms);
        json_decref(note);
        if (*shown)
            fail_msg("%s: shown", rows[i].what);
        if (node[READER].counts.refused[rows[i].result] != 1)
            fail_msg("%s: not counted", rows[i].what);
    }
}

static void notes_that_make_no_sense_are_counted(void **state)
{
    static const char *const requests[] = {
        "{}",
        "{\"script\":5,\"capability\":\"00\"}",
        "{\"script\":\"a\"}",
        "{\"script\":\"a\",\"capability\":\"zz\"}",
        "{\"script\":\"a\",\"capability\":17}",
    };
    static const char *const lines[] = {
        "{}",
        "{\"line\":7,\"capability\":\"00\"}",
        "{\"line\":{\"script\":\"a\"},\"capability\":\"00\"}",
        "{\"line\":{\"text\":\"a\"},\"capability\":\"00\"}",
        "{\"line\":{\"script\":\"a\",\"text\":\"b\"},\"capability\":\"00\"}",
    };

    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        json_t *note = json_loads(requests[i], 0, NULL);

        assert_non_null(note);
        tail_take_request(&node[RUNNER], READER, "", note, 0);
        json_decref(note);
        note = json_loads(lines[i], 0, NULL);
        assert_non_null(note);
        tail_take_line(&node[READER], RUNNER, note, 0);
        json_decref(note);
    }
    assert_int_equal(node[RUNNER].counts.bad, 5);
    assert_int_equal(node[READER].counts.bad, 5);
}

/* Takes a note with a line of alpha's that has these fields too; what the client is shown, as
 * JSON. */
static json_t *seen; /* the last line */

static void keep(void *arg, uint16_t from, const char *script, const struct tail_wish *wish,
                 const json_t *line)
{
    seen = json_deep_copy(line);
}

static char *shown_of(const char *fields)
{
    char text[8192];
    json_t *note;
    char *out;

    set_up(NULL);
    node[READER].io.show = keep;
    seen = NULL;
    tail_follow(&node[READER], &(struct tail_wish){"alpha", &operators}, 1, 0);
    snprintf(text, sizeof(text), "{\"script\":\"alpha\",\"text\":\"t\"%s%s}", *fields ? "," : "",
             fields);
    note = json_pack("{s:s, s:O, s:o}", "type", "line", "capability",
                     json_object_get(sent[0], "capability"), "line", json_loads(text, 0, NULL));
    assert_non_null(note);
    forget_notes();
    tail_take_line(&node[READER], RUNNER, note, 1);
    json_decref(note);
    out = seen ? json_dumps(seen, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(seen);
    return out;
}

/* Rows: what a member says beside script and text, and what of it a client here gets; NULL: the
 * line is bad. */
static void of_a_line_only_known_fields_are_shown(void **state)
{
    static const struct {
        const char *what, *says, *shown;
    } rows[] = {
        {"no more", "", "{\"script\":\"alpha\",\"text\":\"t\"}"},
        {"all there are",
         "\"version\":\"0123456789abcdef\",\"request\":\"00000000000000a1\",\"level\":\"info\","
         "\"cell\":3,\"lost_before\":7,\"is_cut\":true",
         "{\"cell\":3,\"is_cut\":true,\"level\":\"info\",\"lost_before\":7,\"request\":"
         "\"00000000000000a1\","
         "\"script\":\"alpha\",\"text\":\"t\",\"version\":\"0123456789abcdef\"}"},
        {"unknown ones", "\"node\":\"n9\",\"lines_lost\":5,\"deep\":[[[{\"a\":[]}]]]",
         "{\"script\":\"alpha\",\"text\":\"t\"}"},
        {"another type", "\"level\":5", NULL},
        {"a list", "\"version\":[]", NULL},
        {"a negative number", "\"lost_before\":-1", NULL},
        {"no such cell", "\"cell\":1000000", NULL},
        {"a text for a flag", "\"is_cut\":\"yes\"", NULL},
        {"a long version",
         "\"version\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"",
         NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *out = shown_of(rows[i].says);

        if (!out != !rows[i].shown || (out && strcmp(out, rows[i].shown)))
            fail_msg("%s: %s", rows[i].what, out ? out : "not shown");
        if (node[READER].counts.bad != !rows[i].shown)
            fail_msg("%s: %lu bad", rows[i].what, (unsigned long)node[READER].counts.bad);
        free(out);
    }
}

static void a_line_too_long_for_a_note_is_cut_between_characters(void **state)
{
    char text[4097] = "";
    const json_t *cut;
    const char *part;

    for (size_t i = 0; i + 2 < 4096; i += 2)
        memcpy(text + i, i % 4 ? "\x01\x02" : "\xc3\xa9",
               3); /* six bytes each in JSON; and two bytes of one character */
    follow("alpha", 0);
    logs("alpha", text, 1);
    assert_int_equal(sent_count, 1);
    cut = json_object_get(json_object_get(sent[0], "line"), "text");
    assert_true(json_string_length(cut) > 500);
    part = json_string_value(cut);
    assert_memory_equal(part, text, json_string_length(cut));
    deliver(READER, 2);
    assert_non_null(strstr(shown, "+;"));
}

static void lost_lines_are_told_with_the_next(void **state)
{
    follow("alpha", 0);
    is_full = true;
    logs("alpha", "one", 1);
    logs("alpha", "two", 1);
    is_full = false;
    logs("alpha", "three", 1);
    assert_int_equal(sent_count, 1);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(sent[0], "line"), "lost_before")), 2);
    forget_notes();
    logs("alpha", "four", 1);
    assert_null(json_object_get(json_object_get(sent[0], "line"), "lost_before"));
    assert_int_equal(node[RUNNER].counts.lost, 2);
}

static void ask_for(uint16_t asker, int number)
{
    char script[16], seal[2 * CAPABILITY_BYTES + 1] = "";
    json_t *note;

    memset(seal, '0', 2 * CAPABILITY_BYTES);
    snprintf(script, sizeof(script), "s%d", number);
    note = json_pack("{s:s, s:s}", "script", script, "capability", seal);
    tail_take_request(&node[RUNNER], asker, "", note, 0);
    json_decref(note);
}

static void many_askers_do_not_cost_more_than_there_is_room(void **state)
{
    for (int i = 0; i < 3 * TAIL_REQUESTS_MAX; i++)
        ask_for((uint16_t)(READER + i % 3), i);
    logs("s0", "x", 1);
    logs("s191", "no room", 1);
    assert_int_equal(sent_count, 1);
    /* Their time over, others have room. */
    follow("beta", TAIL_LIFE_MS);
    forget_notes();
    logs("beta", "x", TAIL_LIFE_MS + 1);
    assert_int_equal(sent_count, 1);
}

/* More than an honest one has clients for. */
static void one_asker_does_not_take_the_room_of_the_others(void **state)
{
    for (int i = 0; i < 2 * TAIL_REQUESTS_MAX; i++)
        ask_for(READER, i);
    ask_for(READER + 1, 1000);
    logs("s1000", "x", 1);
    assert_int_equal(sent_count, 1);
    logs("s31", "x", 1);
    logs("s32", "too many", 1);
    assert_int_equal(sent_count, 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_line_reaches_who_asked_for_its_script),
        TEST(who_asks_for_all_gets_all),
        TEST(an_account_gets_its_own_lines_whatever_the_other_node_says),
        TEST(of_two_wishes_neither_lives_on_the_other),
        TEST(an_account_is_told_nothing_but_its_own),
        TEST(nobody_renews_and_the_lines_end),
        TEST(renewed_in_time_they_go_on_for_ever),
        TEST(a_line_on_its_way_survives_a_renewal),
        TEST(when_the_client_leaves_its_capabilities_are_worth_nothing),
        TEST(lines_without_a_good_capability_are_refused),
        TEST(notes_that_make_no_sense_are_counted),
        TEST(of_a_line_only_known_fields_are_shown),
        TEST(a_line_too_long_for_a_note_is_cut_between_characters),
        TEST(lost_lines_are_told_with_the_next),
        TEST(many_askers_do_not_cost_more_than_there_is_room),
        TEST(one_asker_does_not_take_the_room_of_the_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
