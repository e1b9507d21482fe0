/* Stories of requests: how they are told, and how they come from another node; and the notes
 * that carry them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/daemon/messenger.h"
#include "control/daemon/why.h"
#include "dataplane/place/place.h"
#include "dataplane/rpc/record.h"
#include "runtime/job.h"

static const char *node_name(void *arg, uint32_t index)
{
    static const char *const names[] = {"n1", "n2", "n3"};

    return index < 3 ? names[index] : "?";
}

static const char *script_name(void *arg, uint64_t hash)
{
    return hash == 7 ? "alpha" : NULL;
}

static const struct why_names names = {.node = node_name, .script = script_name};

static struct why_story story;

static void happens(uint64_t at_us, uint64_t span, enum trace_kind kind, uint16_t code,
                    uint64_t value)
{
    story.event[story.count++] = (struct trace_event){.request = story.request,
                                                      .at_ns = 5000000 + at_us * 1000,
                                                      .span = span,
                                                      .value = value,
                                                      .code = code,
                                                      .kind = (uint8_t)kind};
}

static int set_up(void **state)
{
    why_begin(&story, 0xabcdef);
    return 0;
}

/* Field of the event of that number. */
static const json_t *told(const json_t *j, size_t event, const char *key)
{
    return json_object_get(json_array_get(json_object_get(j, "events"), event), key);
}

static void each_event_is_a_sentence(void **state)
{
    static const struct {
        enum trace_kind kind;
        uint16_t code;
        uint64_t value;
        const char *text;
    } rows[] = {
        {TRACE_SYN, 0, 0, "the connection's first segment"},
        {TRACE_HELLO, 0, 7, "the ClientHello asks for alpha"},
        {TRACE_HELLO, 0, 0, "the ClientHello names no script"},
        {TRACE_WARM_LOCAL, 0, 9, "asks for a warm cell of script 0000000000000009 here"},
        {TRACE_WARM_REMOTE, 1, 7, "asks n2 for a warm cell of alpha"},
        {TRACE_HANDSHAKE, 1, 0, "TLS handshake done, resumed"},
        {TRACE_REQUEST, 0, 7, "request for alpha"},
        {TRACE_PLACED, PLACE_IS_HOME | PLACE_HERE << 8, 0,
         "runs here: this is its home (home: n1)"},
        {TRACE_PLACED, PLACE_COLD | PLACE_HOME << 8, 1,
         "goes to another node: not hot here (home: n2)"},
        {TRACE_PLACED, PLACE_OVERLOADED | PLACE_REFUSE << 8, 1, "refused: overloaded here"},
        {TRACE_PLACED, 99 | PLACE_HERE << 8, UINT64_MAX,
         "runs here: for an unknown reason (home: ?)"},
        {TRACE_FORWARD, 2, 4096, "sent to n3 with 4096 bytes of body"},
        {TRACE_RECEIVED, 0, 0, "arrived from n1"},
        {TRACE_ACCEPT, 1, 0, "accepted"},
        {TRACE_ACCEPT, 2, 0, "accepted; 2 homes are wanted"},
        {TRACE_BOUNCE, BOUNCE_OVERLOAD, 65536,
         "handed back: overloaded; 65536 bytes of body were sent in vain"},
        {TRACE_BOUNCE, 999, 0,
         "handed back: for an unknown reason; 0 bytes of body were sent in vain"},
        {TRACE_START, 3, 12, "given to cell 3, 12 jobs in flight there"},
        {TRACE_QUEUE, 0, 1500, "taken up after 1.5 us in its queue"},
        {TRACE_CELL, 0, 800, "cold start: a cell after 800 us"},
        {TRACE_COMPILE, 0, 700, "cold start: modules compiled in 700 us"},
        {TRACE_TOP_LEVEL, 0, 600, "cold start: top level run in 600 us"},
        {TRACE_HEAD, 200, 0, "the script answers 200, from a warm cell"},
        {TRACE_HEAD, 404, 900, "the script answers 404, after a cold start of 900 us"},
        {TRACE_FIRST_BYTE, 0, 0, "first byte of the answer given to the connection"},
        {TRACE_ERROR, JOB_ERROR_CPU_LIMIT, 0, "failed: over its CPU limit"},
        {TRACE_ERROR, JOB_ERROR_NO_RESPONSE, 0, "failed: the script can never answer"},
        {TRACE_ERROR, JOB_ERROR_NOT_RESPONSE, 0,
         "failed: what the script's handler returned is not a Response"},
        {TRACE_ERROR, 502, 0, "status 502"},
        {TRACE_RERUN, 1, 0, "run again, attempt 1"},
        {TRACE_SUB, 2, 7, "the script calls alpha"},
        {TRACE_SPENT, 0, 12340, "12.3 ms of CPU time, with all that it called"},
        {TRACE_END, 200, 5, "answer complete: status 200, 5 bytes of body"},
        {TRACE_CANCEL, 0, 0, "the client left"},
        {TRACE_FIN, 0, 0, "the client closed its half, and waits for the answer"},
        {(enum trace_kind)200, 1, 2, "event 200, code 1, value 2"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *j;

        why_begin(&story, 1);
        happens(0, 0, rows[i].kind, rows[i].code, rows[i].value);
        j = why_json(&story, &names);
        assert_string_equal(json_string_value(told(j, 0, "text")), rows[i].text);
        json_decref(j);
    }
}

static void no_kind_is_without_a_sentence(void **state)
{
    for (int kind = 1; kind < TRACE_KIND_COUNT; kind++) {
        json_t *j;

        why_begin(&story, 1);
        happens(0, 0, (enum trace_kind)kind, 0, 0);
        j = why_json(&story, &names);
        assert_int_not_equal(strncmp(json_string_value(told(j, 0, "text")), "event ", 6), 0);
        json_decref(j);
    }
}

static void events_are_told_in_the_order_of_time_from_the_first(void **state)
{
    json_t *j;

    happens(30, 0, TRACE_END, 200, 0);
    happens(10, 0, TRACE_REQUEST, 0, 7);
    happens(10, 0, TRACE_PLACED, 0, 0);
    happens(20, 5, TRACE_PLACED, 0, 0);
    happens(20, 0, TRACE_SUB, 2, 0);
    why_sort(&story);
    j = why_json(&story, &names);
    assert_string_equal(json_string_value(json_object_get(j, "request")), "0000000000abcdef");
    assert_string_equal(json_string_value(told(j, 0, "kind")), "REQUEST");
    assert_string_equal(json_string_value(told(j, 1, "kind")), "PLACED");
    assert_true(json_real_value(told(j, 0, "us")) == 0);
    assert_string_equal(json_string_value(told(j, 2, "kind")), "SUB");
    assert_int_equal(json_integer_value(told(j, 3, "depth")), 1);
    assert_true(json_real_value(told(j, 4, "us")) == 20);
    json_decref(j);
}

static void remote(uint64_t at_us, uint64_t span, enum trace_kind kind, uint16_t node)
{
    happens(at_us, span, kind, 0, 0);
    story.event[story.count - 1].node = node;
    story.event[story.count - 1].core = TRACE_CORE_UNKNOWN;
}

/* Rows: when the home's events came to lie, by a wrong distance, and where they belong. The call
 * went at 100 and its reply came at 200. */
static void what_a_home_saw_lies_between_call_and_reply(void **state)
{
    static const struct {
        const char *what;
        uint64_t placed_us, head_us, placed_right_us, head_right_us;
    } rows[] = {
        {"too late", 500, 560, 120, 180},
        {"too early", 10, 70, 120, 180},
        {"right", 120, 180, 120, 180},
        {"off by a little", 130, 190, 120, 180},
        {"as long as the whole call", 300, 400, 100, 200},
        {"longer than the whole call: nobody can say", 300, 401, 300, 401},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t placed_us = 0, head_us = 0;

        why_begin(&story, 1);
        happens(0, 0, TRACE_REQUEST, 0, 7);
        happens(100, 0, TRACE_FORWARD, 1, 0);
        happens(200, 0, TRACE_HEAD, 200, 0);
        remote(rows[i].placed_us, 0, TRACE_PLACED, 1);
        remote(rows[i].head_us, 0, TRACE_HEAD, 1);
        why_sort(&story);
        why_sort(&story); /* again changes nothing */
        for (uint32_t k = 0; k < story.count; k++) {
            const struct trace_event *e = &story.event[k];

            if (e->node == 1 && e->kind == TRACE_PLACED)
                placed_us = e->at_ns / 1000 - 5000;
            if (e->node == 1 && e->kind == TRACE_HEAD)
                head_us = e->at_ns / 1000 - 5000;
        }
        if (placed_us != rows[i].placed_right_us || head_us != rows[i].head_right_us)
            fail_msg("%s: %u to %u", rows[i].what, (unsigned)placed_us, (unsigned)head_us);
    }
}

/* Rows: when the home's ACCEPT came, and where its events belong; they took 60. The call went at
 * 100 and its reply came at 200. */
static void a_home_that_accepts_says_how_far_it_is(void **state)
{
    static const struct {
        uint64_t accepted_us, placed_right_us;
    } rows[] = {{110, 105}, {120, 110}, {180, 140}, {199, 140}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        why_begin(&story, 1);
        happens(100, 0, TRACE_FORWARD, 1, 0);
        happens(rows[i].accepted_us, 0, TRACE_ACCEPT, 1, 0);
        happens(200, 0, TRACE_HEAD, 200, 0);
        remote(500, 0, TRACE_PLACED, 1);
        remote(560, 0, TRACE_HEAD, 1);
        why_sort(&story);
        why_sort(&story);
        for (uint32_t k = 0; k < story.count; k++)
            if (story.event[k].kind == TRACE_PLACED)
                assert_int_equal(story.event[k].at_ns, 5000000 + rows[i].placed_right_us * 1000);
    }
}

static void a_homes_own_calls_move_with_it(void **state)
{
    why_begin(&story, 1);
    happens(100, 0, TRACE_FORWARD, 1, 0);
    happens(200, 0, TRACE_HEAD, 200, 0);
    remote(510, 0, TRACE_PLACED, 1);
    remote(530, 9, TRACE_PLACED, 1);
    remote(570, 0, TRACE_HEAD, 1);
    why_sort(&story);
    assert_int_equal(story.event[2].span, 9);
    assert_int_equal(story.event[2].at_ns, 5000000 + 140000);
}

static void nested_calls_stand_further_in(void **state)
{
    static const struct {
        uint64_t at_us, span;
        enum trace_kind kind;
        uint16_t code; /* of a SUB: scripts on the stack */
        int depth;
    } rows[] = {
        {0, 0, TRACE_REQUEST, 0, 0}, {1, 0, TRACE_SUB, 2, 0},     {1, 50, TRACE_PLACED, 0, 1},
        {2, 50, TRACE_SUB, 3, 1},    {2, 60, TRACE_PLACED, 0, 2}, {3, 0, TRACE_SUB, 2, 0},
        {3, 70, TRACE_PLACED, 0, 1}, {4, 60, TRACE_HEAD, 200, 2}, {5, 50, TRACE_HEAD, 200, 1},
        {6, 70, TRACE_HEAD, 200, 1}, {7, 0, TRACE_END, 200, 0},
    };
    json_t *j;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        happens(rows[i].at_us, rows[i].span, rows[i].kind, rows[i].code, 0);
    j = why_json(&story, &names);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (json_integer_value(told(j, i, "depth")) != rows[i].depth)
            fail_msg("event %zu: %lld", i, (long long)json_integer_value(told(j, i, "depth")));
    json_decref(j);
}

enum { ACME = 20, ACME_TOO, BETA, GONE };

static const char *account_script_name(void *arg, uint64_t hash)
{
    switch (hash) {
    case ACME:
        return "acme/one";
    case ACME_TOO:
        return "acme/two";
    case BETA:
        return "beta/one";
    default:
        return NULL;
    }
}

/* acme/one calls beta/one, which calls acme/two. */
static void tell_of_two_accounts(void)
{
    happens(0, 0, TRACE_SYN, 0, 0);
    happens(1, 0, TRACE_HELLO, 0, BETA);
    happens(2, 0, TRACE_WARM_LOCAL, 0, BETA);
    happens(3, 0, TRACE_REQUEST, 0, ACME);
    happens(4, 0, TRACE_SUB, 2, BETA);
    happens(5, 50, TRACE_START, 0, 0);
    happens(6, 50, TRACE_SUB, 3, ACME_TOO);
    happens(7, 60, TRACE_START, 0, 0);
    happens(8, 50, TRACE_ERROR, 1, 0);
    happens(9, 70, TRACE_START, 0, 0); /* of a call that nobody recorded */
    happens(10, 0, TRACE_END, 200, 0);
}

static void an_account_is_told_what_happened_in_its_own_scripts(void **state)
{
    static const struct {
        const char *what, *wanted;
        uint32_t count;
        uint64_t at_us[12];
    } row[] = {
        {"the operator", "", 11, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
        {"whose request it was", "acme/", 5, {0, 3, 4, 7, 10}},
        {"whose script was called", "beta/", 3, {5, 6, 8}},
        {"another, who has guessed the id", "gamma/", 0, {0}},
        {"the default account", "default/", 0, {0}},
    };
    const struct why_names known = {.node = node_name, .script = account_script_name};

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        why_begin(&story, 0xabcdef);
        tell_of_two_accounts();
        why_sort(&story);
        why_keep(&story, &known, row[i].wanted);
        if (story.count != row[i].count)
            fail_msg("%s: %u", row[i].what, story.count);
        for (uint32_t k = 0; k < story.count; k++)
            if (story.event[k].at_ns != 5000000 + row[i].at_us[k] * 1000)
                fail_msg("%s: event %u", row[i].what, k);
    }
}

static void of_a_script_that_is_gone_only_the_operator_is_told(void **state)
{
    const struct why_names known = {.node = node_name, .script = account_script_name};

    happens(0, 0, TRACE_REQUEST, 0, GONE);
    happens(1, 0, TRACE_END, 200, 0);
    why_keep(&story, &known, "acme/");
    assert_int_equal(story.count, 0);
}

static void a_request_id_is_sixteen_digits(void **state)
{
    static const struct {
        const char *text;
        bool is_good;
    } rows[] = {{"0123456789abcdef", true},
                {"ffffffffffffffff", true},
                {"0123456789abcde", false},
                {"0123456789abcdef0", false},
                {"0123456789ABCDEF", false},
                {"0123456789abcdeg", false},
                {"", false}};
    uint64_t id;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(why_parse_id(&id, rows[i].text), rows[i].is_good);
    assert_true(why_parse_id(&id, "fedcba9876543210"));
    assert_true(id == 0xfedcba9876543210);
}

static void only_the_recorders_of_that_request_are_read(void **state)
{
    struct trace *t = calloc(1, sizeof(*t));

    trace_init(t, 2, 3);
    for (uint64_t i = 0; i < 3 * WHY_EVENTS_MAX; i++)
        trace_write(t, i % 2 ? 0xabcdef : 5, 0, TRACE_START, 0, i, i);
    why_collect(&story, t);
    assert_int_equal(story.count, WHY_EVENTS_MAX);
    assert_true(story.is_cut);
    assert_int_equal(story.event[0].value, 1);
    assert_int_equal(story.event[0].node, 2);
    assert_int_equal(story.event[0].core, 3);
    free(t);
}

/* ---- from another node ---- */

static struct why_part part[WHY_PARTS_MAX];
static struct why_question question;
static json_t *notes[64];
static int note_count;

static void keep(void *arg, json_t *note)
{
    assert_true(note_count < 64);
    notes[note_count++] = note;
}

static void ask(void)
{
    memset(part, 0, sizeof(part));
    question = (struct why_question){.ticket = 9, .request = 0xabcdef, .wanted = 2, .part = part};
    note_count = 0;
}

static void take_all(uint16_t from, bool is_good)
{
    for (int i = 0; i < note_count; i++) {
        assert_int_equal(why_take_answer(&question, from, notes[i]), is_good);
        json_decref(notes[i]);
    }
    note_count = 0;
}

static void a_story_of_any_length_arrives_as_it_was(void **state)
{
    static const uint32_t lengths[] = {1, WHY_NOTE_EVENTS, WHY_NOTE_EVENTS + 1, WHY_EVENTS_MAX};
    const struct why_story *best;

    for (size_t k = 0; k < 4; k++) {
        ask();
        why_begin(&story, 0xabcdef);
        for (uint32_t i = 0; i < lengths[k]; i++)
            happens(i, UINT64_MAX - i, (enum trace_kind)(1 + i % 20), UINT16_MAX, UINT64_MAX);
        why_answer(&story, 9, keep, NULL);
        for (int i = 0; i < note_count; i++)
            assert_true(json_dumpb(notes[i], NULL, 0, JSON_COMPACT) <= NOTE_BYTES_MAX);
        take_all(1, true);
        assert_int_equal(question.answers, 1);
        best = why_best(&question);
        assert_non_null(best);
        assert_int_equal(best->count, story.count);
        assert_memory_equal(best->event, story.event, story.count * sizeof(story.event[0]));
    }
}

static void who_knows_nothing_says_so(void **state)
{
    ask();
    why_answer(&story, 9, keep, NULL);
    assert_int_equal(note_count, 1);
    take_all(1, true);
    assert_int_equal(question.answers, 1);
    assert_null(why_best(&question));
}

static void the_node_where_the_request_entered_tells_the_story(void **state)
{
    ask();
    happens(0, 0, TRACE_START, 0, 0);
    happens(1, 0, TRACE_HEAD, 200, 0);
    happens(2, 0, TRACE_END, 0, 0);
    why_answer(&story, 9, keep, NULL);
    take_all(1, true);
    why_begin(&story, 0xabcdef);
    happens(0, 0, TRACE_REQUEST, 0, 7);
    why_answer(&story, 9, keep, NULL);
    take_all(2, true);
    assert_int_equal(question.answers, 2);
    assert_ptr_equal(why_best(&question), &part[1].story);
}

static void stories_that_come_mixed_stay_apart(void **state)
{
    json_t *first[64];
    int first_count;

    ask();
    for (uint32_t i = 0; i < 3 * WHY_NOTE_EVENTS; i++)
        happens(i, 0, TRACE_START, 0, i);
    why_answer(&story, 9, keep, NULL);
    memcpy(first, notes, sizeof(first));
    first_count = note_count;
    note_count = 0;
    why_answer(&story, 9, keep, NULL);
    for (int i = 0; i < first_count; i++) {
        assert_true(why_take_answer(&question, 1, first[i]));
        assert_true(why_take_answer(&question, 2, notes[i]));
        json_decref(first[i]);
        json_decref(notes[i]);
    }
    note_count = 0;
    assert_int_equal(part[0].story.count, story.count);
    assert_int_equal(part[1].story.count, story.count);
}

static void answers_that_make_no_sense_are_refused(void **state)
{
    static const char *const rows[] = {
        "{}",
        "{\"events\":{}}",
        "{\"events\":[5]}",
        "{\"events\":[[1,2,3,4,5,6]]}",
        "{\"events\":[[1,2,3,4,5,6,7,8]]}",
        "{\"events\":[[-1,2,3,4,5,6,7]]}",
        "{\"events\":[[1,2,3,70000,5,6,7]]}",
        "{\"events\":[[1,2,3,4,5,0,7]]}",
        "{\"events\":[[1,2,3,4,5,6,300]]}",
        "{\"events\":[[1,2,\"3\",4,5,6,7]]}",
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *note = json_loads(rows[i], 0, NULL);

        ask();
        assert_non_null(note);
        if (why_take_answer(&question, 1, note))
            fail_msg("%s", rows[i]);
        json_decref(note);
    }
}

static void more_than_a_story_holds_is_cut(void **state)
{
    ask();
    for (uint32_t i = 0; i < WHY_EVENTS_MAX; i++)
        happens(i, 0, TRACE_START, 0, i);
    why_answer(&story, 9, keep, NULL);
    take_all(1, true);
    why_answer(&story, 9, keep, NULL);
    take_all(1, true);
    assert_int_equal(part[0].story.count, WHY_EVENTS_MAX);
    assert_true(part[0].story.is_cut);
}

/* ---- the rings ---- */

static char heard[1024];

static void on_note(void *arg, uint16_t from, const char *type, const json_t *note)
{
    size_t used = strlen(heard);

    snprintf(heard + used, sizeof(heard) - used, "%u:%s ", from, type);
}

static void notes_are_heard_in_order_and_nonsense_is_counted(void **state)
{
    struct loop loop;
    struct messenger *m;
    struct notes *rings;
    char error[128];
    static const char *const in[] = {"{\"type\":\"a\"}", "nonsense", "[]", "{\"type\":5}",
                                     "{\"type\":\"b\"}"};

    heard[0] = 0;
    assert_int_equal(loop_init(&loop), 0);
    m = messenger_create(&loop, on_note, NULL, error, sizeof(error));
    assert_non_null(m);
    rings = messenger_notes(m);
    for (uint16_t i = 0; i < 5; i++)
        assert_true(note_put(&rings->in, i, in[i], strlen(in[i])));
    for (int i = 0; i < 2 * MESSENGER_BURST; i++)
        assert_true(i + 5 >= NOTE_SLOTS || note_put(&rings->in, 9, in[0], strlen(in[0])));
    assert_int_equal(write(rings->wake_fd, &(uint64_t){1}, 8), 8);
    for (int i = 0; i < 4 && messenger_counts(m).received + 3 < NOTE_SLOTS; i++)
        loop_step(&loop, 1000);
    assert_memory_equal(heard, "0:a 4:b 9:a ", 12);
    assert_int_equal(messenger_counts(m).received, NOTE_SLOTS - 3);
    assert_int_equal(messenger_counts(m).bad, 3);
    messenger_destroy(m);
    loop_fini(&loop);
}

static void a_note_that_cannot_be_sent_is_counted(void **state)
{
    struct loop loop;
    struct messenger *m;
    const struct note *note;
    char error[128], *text = malloc(NOTE_BYTES_MAX + 1);

    memset(text, 'x', NOTE_BYTES_MAX);
    text[NOTE_BYTES_MAX] = 0;
    assert_int_equal(loop_init(&loop), 0);
    m = messenger_create(&loop, on_note, NULL, error, sizeof(error));
    assert_non_null(m);
    assert_false(messenger_send(m, 1, json_pack("{s:s}", "type", text)));
    assert_false(messenger_send(m, 1, NULL));
    for (int i = 0; i < NOTE_SLOTS; i++)
        assert_true(messenger_send(m, NOTE_TO_ALL, json_pack("{s:s}", "type", "a")));
    assert_false(messenger_send(m, 1, json_pack("{s:s}", "type", "a")));
    note = note_peek(&messenger_notes(m)->out);
    assert_non_null(note);
    assert_int_equal(note->node, NOTE_TO_ALL);
    assert_int_equal(note->bytes, 12);
    assert_int_equal(messenger_counts(m).sent, NOTE_SLOTS);
    assert_int_equal(messenger_counts(m).unsent, 3);
    messenger_destroy(m);
    loop_fini(&loop);
    free(text);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, set_up)
    const struct CMUnitTest tests[] = {
        TEST(each_event_is_a_sentence),
        TEST(no_kind_is_without_a_sentence),
        TEST(events_are_told_in_the_order_of_time_from_the_first),
        TEST(what_a_home_saw_lies_between_call_and_reply),
        TEST(a_home_that_accepts_says_how_far_it_is),
        TEST(a_homes_own_calls_move_with_it),
        TEST(nested_calls_stand_further_in),
        TEST(an_account_is_told_what_happened_in_its_own_scripts),
        TEST(of_a_script_that_is_gone_only_the_operator_is_told),
        TEST(a_request_id_is_sixteen_digits),
        TEST(only_the_recorders_of_that_request_are_read),
        TEST(a_story_of_any_length_arrives_as_it_was),
        TEST(who_knows_nothing_says_so),
        TEST(the_node_where_the_request_entered_tells_the_story),
        TEST(stories_that_come_mixed_stay_apart),
        TEST(answers_that_make_no_sense_are_refused),
        TEST(more_than_a_story_holds_is_cut),
        TEST(notes_are_heard_in_order_and_nonsense_is_counted),
        TEST(a_note_that_cannot_be_sent_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
