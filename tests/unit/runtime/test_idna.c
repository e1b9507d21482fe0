/* Domains that a URL may have. tests/web/url.mjs asks the same of scripts' URL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/idna.h"

static const struct {
    const char *what, *domain;
    bool is_one;
} rows[] = {
    {"a common one", "example.com", true},
    {"odd, and no punycode", "a_b._c.ab--cd.1a.example", true},
    {"an address", "127.0.0.1", true},
    {"punycode", "xn--bcher-kva.example", true},
    {"in two labels", "a.xn--wgv71a119e.xn--4ca0bs.example", true},
    {"as the last label", "example.xn--wgbl6a", true},
    {"an emoji", "xn--ls8h.la", true},
    {"nothing behind the prefix", "xn--.example", false},
    {"only a delimiter", "xn---.example", false},
    {"a number that does not end", "xn--0.example", false},
    {"too large a number", "xn--99999999.example", false},
    {"nothing but ASCII", "xn--abc-.example", false},
    {"a control character", "xn--a.example", false},
    {"what is written otherwise, in capitals", "xn--bcher-kva.xn--Bcher-kva.example", false},
    {"punycode of punycode", "xn--xn--a--gua.pt", false},
    {"the second label", "a.xn--0", false},
    {"not at the start of a label", "axn--0.example", true},
    {"a label that is too long",
     "xn--aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example", false},
};

static void a_label_of_punycode_stands_for_something(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (idna_is_domain(rows[i].domain, strlen(rows[i].domain)) != rows[i].is_one)
            fail_msg("%s: %s", rows[i].what, rows[i].domain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_label_of_punycode_stands_for_something)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
