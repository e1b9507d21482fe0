/* test_conf_numbers [list]: every number of hearth.yaml is in the table of its ranges, and the file
 * takes both ends, their neighbours inside, and none outside. A new key is covered by itself.
 *
 * list: the table, for the cases of tests/net that start a node with each end. A line is
 * BLOCK.KEY DEFAULT MIN MAX, with tabs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/config/conf_numbers.h"
#include "control/config/conf_schema.h"

/* Numbers of which there may be several, that only a cluster has, or that depend on others:
 * test_conf.c has their ends. */
static const char *const others[] = {
    "port.mtu",
    "cores[]",
    "cells.cpus[]",
    "cluster.port",
    "cluster.members[].weight",
    "cluster.members[].cores",
    "cluster.members[].port",
};

static void path_of(const struct conf_number *n, char path[64])
{
    snprintf(path, 64, "%s%s%s", n->block, *n->block ? "." : "", n->key);
}

/* ---- the schema ---- */

static void check_number(const char *path, uint32_t offset, uint32_t bytes)
{
    struct conf_number n;
    char name[64];

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (!strcmp(others[i], path))
            return;
    for (uint32_t i = 0; conf_number_at(i, &n); i++) {
        path_of(&n, name);
        if (!strcmp(name, path) && n.offset == offset && n.bytes == bytes)
            return;
    }
    fail_msg("%s has no range in conf_numbers.c, or another place in struct conf", path);
}

static void walk(const cyaml_schema_value_t *value, const char *path, uint32_t offset)
{
    char inner[128];

    if (value->type == CYAML_UINT) {
        check_number(path, offset, value->data_size);
    } else if (value->type == CYAML_SEQUENCE) {
        snprintf(inner, sizeof(inner), "%s[]", path);
        walk(value->sequence.entry, inner, 0);
    } else if (value->type == CYAML_MAPPING) {
        for (const cyaml_schema_field_t *f = value->mapping.fields; f->key; f++) {
            snprintf(inner, sizeof(inner), "%s%s%s", path, *path ? "." : "", f->key);
            walk(&f->value, inner, offset + f->data_offset);
        }
    }
}

static void every_number_of_the_file_has_a_range(void **state)
{
    walk(&conf_schema, "", 0);
}

/* ---- the ends ---- */

static struct conf_verdict verdict;

/* A file with that one number. What it would be in conflict with follows it. */
static struct conf *parse(const struct conf_number *n, uint64_t value)
{
    char text[512], rest[256] = "";
    int used;

    if (!strcmp(n->block, "port"))
        used = snprintf(text, sizeof(text),
                        "node: n1\nport: {device: x, addresses: [10.0.0.1/24],\n"
                        "  %s: %llu}\ncores: [0]\nlisten: {https: 0, http: 80}\n",
                        n->key, (unsigned long long)value);
    else if (*n->block)
        used = snprintf(text, sizeof(text), "node: n1\n%s:\n  %s: %llu\n", n->block, n->key,
                        (unsigned long long)value);
    else
        used = snprintf(text, sizeof(text), "node: n1\n\n%s: %llu\n", n->key,
                        (unsigned long long)value);
    if (!strcmp(n->key, "https"))
        snprintf(rest, sizeof(rest), "  http: 80\ncertificates: [{chain: /c, key: /k}]\n");
    else if (!strcmp(n->key, "http"))
        snprintf(rest, sizeof(rest), "  https: %d\ncertificates: [{chain: /c, key: /k}]\n", 443);
    else if (!strcmp(n->key, "cpu_ms"))
        snprintf(rest, sizeof(rest), "  wall_ms: 300000\n");
    else if (!strcmp(n->key, "wall_ms"))
        snprintf(rest, sizeof(rest), "  cpu_ms: 1\n");
    else if (!strcmp(n->key, "hot_enter_rpm"))
        snprintf(rest, sizeof(rest), "  hot_leave_rpm: 0\n");
    else if (!strcmp(n->key, "hot_leave_rpm"))
        snprintf(rest, sizeof(rest), "  hot_enter_rpm: 1000000000\n");
    else if (!strcmp(n->key, "widen_rps"))
        snprintf(rest, sizeof(rest), "  narrow_rps: 0\n");
    else if (!strcmp(n->key, "narrow_rps"))
        snprintf(rest, sizeof(rest), "  widen_rps: 10000000\n");
    snprintf(text + used, sizeof(text) - (size_t)used, "%s%s", rest,
             !strcmp(n->block, "port")     ? ""
             : !strcmp(n->block, "listen") ? "port: {device: x, addresses: [10.0.0.1/24]}\n"
                                             "cores: [0]\n"
                                           : "port: {device: x, addresses: [10.0.0.1/24]}\n"
                                             "cores: [0]\nlisten: {https: 0, http: 80}\n");
    return conf_parse(text, strlen(text), &verdict);
}

static void is_taken(const struct conf_number *n, uint32_t value)
{
    struct conf *c = parse(n, value);
    uint32_t read = 0;

    if (!c)
        fail_msg("%s: %u: line %u: %s", n->key, value, verdict.error[0].line,
                 verdict.error[0].text);
    memcpy(&read, (char *)c + n->offset, n->bytes);
    assert_int_equal(read, value);
    conf_free(c);
}

static void is_refused(const struct conf_number *n, uint64_t value)
{
    char path[64], range[160], large[160];

    path_of(n, path);
    snprintf(range, sizeof(range), "%s: %llu is out of range (%u to %u)", path,
             (unsigned long long)value, n->min, n->max);
    snprintf(large, sizeof(large), "%s: %llu is too large", path, (unsigned long long)value);
    assert_null(parse(n, value));
    assert_int_equal(verdict.error[0].line, 3);
    if (strcmp(verdict.error[0].text, value >> (8 * n->bytes) ? large : range))
        fail_msg("%s", verdict.error[0].text);
}

static void every_number_takes_its_ends_and_nothing_outside(void **state)
{
    struct conf_number n;

    for (uint32_t i = 0; conf_number_at(i, &n); i++) {
        assert_true(n.min < n.max && n.value >= n.min && n.value <= n.max);
        is_taken(&n, n.min);
        is_taken(&n, n.min + 1);
        is_taken(&n, n.max - 1);
        is_taken(&n, n.max);
        is_refused(&n, (uint64_t)n.max + 1);
        is_refused(&n, UINT64_C(1) << (8 * n.bytes));
        if (n.min > 0)
            is_refused(&n, n.min - 1);
    }
}

static int list(void)
{
    struct conf_number n;
    char path[64];

    for (uint32_t i = 0; conf_number_at(i, &n); i++) {
        path_of(&n, path);
        printf("%s\t%u\t%u\t%u\n", path, n.value, n.min, n.max);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_of_the_file_has_a_range),
        cmocka_unit_test(every_number_takes_its_ends_and_nothing_outside),
    };

    if (argc == 2 && !strcmp(argv[1], "list"))
        return list();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
