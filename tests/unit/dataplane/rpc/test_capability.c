/* test_capability: what was issued is redeemed as often as its kind allows, and nothing else is
 * (capability.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/rpc/capability.h"
#include "drivers/rng.h"

enum { SLOTS = 16, NEVER = 1 << 30 };

static const uint8_t key[16] = {1, 2, 3}, other_key[16] = {1, 2, 4};
static struct capability_slot memory[SLOTS], other_memory[SLOTS];
static struct capability_table table;

static int setup(void **state)
{
    capability_table_init(&table, 0x1122334455667788, 3, key, memory, SLOTS);
    return 0;
}

static enum capability_result redeem(const uint8_t *sealed, enum capability_kind kind)
{
    uint64_t object;
    return capability_redeem(&table, sealed, kind, 0, &object);
}

static void what_is_issued_is_redeemed(void **state)
{
    for (uint32_t kind = 1; kind < CAPABILITY_KINDS; kind++) {
        uint8_t sealed[CAPABILITY_BYTES];
        uint64_t object = 0;
        struct capability c;
        assert_true(capability_issue(&table, kind, 0x1234500 + kind, 77, sealed));
        assert_true(capability_read(&c, sealed));
        assert_true(c.owner == 0x1122334455667788 && c.core == 3 && c.kind == kind);
        assert_true(c.object == 0x1234500 + kind && c.expires_ms == 77 && c.serial == kind);
        assert_int_equal(capability_redeem(&table, sealed, kind, 76, &object), CAPABILITY_OK);
        assert_int_equal(object, 0x1234500 + kind);
    }
}

/* owner u64 | core u16 | kind u8 | zero u8 | slot u32 | object u64 | serial u64 | expires_ms u64
 * | mac 16 */
static void the_layout_is_as_drawn(void **state)
{
    static const uint8_t expected[40] = {
        0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, /* owner */
        0,    3,    2,    0,                            /* core, kind, zero */
        0,    0,    0,    0,                            /* slot */
        0,    0,    0,    0,    0,    0,    1,    2,    /* object */
        0,    0,    0,    0,    0,    0,    0,    1,    /* serial */
        0,    0,    0,    0,    0,    0,    3,    4,    /* expires */
    };
    uint8_t sealed[CAPABILITY_BYTES];

    assert_true(capability_issue(&table, CAPABILITY_TRACE_SINK, 0x102, 0x304, sealed));
    assert_memory_equal(sealed, expected, sizeof(expected));
}

static void only_a_lazy_worker_is_spent_by_its_use(void **state)
{
    for (uint32_t kind = 1; kind < CAPABILITY_KINDS; kind++) {
        uint8_t sealed[CAPABILITY_BYTES];
        assert_true(capability_issue(&table, kind, 5, NEVER, sealed));
        assert_int_equal(redeem(sealed, kind), CAPABILITY_OK);
        for (int i = 0; i < 3; i++)
            assert_int_equal(redeem(sealed, kind),
                             kind == CAPABILITY_LAZY_WORKER ? CAPABILITY_SPENT : CAPABILITY_OK);
    }
    assert_int_equal(table.count, CAPABILITY_KINDS - 2);
}

static void a_flipped_bit_is_refused(void **state)
{
    for (uint32_t kind = 1; kind < CAPABILITY_KINDS; kind++) {
        uint8_t sealed[CAPABILITY_BYTES];
        assert_true(capability_issue(&table, kind, 0x55aa, NEVER, sealed));
        for (size_t bit = 0; bit < CAPABILITY_BYTES * 8; bit++) {
            size_t byte = bit / 8;
            sealed[byte] ^= (uint8_t)(1 << bit % 8);
            for (uint32_t asked = 1; asked < CAPABILITY_KINDS; asked++) {
                enum capability_result result = redeem(sealed, asked);
                if (byte < 10)
                    assert_int_equal(result, CAPABILITY_FOREIGN);
                else if (byte == 11)
                    assert_int_equal(result, CAPABILITY_BAD);
                else if (byte != 10)
                    assert_int_equal(result, CAPABILITY_FORGED);
                else
                    assert_true(result == CAPABILITY_BAD || result == CAPABILITY_FORGED);
            }
            capability_revoke(&table, sealed);
            sealed[byte] ^= (uint8_t)(1 << bit % 8);
        }
        assert_int_equal(redeem(sealed, kind), CAPABILITY_OK);
    }
}

static void another_kind_than_is_asked_for_is_refused(void **state)
{
    uint8_t sealed[CAPABILITY_BYTES];

    assert_true(capability_issue(&table, CAPABILITY_LAZY_WORKER, 1, NEVER, sealed));
    assert_int_equal(redeem(sealed, CAPABILITY_SERVICE), CAPABILITY_BAD);
    assert_int_equal(redeem(sealed, CAPABILITY_LAZY_WORKER), CAPABILITY_OK);
}

static void it_is_refused_from_its_time_on(void **state)
{
    uint8_t sealed[CAPABILITY_BYTES];
    uint64_t object = 99;

    assert_true(capability_issue(&table, CAPABILITY_TRACE_SINK, 1, 1000, sealed));
    assert_int_equal(capability_redeem(&table, sealed, CAPABILITY_TRACE_SINK, 999, &object),
                     CAPABILITY_OK);
    assert_int_equal(object, 1);
    object = 99;
    assert_int_equal(capability_redeem(&table, sealed, CAPABILITY_TRACE_SINK, 1000, &object),
                     CAPABILITY_EXPIRED);
    assert_int_equal(object, 99);
    assert_int_equal(table.count, 0); /* its slot is free */
}

static void of_another_node_core_or_start_is_refused(void **state)
{
    static const struct {
        const char *name;
        uint64_t owner;
        uint16_t core;
        const uint8_t *key;
        enum capability_result result;
    } row[] = {
        {"another node", 0x1122334455667789, 3, key, CAPABILITY_FOREIGN},
        {"another core", 0x1122334455667788, 4, key, CAPABILITY_FOREIGN},
        {"the control thread", 0x1122334455667788, CAPABILITY_CORE_CONTROL, key,
         CAPABILITY_FOREIGN},
        {"a start before this one", 0x1122334455667788, 3, other_key, CAPABILITY_FORGED},
    };

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct capability_table other;
        uint8_t sealed[CAPABILITY_BYTES], own[CAPABILITY_BYTES];
        capability_table_init(&other, row[i].owner, row[i].core, row[i].key, other_memory, SLOTS);
        assert_true(capability_issue(&other, CAPABILITY_SERVICE, 1, NEVER, sealed));
        assert_true(capability_issue(&table, CAPABILITY_SERVICE, 1, NEVER, own));
        if (redeem(sealed, CAPABILITY_SERVICE) != row[i].result)
            fail_msg("%s", row[i].name);
        capability_revoke(&table, sealed); /* same slot and, in the first round, serial as ours */
        assert_int_equal(redeem(own, CAPABILITY_SERVICE), CAPABILITY_OK);
    }
}

static void bytes_that_are_no_capability_are_refused(void **state)
{
    uint8_t sealed[CAPABILITY_BYTES] = {0};
    struct capability c;

    assert_false(capability_read(&c, sealed));
    assert_int_equal(redeem(sealed, CAPABILITY_LAZY_WORKER), CAPABILITY_BAD);
    for (int kind = 0; kind < 256; kind++) {
        sealed[10] = (uint8_t)kind;
        assert_int_equal(capability_read(&c, sealed), kind > 0 && kind < CAPABILITY_KINDS);
    }
}

static void a_full_table_issues_nothing_until_one_is_over(void **state)
{
    uint8_t sealed[SLOTS + 1][CAPABILITY_BYTES];

    for (int i = 0; i < SLOTS; i++)
        assert_true(capability_issue(&table, CAPABILITY_TAIL, 1, NEVER, sealed[i]));
    assert_int_equal(table.count, SLOTS);
    assert_false(capability_issue(&table, CAPABILITY_TAIL, 1, NEVER, sealed[SLOTS]));
    capability_revoke(&table, sealed[7]);
    assert_true(capability_issue(&table, CAPABILITY_TAIL, 1, NEVER, sealed[SLOTS]));
    assert_false(capability_issue(&table, CAPABILITY_TAIL, 1, NEVER, sealed[7]));
}

/* ---- against a model ---- */

enum { ISSUED_MAX = 400 };

struct issued {
    uint8_t sealed[CAPABILITY_BYTES];
    enum capability_kind kind;
    uint64_t object, expires_ms, serial;
    bool is_live;
};

static struct issued issued[ISSUED_MAX];

static uint32_t live(uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += issued[i].is_live;
    return sum;
}

static void model_redeem(struct issued *i, uint64_t now)
{
    uint64_t object = ~0ull;
    enum capability_result expected = now >= i->expires_ms ? CAPABILITY_EXPIRED
                                      : i->is_live         ? CAPABILITY_OK
                                                           : CAPABILITY_SPENT;

    assert_int_equal(capability_redeem(&table, i->sealed, i->kind, now, &object), expected);
    assert_true(object == (expected == CAPABILITY_OK ? i->object : ~0ull));
    if (expected == CAPABILITY_EXPIRED || i->kind == CAPABILITY_LAZY_WORKER)
        i->is_live = false;
}

static void model_issue(struct rng *r, struct issued *i, uint64_t now)
{
    struct capability c;

    i->kind = (enum capability_kind)(1 + rng_below(r, CAPABILITY_KINDS - 1));
    i->object = rng_next(r) >> 1;
    i->expires_ms = now + 1 + rng_below(r, 200);
    i->is_live = true;
    assert_true(capability_issue(&table, i->kind, i->object, i->expires_ms, i->sealed));
    assert_true(capability_read(&c, i->sealed));
    i->serial = c.serial;
}

static void any_history_agrees_with_the_model(void **state)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct rng r = {seed};
        uint32_t count = 0;
        uint64_t now = 0;

        setup(NULL);
        for (int step = 0; step < 2000; step++) {
            uint64_t what = rng_below(&r, 8);
            struct issued *any = count ? &issued[rng_below(&r, count)] : NULL;
            now += rng_below(&r, 3);
            if (what < 2 && count < ISSUED_MAX && live(count) < SLOTS) {
                model_issue(&r, &issued[count], now);
                if (count > 0)
                    assert_true(issued[count].serial > issued[count - 1].serial);
                count++;
            } else if (what < 6 && any) {
                model_redeem(any, now);
            } else if (what == 6 && any) {
                capability_revoke(&table, any->sealed);
                any->is_live = false;
            } else if (any) {
                struct issued forged = *any;
                forged.sealed[12 + rng_below(&r, 44)] ^= (uint8_t)(1 << rng_below(&r, 8));
                uint64_t object;
                assert_int_equal(
                    capability_redeem(&table, forged.sealed, forged.kind, now, &object),
                    CAPABILITY_FORGED);
            }
            if (table.count != live(count))
                fail_msg("seed %lu, step %d", (unsigned long)seed, step);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_issued_is_redeemed, setup),
        cmocka_unit_test_setup(the_layout_is_as_drawn, setup),
        cmocka_unit_test_setup(only_a_lazy_worker_is_spent_by_its_use, setup),
        cmocka_unit_test_setup(a_flipped_bit_is_refused, setup),
        cmocka_unit_test_setup(another_kind_than_is_asked_for_is_refused, setup),
        cmocka_unit_test_setup(it_is_refused_from_its_time_on, setup),
        cmocka_unit_test_setup(of_another_node_core_or_start_is_refused, setup),
        cmocka_unit_test_setup(bytes_that_are_no_capability_are_refused, setup),
        cmocka_unit_test_setup(a_full_table_issues_nothing_until_one_is_over, setup),
        cmocka_unit_test_setup(any_history_agrees_with_the_model, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
