/* test_head: heads read back as they were written, and nothing malformed passes (runtime/head.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/head.h"
#include "runtime/job.h"

static uint8_t buf[JOB_HEAD_BYTES_MAX];

static struct head_view view(const char *text)
{
    return (struct head_view){text, strlen(text)};
}

static void assert_view(struct head_view got, const char *expected)
{
    assert_int_equal(got.len, strlen(expected));
    assert_memory_equal(got.p, expected, got.len);
}

static size_t write_sample(size_t cap)
{
    struct head_writer w;
    head_write_request(&w, buf, cap, view("stack"), view("POST"), view("https://h/p?q"));
    head_write_field(&w, view("host"), view("h"));
    head_write_field(&w, view("empty"), view(""));
    return head_write_end(&w);
}

static void a_request_reads_back(void **state)
{
    struct head_reader r;
    struct head_field f;
    size_t len = write_sample(sizeof(buf));
    assert_true(len > 0);
    struct head_request q = head_read_request(&r, buf, len);
    assert_view(q.context, "stack");
    assert_view(q.method, "POST");
    assert_view(q.url, "https://h/p?q");
    assert_false(head_read_end(&r)); /* fields are left */
    assert_true(head_read_field(&r, &f));
    assert_view(f.name, "host");
    assert_view(f.value, "h");
    assert_true(head_read_field(&r, &f));
    assert_view(f.name, "empty");
    assert_view(f.value, "");
    assert_false(head_read_field(&r, &f));
    assert_true(head_read_end(&r));
}

static void a_response_reads_back(void **state)
{
    struct head_writer w;
    struct head_reader r;
    struct head_field f;
    head_write_response(&w, buf, sizeof(buf), 404);
    head_write_field(&w, view("a"), view("b"));
    size_t len = head_write_end(&w);
    assert_int_equal(head_read_response(&r, buf, len), 404);
    assert_true(head_read_field(&r, &f));
    assert_view(f.value, "b");
    assert_true(head_read_end(&r));
}

static void a_buffer_one_byte_short_gives_nothing(void **state)
{
    size_t len = write_sample(sizeof(buf));
    assert_int_equal(write_sample(len), len);
    for (size_t cap = 0; cap < len; cap++)
        assert_int_equal(write_sample(cap), 0);
}

static void what_does_not_fit_its_length_gives_nothing(void **state)
{
    static char large[70000];
    memset(large, 'x', sizeof(large) - 1);
    struct head_writer w;
    static uint8_t huge[200000];
    head_write_request(&w, huge, sizeof(huge), view(""), (struct head_view){large, 256}, view("u"));
    assert_int_equal(head_write_end(&w), 0);
    head_write_request(&w, huge, sizeof(huge), view(""), view("GET"),
                       (struct head_view){large, 65536});
    assert_int_equal(head_write_end(&w), 0);
    head_write_response(&w, huge, sizeof(huge), 200);
    head_write_field(&w, view("a"), (struct head_view){large, 65536});
    assert_int_equal(head_write_end(&w), 0);
}

static void the_number_of_fields_is_limited(void **state)
{
    for (int extra = 0; extra < 2; extra++) {
        struct head_writer w;
        head_write_response(&w, buf, sizeof(buf), 200);
        for (int i = 0; i < HEAD_FIELDS_MAX + extra; i++)
            head_write_field(&w, view("a"), view("b"));
        assert_int_equal(head_write_end(&w) > 0, extra == 0);
    }
    struct head_reader r;
    uint8_t lie[4] = {200, 0, (HEAD_FIELDS_MAX + 1) & 255, (HEAD_FIELDS_MAX + 1) >> 8};
    head_read_response(&r, lie, sizeof(lie));
    assert_true(r.bad);
}

static bool reads(const uint8_t *bytes, size_t len)
{
    struct head_reader r;
    struct head_field f;
    head_read_request(&r, bytes, len);
    while (head_read_field(&r, &f))
        assert_true((const uint8_t *)f.name.p >= bytes &&
                    (const uint8_t *)f.value.p + f.value.len <= bytes + len);
    return head_read_end(&r);
}

static void a_cut_or_lengthened_head_is_bad(void **state)
{
    size_t len = write_sample(sizeof(buf));
    assert_true(reads(buf, len));
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1); /* so that a sanitizer sees a read behind it */
        memcpy(exact, buf, cut);
        assert_false(reads(exact, cut));
        free(exact);
    }
    buf[len] = 0;
    assert_false(reads(buf, len + 1));
}

/* Every single-byte change either reads within bounds or is bad. */
static void a_changed_byte_never_reads_outside(void **state)
{
    size_t len = write_sample(sizeof(buf));
    uint8_t *exact = malloc(len);
    unsigned good = 0, bad = 0;
    for (size_t at = 0; at < len; at++) {
        for (unsigned value = 0; value < 256; value++) {
            memcpy(exact, buf, len);
            exact[at] = (uint8_t)value;
            if (reads(exact, len))
                good++;
            else
                bad++;
        }
    }
    assert_true(good > 0 && bad > 0);
    free(exact);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_reads_back),
        cmocka_unit_test(a_response_reads_back),
        cmocka_unit_test(a_buffer_one_byte_short_gives_nothing),
        cmocka_unit_test(what_does_not_fit_its_length_gives_nothing),
        cmocka_unit_test(the_number_of_fields_is_limited),
        cmocka_unit_test(a_cut_or_lengthened_head_is_bad),
        cmocka_unit_test(a_changed_byte_never_reads_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
