/* The flow table against a model: an array of what should be in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/tcp/flow.h"

enum { KEYS = 400, FLOWS_MAX = 256 };

static uint64_t rng_state = 1;

static uint32_t rng(uint32_t below)
{
    rng_state = rng_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(rng_state >> 33) % below;
}

static struct flow_key key_of(uint32_t i)
{
    struct flow_key key = {.local_port = 443, .remote_port = (uint16_t)(i / 16)};

    key.remote[15] = (uint8_t)(i % 16);
    return key;
}

static uint32_t value_of(const struct flow_table *t, const struct flow_key *key)
{
    return flow_find(t, key, flow_expect(t, key));
}

static void finds_what_was_added_and_not_removed(void **state)
{
    struct flow_table table;
    void *memory = malloc(flow_table_bytes(FLOWS_MAX));
    static uint32_t model[KEYS]; /* value + 1; 0: absent */
    uint32_t count = 0;

    flow_table_init(&table, memory, FLOWS_MAX, 42);
    for (uint32_t round = 0; round < 300000; round++) {
        uint32_t i = rng(KEYS);
        struct flow_key key = key_of(i);

        assert_int_equal(value_of(&table, &key), model[i] - 1);
        if (rng(2) == 0) {
            assert_int_equal(flow_remove(&table, &key), model[i] != 0);
            count -= model[i] != 0;
            model[i] = 0;
        } else if (model[i] == 0) {
            bool is_added = flow_add(&table, &key, round);

            assert_int_equal(is_added, count < FLOWS_MAX);
            if (is_added) {
                model[i] = round + 1;
                count++;
            }
        }
        assert_int_equal(table.count, count);
    }
    for (uint32_t i = 0; i < KEYS; i++) {
        struct flow_key key = key_of(i);

        assert_int_equal(value_of(&table, &key), model[i] - 1);
    }
    free(memory);
}

static void refuses_more_than_its_maximum(void **state)
{
    struct flow_table table;
    void *memory = malloc(flow_table_bytes(FLOWS_MAX));

    flow_table_init(&table, memory, FLOWS_MAX, 7);
    for (uint32_t i = 0; i < FLOWS_MAX; i++) {
        struct flow_key key = key_of(i);

        assert_true(flow_add(&table, &key, i));
    }

    struct flow_key one_more = key_of(FLOWS_MAX);

    assert_false(flow_add(&table, &one_more, 1));
    assert_int_equal(value_of(&table, &one_more), UINT32_MAX);
    free(memory);
}

static void each_byte_of_the_key_matters(void **state)
{
    struct flow_table table;
    void *memory = malloc(flow_table_bytes(FLOWS_MAX));
    struct flow_key key = {0};

    flow_table_init(&table, memory, FLOWS_MAX, 7);
    assert_true(flow_add(&table, &key, 5));
    for (size_t i = 0; i < offsetof(struct flow_key, zero); i++) {
        struct flow_key other = key;

        ((uint8_t *)&other)[i] ^= 1;
        assert_int_equal(value_of(&table, &other), UINT32_MAX);
    }
    assert_int_equal(value_of(&table, &key), 5);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_added_and_not_removed),
        cmocka_unit_test(refuses_more_than_its_maximum),
        cmocka_unit_test(each_byte_of_the_key_matters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
