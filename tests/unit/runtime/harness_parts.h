/* harness_parts.h
 *
 * What the two files of the harness say to each other, and no one else:
 *
 *   harness.c      the process, its scripts, jobs down and up, waiting
 *   harness_sub.c  sub-requests: passed on to the script that is called, or answered by the test
 */
#ifndef HEARTH_TEST_HARNESS_PARTS_H
#define HEARTH_TEST_HARNESS_PARTS_H

#include "harness.h"

/* ---- harness.c ---- */

/* Waits for room in the ring, and wakes the process. */
void harness_push(struct harness *, const struct job_slot *);
/* Puts bytes into chunks of ours; waits for chunks. */
void harness_fill(struct harness *, struct job_slot *, const uint8_t *bytes, size_t len);
/* The payload of a slot that came: slot->bytes of them. */
void harness_copy_bytes(struct harness *, const struct job_slot *, uint8_t *out);
/* "name: value\n..." or NULL. */
void harness_write_fields(struct head_writer *, const char *fields);
struct job_slot harness_slot_of(const struct harness *, enum job_type, uint32_t job);
uint32_t harness_start_job(struct harness *, uint32_t handle, const uint8_t *head, size_t len,
                           bool has_body);

/* ---- harness_sub.c ---- */

/* A message about a sub-request. */
void harness_take_sub(struct harness *, const struct job_slot *);
/* A message of a job that serves one goes on to its caller. */
void harness_pass_up(struct harness *, const struct harness_job *, const struct job_slot *);
/* The job that made them is over. */
void harness_drop_subs(struct harness *, uint32_t job, uint32_t generation);

#endif
