/* script_rig.h
 *
 * Few words for what tests of the worker say most: a script, a request for it, and what it must
 * answer. Over harness.h; a breach fails the test.
 *
 *   rig_expect  <-- rig_get, rig_post -->  rig_script | rig_caller | rig_caller_of
 *                                                          env.OTHER: the test, or another script
 *
 * Scripts may use 10 s of CPU time, for a test that is not about limits must not meet one. Their
 * handles count up from 1.
 */
#ifndef HEARTH_TEST_SCRIPT_RIG_H
#define HEARTH_TEST_SCRIPT_RIG_H

#include "harness.h"

enum { MB = 1 << 20 };

#define RIG_URL    "https://test.example/"
#define RIG_LIMITS "{\"cpu_ms\":10000}"

uint32_t rig_script(struct harness *, const char *source);
/* One that calls env.OTHER, which the test answers. */
uint32_t rig_caller(struct harness *, const char *source);
/* One that calls env.OTHER, another script. */
uint32_t rig_caller_of(struct harness *, uint32_t target, const char *source);

uint32_t rig_get(struct harness *, uint32_t handle);
uint32_t rig_post(struct harness *, uint32_t handle);
/* It ends without an error and with that body. Closes it. */
void rig_expect(struct harness *, uint32_t job, const char *body);

/* Bytes that are wrong when they are out of their place. In a script: Math.imul(at, 2654435761) >>>
 * 24 */
void rig_make_pattern(uint8_t *bytes, size_t at, size_t len);
void rig_expect_pattern(const uint8_t *bytes, size_t len);
/* The whole request body. */
void rig_send_pattern(struct harness *, uint32_t job, size_t len);

/* Until the request body of a call is complete; until it is cancelled; until so many jobs
 * linger. */
void rig_wait_sub_body(struct harness *, uint32_t sub);
void rig_wait_cancel(struct harness *, uint32_t sub);
void rig_wait_linger(struct harness *, uint32_t count);
/* No call is open and no job lingers. */
void rig_expect_nothing_left(const struct harness *);

#endif
