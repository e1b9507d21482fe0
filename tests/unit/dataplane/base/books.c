/* Counters, limits and the token bucket: the small books that everything else writes in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/chunk.h"
#include "dataplane/base/counters.h"
#include "dataplane/base/limits.h"
#include "dataplane/base/token_bucket.h"

struct seen {
    uint32_t total, dispositions, events;
    uint64_t sum;
    uint64_t rx_tcp;
};

static void see(void *arg, const char *name, const char *text, enum counter_kind kind,
                uint64_t value)
{
    struct seen *s = arg;

    assert_true(strlen(name) > 0 && strlen(text) > 0);
    s->total += kind == COUNTER_TOTAL;
    s->dispositions += kind == COUNTER_DISPOSITION;
    s->events += kind == COUNTER_EVENT;
    s->sum += value;
    if (strcmp(name, "rx_tcp") == 0)
        s->rx_tcp = value;
}

static void every_counter_is_visited_once_with_its_value(void **state)
{
    struct counters c;
    struct seen s = {0};
    uint64_t *word = (uint64_t *)&c;

    for (size_t i = 0; i < sizeof(c) / sizeof(*word); i++)
        word[i] = i + 1;
    counters_each(&c, see, &s);

    uint64_t n = sizeof(c) / sizeof(*word);

    assert_int_equal(s.total, 1);
    assert_int_equal(s.dispositions + s.events + 1, n);
    assert_int_equal(s.sum, n * (n + 1) / 2);
    assert_int_equal(s.rx_tcp, c.rx_tcp);
}

static void a_frame_without_a_disposition_is_seen(void **state)
{
    struct counters c = {.rx_frames = 3, .rx_tcp = 1, .drop_ip_bad = 1, .tx_frames = 9};

    assert_int_equal(counters_unaccounted(&c), 1);
    c.rx_rpc++;
    assert_int_equal(counters_unaccounted(&c), 0);
    c.rx_arp++;
    assert_int_equal(counters_unaccounted(&c), -1);
}

static void limits_are_printed_with_the_sum_of_memory(void **state)
{
    const struct limits_memory memory[] = {
        {"stream chunks", CORE_CHUNKS_DEFAULT, sizeof(struct chunk)},
        {"connections", 3, 1000},
    };
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    uint64_t sum = limits_print(out, memory, 2);

    fclose(out);
    assert_int_equal(sum, (uint64_t)CORE_CHUNKS_DEFAULT * CHUNK_BYTES + 3000);
    assert_non_null(strstr(text, "NEIGHBOURS_MAX"));
    assert_non_null(strstr(text, "CELLS_MAX"));
    assert_non_null(strstr(text, "stream chunks"));
    assert_non_null(strstr(text, "65539\n"));
    free(text);
}

static void a_bucket_starts_full_and_earns_at_its_rate(void **state)
{
    struct token_bucket b;
    uint64_t now = 5;
    uint32_t taken = 0;

    token_bucket_init(&b, 1000, 10, now);
    while (token_bucket_take(&b, now))
        taken++;
    assert_int_equal(taken, 10);
    assert_false(token_bucket_take(&b, now + 999999));
    assert_true(token_bucket_take(&b, now + 1000000));
    assert_false(token_bucket_take(&b, now + 1000000));
    /* Ten seconds, asked every 100 us: no more than the rate. */
    taken = 0;
    for (uint64_t t = 0; t < 100000; t++)
        taken += token_bucket_take(&b, now + 1000000 + t * 100000);
    assert_in_range(taken, 9999, 10001);
    /* A long silence saves no more than the burst. */
    taken = 0;
    while (token_bucket_take(&b, UINT64_MAX))
        taken++;
    assert_int_equal(taken, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_counter_is_visited_once_with_its_value),
        cmocka_unit_test(a_frame_without_a_disposition_is_seen),
        cmocka_unit_test(limits_are_printed_with_the_sum_of_memory),
        cmocka_unit_test(a_bucket_starts_full_and_earns_at_its_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
