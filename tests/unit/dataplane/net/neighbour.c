#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/base/limits.h"
#include "dataplane/net/neighbour.h"

static const uint64_t second_ns = 1000000000;

enum { SEED = 42 };
static struct neighbours *table;

static int setup(void **state)
{
    table = aligned_alloc(64, (neighbours_bytes() + 63) / 64 * 64);
    assert_non_null(table);
    neighbours_init(table, SEED);
    return 0;
}

static int teardown(void **state)
{
    free(table);
    return 0;
}

static void ip_of(uint8_t ip[16], uint32_t number)
{
    memset(ip, 0, 16);
    ip[0] = 0xfd;
    memcpy(ip + 12, &number, 4);
}

static void mac_of(uint8_t mac[6], uint32_t number)
{
    mac[0] = 2;
    mac[1] = (uint8_t)(number * 7);
    memcpy(mac + 2, &number, 4);
}

static enum neighbour_learned learn(uint32_t number, enum neighbour_learn how, uint64_t now_ns)
{
    uint8_t ip[16], mac[6];

    ip_of(ip, number);
    mac_of(mac, number);
    return neighbour_learn(table, ip, mac, how, now_ns);
}

static bool find(uint32_t number, uint64_t now_ns, bool *ask)
{
    uint8_t ip[16], mac[6], expected[6];

    ip_of(ip, number);
    mac_of(expected, number);
    if (!neighbour_find(table, ip, now_ns, mac, ask))
        return false;
    assert_memory_equal(mac, expected, 6);
    return true;
}

static void heard_of_neighbours_never_displace_those_in_use(void **state)
{
    uint32_t kept = 0, full = 0;
    bool ask;

    /* A subnet of 254 in use, then a flood of strangers that ask us. */
    for (uint32_t i = 1; i < 255; i++)
        if (learn(i, NEIGHBOUR_ADD, 0) == NEIGHBOUR_LEARNED)
            kept++;
    assert_true(kept > 250);
    for (uint32_t i = 1000; i < 100000; i++)
        full += learn(i, NEIGHBOUR_ADD, second_ns) == NEIGHBOUR_FULL;
    assert_in_range(full, 90000, 99000);

    uint32_t still = 0;

    for (uint32_t i = 1; i < 255; i++)
        still += find(i, second_ns, &ask);
    assert_int_equal(still, kept);
}

static void unused_neighbours_make_room_after_a_while(void **state)
{
    uint64_t later = 2 * (uint64_t)NEIGHBOUR_STALE_S * second_ns;

    for (uint32_t i = 1; i < 100000; i++)
        learn(i, NEIGHBOUR_ADD, 0);
    for (uint32_t i = 200000; i < 200010; i++)
        assert_int_equal(learn(i, NEIGHBOUR_ADD, later), NEIGHBOUR_LEARNED);
}

static void whom_we_need_always_finds_room(void **state)
{
    bool ask;

    for (uint32_t i = 1; i < 100000; i++)
        learn(i, NEIGHBOUR_ADD, 0);
    for (uint32_t i = 200000; i < 200100; i++) {
        assert_false(find(i, second_ns, &ask));
        assert_true(ask);
        assert_int_equal(learn(i, NEIGHBOUR_MERGE, second_ns), NEIGHBOUR_LEARNED);
        assert_true(find(i, second_ns, &ask));
        assert_false(ask);
    }
}

/* Spoofed sources on the link make us look for many that do not exist: the known ones stay but for
 * one of each set. */
static void a_flood_of_lookups_displaces_little_of_what_is_known(void **state)
{
    uint32_t known = 0, still = 0;
    bool ask;

    for (uint32_t i = 1; i < 255; i++)
        known += learn(i, NEIGHBOUR_ADD, 0) == NEIGHBOUR_LEARNED;
    for (uint32_t i = 1000; i < 100000; i++)
        assert_false(find(i, second_ns, &ask));
    for (uint32_t i = 1; i < 255; i++)
        still += find(i, second_ns, &ask);
    assert_true(still + 5 >= known);
}

static void a_query_is_due_once_for_all_cores(void **state)
{
    bool first, second;

    assert_false(find(5, 1000, &first));
    assert_false(find(5, 1001, &second));
    assert_true(first);
    assert_false(second);
}

/* Cores that learn, need and displace in one set, all the time; none may ever see one neighbour's
 * MAC under another's address. */
enum { THREADS = 3, ROUNDS = 2000000, RIVALS = 16, SETS = NEIGHBOURS_MAX / 8 };
static atomic_uint wrong, found;
static uint32_t rival[RIVALS]; /* numbers of addresses that fall into the same set */

static void find_rivals(void)
{
    uint32_t count = 0;

    for (uint32_t number = 1; count < RIVALS; number++) {
        uint8_t ip[16];

        ip_of(ip, number);
        if ((XXH3_64bits_withSeed(ip, sizeof(ip), SEED) & (SETS - 1)) == 0)
            rival[count++] = number;
    }
}

/* Thread 1 mostly learns, the others mostly look. */
static void *hammer(void *arg)
{
    uint64_t random = 0x2545f4914f6cdd1du * (uint64_t)(uintptr_t)arg;
    uint64_t learn_below = (uintptr_t)arg == 1 ? 15 : 1;
    uint32_t wrong_here = 0, found_here = 0;

    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint8_t ip[16], mac[6], expected[6];
        bool ask;

        random ^= random << 13, random ^= random >> 7, random ^= random << 17;

        uint32_t number = rival[(random >> 20) % RIVALS];
        /* Time flies for who learns, so that everybody may be displaced. */
        uint64_t now_ns = learn_below > 1 ? (uint64_t)i * NEIGHBOUR_STALE_S * second_ns : 0;

        ip_of(ip, number);
        mac_of(expected, number);
        if (random % 16 < learn_below) {
            neighbour_learn(table, ip, expected, NEIGHBOUR_ADD, now_ns);
        } else if (neighbour_find(table, ip, now_ns, mac, &ask)) {
            found_here++;
            wrong_here += memcmp(mac, expected, 6) != 0;
        }
    }
    atomic_fetch_add(&wrong, wrong_here);
    atomic_fetch_add(&found, found_here);
    return NULL;
}

static void cores_never_see_a_torn_entry(void **state)
{
    pthread_t thread[THREADS];

    find_rivals();
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, hammer, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(wrong, 0);
    assert_true(found > ROUNDS / 100);
}

#define ROW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(heard_of_neighbours_never_displace_those_in_use),
        ROW(unused_neighbours_make_room_after_a_while),
        ROW(whom_we_need_always_finds_room),
        ROW(a_flood_of_lookups_displaces_little_of_what_is_known),
        ROW(a_query_is_due_once_for_all_cores),
        ROW(cores_never_see_a_torn_entry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
