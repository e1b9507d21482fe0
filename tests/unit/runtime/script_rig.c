#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "script_rig.h"

uint32_t rig_script(struct harness *h, const char *source)
{
    harness_script(h, ++h->handles, source, RIG_LIMITS);
    return h->handles;
}

uint32_t rig_caller_of(struct harness *h, uint32_t target, const char *source)
{
    harness_caller(h, ++h->handles, source, RIG_LIMITS,
                   (const struct harness_binding[]){{"OTHER", target}, {0}});
    return h->handles;
}

uint32_t rig_caller(struct harness *h, const char *source)
{
    return rig_caller_of(h, HARNESS_TEST, source);
}

uint32_t rig_get(struct harness *h, uint32_t handle)
{
    return harness_open(h, handle, "GET", RIG_URL, NULL, false);
}

uint32_t rig_post(struct harness *h, uint32_t handle)
{
    return harness_open(h, handle, "POST", RIG_URL, "content-type: text/plain\n", true);
}

void rig_expect(struct harness *h, uint32_t job, const char *body)
{
    struct harness_job *j = harness_wait(h, job);
    assert_int_equal(j->error, JOB_ERROR_NONE);
    assert_string_equal(j->body ? (char *)j->body : "", body);
    harness_close(h, job);
}

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 2654435761u >> 24);
}

void rig_make_pattern(uint8_t *bytes, size_t at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = pattern(at + i);
}

void rig_expect_pattern(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != pattern(i))
            fail_msg("differs at %zu", i);
}

void rig_send_pattern(struct harness *h, uint32_t job, size_t len)
{
    static uint8_t buf[50000];
    for (size_t at = 0; at < len;) {
        size_t n = len - at < sizeof(buf) ? len - at : sizeof(buf);
        rig_make_pattern(buf, at, n);
        at += n;
        harness_send(h, job, buf, n, at == len);
    }
}

void rig_wait_sub_body(struct harness *h, uint32_t sub)
{
    while (!h->subs[sub].has_ended)
        harness_await(h);
}

void rig_wait_cancel(struct harness *h, uint32_t sub)
{
    while (!h->subs[sub].is_cancelled)
        harness_await(h);
}

void rig_wait_linger(struct harness *h, uint32_t count)
{
    while (h->lingering_count != count)
        harness_await(h);
}

void rig_expect_nothing_left(const struct harness *h)
{
    assert_int_equal(h->open_subs, 0);
    assert_int_equal(h->lingering_count, 0);
}
