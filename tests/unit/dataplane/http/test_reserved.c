/* test_reserved: names that only hearth may use (reserved.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/http/reserved.h"

static const struct {
    const char *name;
    bool is_reserved;
} row[] = {
    {"x-hearth-request-id", true},
    {"x-hearth-caller", true},
    {"X-Hearth-Anything-To-Come", true},
    {"x-hearth-", true},
    {"x-hearth", false},
    {"x-heart", false},
    {"x-real-ip", true},
    {"X-REAL-IP", true},
    {"X-Real-Ip", true},
    {"x-real-ip-too", false},
    {"x-forwarded-for", true},
    {"X-Forwarded-Proto", true},
    {"x-FORWARDED-host", true},
    {"x-forwarded", false},
    {"cf-connecting-ip", true},
    {"CF-Connecting-IP", true},
    {"cf-connecting-ipv6", true},
    {"cf-ray", false},
    {"traceparent", true},
    {"TraceParent", true},
    {"tracestate", false},
    {"forwarded", true},
    {"Forwarded", true},
    {"forwarded-by", false},
    {"user-agent", false},
    {"", false},
};

static void names_are_reserved_in_any_case_of_letters(void **state)
{
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
        if (reserved_field(row[i].name, strlen(row[i].name)) != row[i].is_reserved)
            fail_msg("%s", row[i].name);
}

/* A view into a head has no zero byte behind it. */
static void only_the_given_bytes_are_looked_at(void **state)
{
    assert_false(reserved_field("x-real-ip", 8));
    assert_true(reserved_field("x-real-ip: 1.2.3.4", 9));
    assert_false(reserved_field("x-hearth-node", 8));
}

static void in_an_answer_only_hearths_own_are(void **state)
{
    assert_true(reserved_answer_field("x-hearth-request-id", 19));
    assert_true(reserved_answer_field("X-HEARTH-NODE", 13));
    assert_true(reserved_answer_field("x-hearth-", 9));
    assert_false(reserved_answer_field("x-hearth-node", 8));
    assert_false(reserved_answer_field("x-hearthstone", 13));
    assert_false(reserved_answer_field("forwarded", 9));
    assert_false(reserved_answer_field("traceparent", 11));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_reserved_in_any_case_of_letters),
        cmocka_unit_test(only_the_given_bytes_are_looked_at),
        cmocka_unit_test(in_an_answer_only_hearths_own_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
