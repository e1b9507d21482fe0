/* Compatibility dates and flags, and the lines of .dev.vars. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/deploy/compat.h"
#include "control/deploy/dev_vars.h"

static void flags_ask_for_node_or_are_judged_by_name(void **state)
{
    static const struct {
        const char *what, *json, *error; /* NULL: taken */
        bool has_node, has_async_hooks, has_env;
        size_t warnings;
    } rows[] = {
        {"nothing", "{}", NULL, false, false, false, 0},
        {"a date", "{\"d\":\"2026-01-31\"}", NULL, false, false, true, 0},
        {"node", "{\"d\":\"2024-09-23\",\"f\":[\"nodejs_compat\"]}", NULL, true, true, false, 0},
        {"only stores", "{\"f\":[\"nodejs_als\"]}", NULL, false, true, false, 0},
        {"process.env by a flag",
         "{\"d\":\"2024-09-23\",\"f\":[\"nodejs_compat\",\"nodejs_compat_populate_process_env\"]}",
         NULL, true, true, true, 0},
        {"and without",
         "{\"d\":\"2026-01-01\",\"f\":[\"nodejs_compat\","
         "\"nodejs_compat_do_not_populate_process_env\"]}",
         NULL, true, true, false, 0},
        {"what hearth is anyway", "{\"f\":[\"url_standard\",\"global_navigator\"]}", NULL, false,
         false, false, 0},
        {"what hearth is not", "{\"f\":[\"url_original\"]}", NULL, false, false, false, 1},
        {"of a service that it has not", "{\"f\":[\"queues_json_messages\"]}", NULL, false, false,
         false, 0},
        {"a slip of the pen", "{\"f\":[\"nodejs-compat\"]}",
         "compatibility flag \"nodejs-compat\" is not known; did you mean \"nodejs_compat\"?",
         false, false, false, 0},
        {"an unknown one", "{\"f\":[\"q\"]}", "compatibility flag \"q\" is not known", false, false,
         false, 0},
        {"no list", "{\"f\":\"nodejs_compat\"}", "\"compatibility_flags\" must be a list", false,
         false, false, 0},
        {"no string", "{\"f\":[1]}", "compatibility flag 0 is not a string", false, false, false,
         0},
        {"no date", "{\"d\":\"2026-13-01\"}",
         "\"compatibility_date\" must be a date as \"2026-01-31\"", false, false, false, 0},
        {"a time", "{\"d\":\"2026-01-01T00:00\"}",
         "\"compatibility_date\" must be a date as \"2026-01-31\"", false, false, false, 0},
    };
    char error[256];
    const struct fault f = {error, sizeof(error)};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *j = json_loads(rows[i].json, 0, NULL), *warnings = json_array();
        struct compat c;
        int rc = compat_read(&c, json_object_get(j, "d"), json_object_get(j, "f"), warnings, &f);

        if (rc ? !rows[i].error || strcmp(error, rows[i].error) : rows[i].error != NULL)
            fail_msg("%s: %s", rows[i].what, rc ? error : "taken");
        if (!rc &&
            (c.has_node != rows[i].has_node || c.has_async_hooks != rows[i].has_async_hooks ||
             c.has_env != rows[i].has_env || json_array_size(warnings) != rows[i].warnings))
            fail_msg("%s: otherwise", rows[i].what);
        json_decref(warnings);
        json_decref(j);
    }
}

static void lines_of_dev_vars_become_vars(void **state)
{
    static const struct {
        const char *what, *text, *vars; /* "error" and a sentence: refused */
    } rows[] = {
        {"nothing", "\n  # only this\n", "{}"},
        {"plain ones", "A=1\nB = two words  # and a comment\r\nexport C=x#y\nD=",
         "{\"A\":\"1\","
         "\"B\":\"two words\","
         "\"C\":\"x#y\","
         "\"D\":\"\"}"},
        {"quoted ones", "A=\"a\\n\\\"b\\\"\"\nB='a\\nb' # c\nC=`\"'`\n",
         "{\"A\":\"a\\n\\\"b\\\"\",\"B\":\"a\\\\nb\",\"C\":\"\\\"'\"}"},
        {"one over several lines", "KEY=\"one\ntwo\"\nB=1", "{\"B\":\"1\",\"KEY\":\"one\\ntwo\"}"},
        {"over what is there", "A=1\nA=2", "{\"A\":\"2\"}"},
        {"no name", "A=1\n=2", "error .dev.vars:2: is not of the form KEY=value"},
        {"no value", "A", "error .dev.vars:1: is not of the form KEY=value"},
        {"no end", "A=1\nB='x", "error .dev.vars:2: a quoted value does not end"},
        {"no UTF-8", "A=\xff", "error .dev.vars:1: is not UTF-8"},
    };
    char error[256], said[512];
    const struct fault f = {error, sizeof(error)};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *vars = json_object();

        if (dev_vars_read(".dev.vars", rows[i].text, vars, &f)) {
            snprintf(said, sizeof(said), "error %s", error);
        } else {
            size_t n = json_dumpb(vars, said, sizeof(said) - 1, JSON_COMPACT | JSON_SORT_KEYS);

            said[n] = 0;
        }
        if (strcmp(said, rows[i].vars))
            fail_msg("%s: %s", rows[i].what, said);
        json_decref(vars);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_ask_for_node_or_are_judged_by_name),
        cmocka_unit_test(lines_of_dev_vars_become_vars),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
