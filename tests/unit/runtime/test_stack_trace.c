/* Source maps, and the stack traces that are told by them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/worker/script.h"
#include "runtime/worker/source_map.h"
#include "runtime/worker/stack_trace.h"

/* As esbuild makes it of src/a.ts, "export function a() {\n    throw new Error('x');\n}\n": lines 2
 * and 3 of the output are its lines 1 and 2. */
static const char map_text[] =
    "{\"version\":3,\"sources\":[\"src/a.ts\",\"src/b.ts\"],"
    "\"mappings\":\";AAAO,SAAS,IAAI;AAChB,QAAM,IAAI,MAAM,GAAG;AACvB;ACFA\"}";

static void a_place_is_found_by_the_segment_before_it(void **state)
{
    static const struct {
        const char *what;
        uint32_t line, column;
        const char *source; /* NULL: none */
        uint32_t source_line, source_column;
    } rows[] = {
        {"before any segment", 1, 1, NULL, 0, 0},
        {"a line's first", 2, 1, "src/a.ts", 1, 8},
        {"between two", 2, 9, "src/a.ts", 1, 8},
        {"the second", 2, 10, "src/a.ts", 1, 17},
        {"of the next line", 3, 9, "src/a.ts", 2, 11},
        {"far behind the last", 3, 4000, "src/a.ts", 2, 24},
        {"of another source", 5, 1, "src/b.ts", 1, 1},
        {"no such line", 6, 1, NULL, 0, 0},
        {"line 0", 0, 1, NULL, 0, 0},
        {"column 0", 2, 0, NULL, 0, 0},
    };
    struct source_map *m = source_map_new(map_text, sizeof(map_text) - 1);
    struct source_place p;

    assert_non_null(m);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool is_there = source_map_find(m, rows[i].line, rows[i].column, &p);

        if (is_there != (rows[i].source != NULL) ||
            (is_there && (strcmp(p.source, rows[i].source) || p.line != rows[i].source_line ||
                          p.column != rows[i].source_column)))
            fail_msg("%s: %s:%u:%u", rows[i].what, is_there ? p.source : "none",
                     is_there ? p.line : 0, is_there ? p.column : 0);
    }
    source_map_free(m);
}

static void what_is_no_map_is_none(void **state)
{
    static const char *const rows[] = {"", "[]", "{\"mappings\":\"\"}", "{\"sources\":[]}",
                                       "{\"sources\":{},\"mappings\":\"A\"}"};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_null(source_map_new(rows[i], strlen(rows[i])));
    source_map_free(NULL);
}

static void places_of_built_modules_are_replaced_and_nothing_else(void **state)
{
    static const struct {
        const char *what, *text, *told;
    } rows[] = {
        {"nothing to do", "plain", "plain"},
        {"a trace", "Error: x\n    at a (index.js:3:9)\n    at index.js:2:10",
         "Error: x\n    at a (src/a.ts:2:11)\n    at src/a.ts:1:17"},
        {"at the very beginning", "index.js:2:1: Uncaught SyntaxError",
         "src/a.ts:1:8: Uncaught "
         "SyntaxError"},
        {"another file's name ends so", "at (lib/index.js:3:9)", "at (lib/index.js:3:9)"},
        {"without a column", "at (index.js:3)", "at (index.js:3)"},
        {"a line that the map has not", "at (index.js:99:9)", "at (index.js:99:9)"},
        {"a module without a map", "at (other.js:3:9)", "at (other.js:3:9)"},
        {"numbers too large", "at (index.js:99999999999:9)", "at (index.js:99999999999:9)"},
    };
    struct script_module modules[] = {
        {.name = "index.js", .kind = MODULE_JS, .map = &modules[1]},
        {.name = "index.js.map", .kind = MODULE_MAP, .text = map_text, .len = sizeof(map_text) - 1},
        {.name = "other.js", .kind = MODULE_JS},
    };
    struct script s = {.modules = modules, .module_count = 3};
    char out[256], cut[12];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t n = stack_trace_map(&s, rows[i].text, strlen(rows[i].text), out, sizeof(out));

        if (n != strlen(rows[i].told) || strcmp(out, rows[i].told))
            fail_msg("%s: %s", rows[i].what, out);
    }
    assert_int_equal(stack_trace_map(&s, "at (index.js:3:9)", 17, cut, sizeof(cut)), 11);
    assert_string_equal(cut, "at (src/a.t");
    assert_int_equal(stack_trace_map(NULL, "at (index.js:3:9)", 17, out, sizeof(out)), 17);
    source_map_free(modules[1].source_map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_is_found_by_the_segment_before_it),
        cmocka_unit_test(what_is_no_map_is_none),
        cmocka_unit_test(places_of_built_modules_are_replaced_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
