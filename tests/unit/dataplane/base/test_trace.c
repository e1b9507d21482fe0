/* test_trace: events are read whole or not at all, and what another node says of a request is taken
 * only if it is well formed and of that request (trace.h).
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/trace.h"
#include "drivers/rng.h"

static struct trace trace;

static int setup(void **state)
{
    trace_init(&trace, 7, 3);
    return 0;
}

struct seen {
    struct trace_event event[64];
    uint32_t count;
};

static void see(void *arg, const struct trace_event *e)
{
    struct seen *seen = arg;

    if (seen->count < 64)
        seen->event[seen->count] = *e;
    seen->count++;
}

static struct seen read_all(uint64_t request)
{
    struct seen seen = {.count = 0};

    uint32_t visited = trace_read(&trace, request, see, &seen);
    assert_int_equal(visited, seen.count);
    return seen;
}

static void events_of_a_request_are_read_oldest_first(void **state)
{
    for (uint16_t i = 0; i < 30; i++)
        trace_write(&trace, i % 3, 100 + i, TRACE_SYN + i % 5, i, 1000 + i, 5000 + i);
    struct seen seen = read_all(1);
    assert_int_equal(seen.count, 10);
    for (uint16_t k = 0; k < 10; k++) {
        uint16_t i = (uint16_t)(3 * k + 1);
        const struct trace_event *e = &seen.event[k];
        assert_true(e->request == 1 && e->span == 100u + i && e->kind == TRACE_SYN + i % 5);
        assert_true(e->code == i && e->value == 1000u + i && e->at_ns == 5000u + i);
        assert_true(e->node == 7 && e->core == 3);
    }
    assert_int_equal(read_all(4).count, 0);
}

static void an_empty_place_is_no_event_of_request_0(void **state)
{
    assert_int_equal(read_all(0).count, 0);
}

static void the_oldest_are_overwritten(void **state)
{
    for (uint32_t i = 0; i < TRACE_EVENTS + 10; i++)
        trace_write(&trace, i < 20 ? 5 : 6, 0, TRACE_END, 0, i, i);
    struct seen seen = read_all(5);
    assert_int_equal(seen.count, 10);
    for (uint32_t k = 0; k < 10; k++)
        assert_int_equal(seen.event[k].value, 10 + k);
    assert_int_equal(read_all(6).count, TRACE_EVENTS + 10 - 20);
}

/* ---- a writer at full speed ---- */

enum { REQUESTS = 4, SCANS = 2000 };

static atomic_bool is_over;

/* All fields of an event follow from its number, so that half of one and half of another show. */
static void *write_all_the_time(void *arg)
{
    for (uint64_t i = 0; !atomic_load_explicit(&is_over, memory_order_relaxed); i++)
        trace_write(&trace, i % REQUESTS, rng_mix(i), 1 + i % (TRACE_KIND_COUNT - 1), (uint16_t)i,
                    ~i, i);
    return NULL;
}

struct scan {
    uint64_t request, last, visited, torn;
};

static void check(void *arg, const struct trace_event *e)
{
    struct scan *s = arg;
    uint64_t i = e->at_ns;

    s->torn += e->request != s->request || i % REQUESTS != s->request || e->span != rng_mix(i) ||
               e->value != ~i || e->code != (uint16_t)i ||
               e->kind != 1 + i % (TRACE_KIND_COUNT - 1) || e->node != 7 || e->core != 3 ||
               (s->visited > 0 && i <= s->last);
    s->last = i;
    s->visited++;
}

static void a_reader_never_sees_half_an_event(void **state)
{
    pthread_t writer;
    uint64_t visited = 0, last = 0;

    atomic_store(&is_over, false);
    assert_int_equal(pthread_create(&writer, NULL, write_all_the_time, NULL), 0);
    while (atomic_load(&trace.next) < TRACE_EVENTS) /* from here on every write overwrites */
        sched_yield();
    for (int i = 0; i < SCANS; i++) {
        struct scan scan = {.request = (uint64_t)i % REQUESTS};
        trace_read(&trace, scan.request, check, &scan);
        assert_int_equal(scan.torn, 0);
        visited += scan.visited;
        last = scan.visited ? scan.last : last;
    }
    atomic_store(&is_over, true);
    pthread_join(writer, NULL);
    assert_true(visited > 0 && last > TRACE_EVENTS / 2);
}

/* ---- spans ---- */

static size_t write_span(uint8_t *out, uint8_t count)
{
    struct trace_span s;

    trace_span_init(&s, 42, 43, 1000000);
    for (uint8_t i = 0; i < count; i++)
        trace_span_add(&s, 1 + i % (TRACE_KIND_COUNT - 1), (uint16_t)(500 + i), 1ull << i,
                       1000000 + i * 7000u);
    return trace_span_write(&s, out);
}

static void what_another_node_saw_is_taken_on_our_clock(void **state)
{
    uint8_t bytes[TRACE_WIRE_BYTES_MAX];

    for (uint8_t count = 1; count <= TRACE_REMOTE_EVENTS_MAX; count++) {
        setup(NULL);
        size_t len = write_span(bytes, count);
        assert_int_equal(len, 17 + 16 * count);
        assert_true(trace_take(&trace, 9, 42, 123456789, UINT64_MAX, bytes, len));
        struct seen seen = read_all(42);
        assert_int_equal(seen.count, count);
        for (uint8_t i = 0; i < count; i++) {
            const struct trace_event *e = &seen.event[i];
            assert_true(e->span == 43 && e->node == 9 && e->core == TRACE_CORE_UNKNOWN);
            assert_true(e->kind == 1 + i % (TRACE_KIND_COUNT - 1) && e->code == 500 + i);
            assert_true(e->value == 1ull << i && e->at_ns == 123456789 + i * 7000u);
        }
    }
}

static void the_wire_is_as_drawn(void **state)
{
    static const uint8_t expected[] = {
        0, 0, 0, 0,    0, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 43, 2, /* request, span, count */
        1, 0, 1, 0xf4, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 1,     /* kind, zero, code, at, value */
        2, 0, 1, 0xf5, 0, 0, 0, 7,  0, 0, 0, 0, 0, 0, 0, 2,
    };
    uint8_t bytes[TRACE_WIRE_BYTES_MAX];

    assert_int_equal(write_span(bytes, 2), sizeof(expected));
    assert_memory_equal(bytes, expected, sizeof(expected));
}

static void a_span_without_events_is_not_sent(void **state)
{
    uint8_t bytes[TRACE_WIRE_BYTES_MAX];

    assert_int_equal(write_span(bytes, 0), 0);
}

static void a_full_span_keeps_its_end(void **state)
{
    uint8_t bytes[TRACE_WIRE_BYTES_MAX];

    assert_int_equal(write_span(bytes, TRACE_REMOTE_EVENTS_MAX + 9), TRACE_WIRE_BYTES_MAX);
    assert_true(trace_take(&trace, 9, 42, 0, UINT64_MAX, bytes, sizeof(bytes)));
    struct seen seen = read_all(42);
    assert_int_equal(seen.event[TRACE_REMOTE_EVENTS_MAX - 2].code,
                     500 + TRACE_REMOTE_EVENTS_MAX - 2);
    assert_int_equal(seen.event[TRACE_REMOTE_EVENTS_MAX - 1].code,
                     500 + TRACE_REMOTE_EVENTS_MAX + 8);
}

static void an_event_later_than_the_wire_can_say_is_the_latest_it_can(void **state)
{
    uint8_t bytes[TRACE_WIRE_BYTES_MAX];
    struct trace_span s;

    trace_span_init(&s, 1, 0, 0);
    trace_span_add(&s, TRACE_END, 0, 0, UINT64_MAX);
    assert_true(trace_take(&trace, 9, 1, 5, UINT64_MAX, bytes, trace_span_write(&s, bytes)));
    assert_true(read_all(1).event[0].at_ns == 5 + 1000ull * UINT32_MAX);
}

/* By what the other node believes of the way to it. */
static void no_event_is_later_than_the_word_of_it(void **state)
{
    uint8_t bytes[TRACE_WIRE_BYTES_MAX];
    size_t len = write_span(bytes, 4); /* at 0, 7, 14 and 21 us */

    setup(NULL);
    assert_true(trace_take(&trace, 9, 42, 1000, 16000, bytes, len));
    struct seen seen = read_all(42);
    assert_true(seen.event[0].at_ns == 1000 && seen.event[1].at_ns == 8000);
    assert_true(seen.event[2].at_ns == 15000 && seen.event[3].at_ns == 16000);
}

static void malformed_events_are_refused_whole(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        int low, high; /* allowed */
    } row[] = {
        {"of this request", 7, 42, 42},
        {"a request id has eight bytes", 0, 0, 0},
        {"the count is that of the events", 16, 2, 2},
        {"the kind of the first exists", 17, 1, TRACE_KIND_COUNT - 1},
        {"the kind of the second exists", 33, 1, TRACE_KIND_COUNT - 1},
        {"zero", 18, 0, 0},
        {"zero of the second", 34, 0, 0},
        {"a value is anything", 32, 0, 255},
    };
    uint8_t bytes[TRACE_WIRE_BYTES_MAX + 1] = {0};

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        size_t len = write_span(bytes, 2);
        for (int v = 0; v < 256; v++) {
            bytes[row[i].at] = (uint8_t)v;
            uint64_t before = atomic_load(&trace.next);
            bool may = v >= row[i].low && v <= row[i].high;
            if (trace_take(&trace, 9, 42, 0, UINT64_MAX, bytes, len) != may ||
                atomic_load(&trace.next) != before + (may ? 2 : 0))
                fail_msg("%s: %d", row[i].name, v);
        }
    }
    size_t len = write_span(bytes, TRACE_REMOTE_EVENTS_MAX);
    for (size_t other = 0; other <= sizeof(bytes); other++)
        assert_int_equal(trace_take(&trace, 9, 42, 0, UINT64_MAX, bytes, other), other == len);
    uint8_t many[17 + 16 * (TRACE_REMOTE_EVENTS_MAX + 1)];
    for (size_t i = 0; i < sizeof(many); i++)
        many[i] = bytes[i < len ? i : i - 16];
    many[16]++;
    assert_false(trace_take(&trace, 9, 42, 0, UINT64_MAX, many, sizeof(many)));
}

static void every_kind_has_a_name(void **state)
{
    assert_string_equal(trace_kind_name(TRACE_SYN), "SYN");
    assert_string_equal(trace_kind_name(TRACE_CANCEL), "CANCEL");
    assert_string_equal(trace_kind_name(TRACE_NONE), "?");
    for (int kind = TRACE_SYN; kind < TRACE_KIND_COUNT; kind++)
        assert_string_not_equal(trace_kind_name((enum trace_kind)kind), "?");
    assert_string_equal(trace_kind_name(TRACE_KIND_COUNT), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(events_of_a_request_are_read_oldest_first, setup),
        cmocka_unit_test_setup(an_empty_place_is_no_event_of_request_0, setup),
        cmocka_unit_test_setup(the_oldest_are_overwritten, setup),
        cmocka_unit_test_setup(a_reader_never_sees_half_an_event, setup),
        cmocka_unit_test_setup(the_wire_is_as_drawn, setup),
        cmocka_unit_test_setup(what_another_node_saw_is_taken_on_our_clock, setup),
        cmocka_unit_test_setup(a_span_without_events_is_not_sent, setup),
        cmocka_unit_test_setup(a_full_span_keeps_its_end, setup),
        cmocka_unit_test_setup(an_event_later_than_the_wire_can_say_is_the_latest_it_can, setup),
        cmocka_unit_test_setup(no_event_is_later_than_the_word_of_it, setup),
        cmocka_unit_test_setup(malformed_events_are_refused_whole, setup),
        cmocka_unit_test(every_kind_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
