/* test_slab: things that keep their place (runtime/worker/slab.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/worker/slab.h"

enum { MAX = 1000, BYTES = 72 };

static void all_keep_their_place_and_their_number(void **state)
{
    struct slab slab;
    static uint8_t *items[MAX];
    uint32_t index;
    slab_init(&slab, BYTES, MAX);
    assert_null(slab_at(&slab, 0));
    assert_null(slab.block);
    for (uint32_t i = 0; i < MAX; i++) {
        items[i] = slab_more(&slab, &index);
        assert_int_equal(index, i);
        for (unsigned n = 0; n < BYTES; n++)
            assert_int_equal(items[i][n], 0);
        memset(items[i], (int)(i % 251), BYTES);
    }
    assert_null(slab_more(&slab, &index));
    for (uint32_t i = 0; i < MAX; i++) {
        assert_ptr_equal(slab_at(&slab, i), items[i]);
        for (unsigned n = 0; n < BYTES; n++)
            assert_int_equal(items[i][n], i % 251);
    }
    assert_null(slab_at(&slab, MAX));
    assert_null(slab_at(&slab, UINT64_MAX));
    slab_fini(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_keep_their_place_and_their_number)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
