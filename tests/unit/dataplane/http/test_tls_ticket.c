/* tls_ticket: which keys seal and open after how many rotations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/tls/tls_ticket.h"

static struct tls_ticket_key numbered(uint8_t number)
{
    return (struct tls_ticket_key){.name = {number}, .key = {number}};
}

static void the_youngest_seals_and_three_open(void **state)
{
    struct tls_tickets t;
    struct tls_ticket_key k = numbered(0);
    tls_tickets_init(&t, &k);
    for (uint8_t rotations = 0; rotations < 20; rotations++) {
        for (uint8_t i = 0; i < 10; i++) {
            const struct tls_ticket_key *found = tls_tickets_key(&t, i);
            if (i < TLS_TICKET_KEYS && i <= rotations) {
                assert_non_null(found);
                assert_int_equal(found->name[0], rotations - i);
                assert_int_equal(found->key[0], rotations - i);
            } else {
                assert_null(found); /* neither a key of zeros, nor one that is too old */
            }
        }
        k = numbered(rotations + 1);
        tls_tickets_rotate(&t, &k);
    }
}

/* A session that found a key just before a rotation goes on with it. */
static void a_key_in_use_is_not_written(void **state)
{
    struct tls_tickets t;
    struct tls_ticket_key k = numbered(0);
    tls_tickets_init(&t, &k);
    for (uint8_t rotations = 1; rotations < 20; rotations++) {
        const struct tls_ticket_key *held[TLS_TICKET_KEYS];
        uint8_t before[TLS_TICKET_KEYS];
        for (uint32_t i = 0; i < TLS_TICKET_KEYS; i++) {
            held[i] = tls_tickets_key(&t, i);
            before[i] = held[i] ? held[i]->key[0] : 0;
        }
        k = numbered(rotations);
        tls_tickets_rotate(&t, &k);
        for (uint32_t i = 0; i < TLS_TICKET_KEYS; i++) {
            if (held[i])
                assert_int_equal(held[i]->key[0], before[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_youngest_seals_and_three_open),
        cmocka_unit_test(a_key_in_use_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
