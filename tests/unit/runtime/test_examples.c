/* test_examples: the scripts of examples/ that call each other or work on large bodies do what they
 * say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

static struct harness h;

enum { CHAIN_A = 1, CHAIN_B, CHAIN_C, LOOP, DIGEST, TRANSFORM, PAGE, JWT, MB = 1 << 20 };

static void deploy(uint32_t handle, const char *name, const char *second,
                   const struct harness_binding *bindings)
{
    char directory[512];
    snprintf(directory, sizeof(directory), "%s/%s", EXAMPLES, name);
    struct harness_module modules[2] = {harness_read_module(directory, "src/index.js")};
    if (second)
        modules[1] = harness_read_module(directory, second);
    harness_bundle(&h, handle, modules, second ? 2 : 1, "{\"SECRET\":\"only a test\"}",
                   "{\"cpu_ms\":60000}", bindings);
    free((void *)modules[0].text);
    free((void *)modules[1].text);
}

static int start(void **state)
{
    harness_start(&h);
    deploy(CHAIN_A, "chain-a", NULL, (const struct harness_binding[]){{"NEXT", CHAIN_B}, {0}});
    deploy(CHAIN_B, "chain-b", NULL, (const struct harness_binding[]){{"NEXT", CHAIN_C}, {0}});
    deploy(CHAIN_C, "chain-c", NULL, NULL);
    deploy(LOOP, "loop", NULL, (const struct harness_binding[]){{"SELF", LOOP}, {0}});
    deploy(DIGEST, "digest", "src/sha256.js", NULL);
    deploy(TRANSFORM, "transform", NULL, NULL);
    deploy(PAGE, "page", NULL, NULL);
    deploy(JWT, "jwt", NULL, NULL);
    return 0;
}

static int stop(void **state)
{
    harness_stop(&h);
    return 0;
}

static struct harness_job *post(uint32_t handle, const char *path, const void *bytes, size_t len)
{
    char url[256];
    snprintf(url, sizeof(url), "https://test.example%s", path);
    uint32_t job = harness_open(&h, handle, "POST", url, NULL, true);
    harness_send(&h, job, bytes, len, true);
    struct harness_job *j = harness_wait(&h, job);
    assert_int_equal(j->error, JOB_ERROR_NONE);
    return j;
}

static void close_job(struct harness_job *j)
{
    harness_close(&h, (uint32_t)(j - h.jobs));
}

static void a_body_streams_through_the_chain_and_back(void **state)
{
    static uint8_t bytes[10 * MB];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 24);
    struct harness_job *j = post(CHAIN_A, "/echo", bytes, sizeof(bytes));
    assert_string_equal(harness_field(j, "x-chain"), "a > b > c");
    assert_int_equal(j->body_bytes, sizeof(bytes));
    assert_memory_equal(j->body, bytes, sizeof(bytes));
    close_job(j);

    j = post(CHAIN_A, "/", "123456789", 9); /* CRC-32's check value */
    assert_string_equal((char *)j->body,
                        "{\"bytes\":9,\"crc32\":\"cbf43926\",\"called_by\":\"chain-b\"}");
    close_job(j);
}

static void the_loop_ends_at_the_depth_limit(void **state)
{
    struct harness_job *j = harness_get(&h, LOOP, "/");
    assert_int_equal(j->status, 508);
    assert_string_equal(
        (char *)j->body,
        "depth 16: env.SELF.fetch: 16 scripts call each other already, as deep as calls may go\n");
}

static void the_digest_is_sha256(void **state)
{
    static const struct {
        const char *what;
        size_t len;
        const char *hex;
    } rows[] = {
        {"nothing", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"55 zeros: the length just fits", 55,
         "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7"},
        {"56 zeros: it does not", 56,
         "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb"},
        {"64 zeros: a whole block", 64,
         "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b"},
        {"20 MB of zeros", 20 * MB,
         "cd52d81e25f372e6fa4db2c0dfceb59862c1969cab17096da352b34950c973cc"},
    };
    static const uint8_t zeros[20 * MB];
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char expected[80];
        snprintf(expected, sizeof(expected), "%s  -\n", rows[i].hex);
        struct harness_job *j = post(DIGEST, "/", zeros, rows[i].len);
        if (strcmp((char *)j->body, expected))
            fail_msg("%s: %s", rows[i].what, (char *)j->body);
        close_job(j);
    }
}

static void lines_are_numbered_as_they_pass(void **state)
{
    const char *text = "one\ntw\xc3\xb6\n\nlast";
    struct harness_job *j = post(TRANSFORM, "/", text, strlen(text));
    assert_string_equal((char *)j->body, "1\tone\n2\ttw\xc3\xb6\n3\t\n4\tlast\n");
    close_job(j);
    j = harness_get(&h, TRANSFORM, "/");
    assert_int_equal(j->status, 400);
    close_job(j);
}

static void the_page_greets_and_escapes(void **state)
{
    const char *form = "name=%3Cb%3E+%26c";
    uint32_t job = harness_open(&h, PAGE, "POST", "https://test.example/",
                                "content-type: application/x-www-form-urlencoded\n", true);
    harness_send(&h, job, form, strlen(form), true);
    struct harness_job *j = harness_wait(&h, job);
    assert_int_equal(j->status, 200);
    assert_non_null(strstr((char *)j->body, "<p>Hello, &#60;b&#62; &#38;c!</p>"));
    close_job(j);
    j = harness_get(&h, PAGE, "/");
    assert_non_null(strstr((char *)j->body, "<form method=\"post\">"));
    close_job(j);
    j = harness_get(&h, PAGE, "/<x>");
    assert_int_equal(j->status, 404);
    close_job(j);
}

static void a_token_says_whose_it_is_unless_it_was_changed(void **state)
{
    char field[1024], token[512];
    struct harness_job *j = post(JWT, "/", "{\"sub\":\"ada\"}", 13);
    assert_int_equal(sscanf((char *)j->body, "{\"token\":\"%511[^\"]", token), 1);
    close_job(j);
    for (int changed = 0; changed < 2; changed++) {
        token[strlen(token) - 2] ^= changed; /* of the signature */
        snprintf(field, sizeof(field), "authorization: Bearer %s\n", token);
        uint32_t job = harness_open(&h, JWT, "GET", "https://test.example/", field, false);
        j = harness_wait(&h, job);
        assert_int_equal(j->status, changed ? 401 : 200);
        assert_string_equal((char *)j->body, changed ? "who are you?\n" : "you are ada\n");
        close_job(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_streams_through_the_chain_and_back),
        cmocka_unit_test(the_loop_ends_at_the_depth_limit),
        cmocka_unit_test(the_digest_is_sha256),
        cmocka_unit_test(lines_are_numbered_as_they_pass),
        cmocka_unit_test(the_page_greets_and_escapes),
        cmocka_unit_test(a_token_says_whose_it_is_unless_it_was_changed),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
