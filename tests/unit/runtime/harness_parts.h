/* harness_parts.h
 *
 * What the files of the harness say to each other, and no one else:
 *
 *   harness_cell.c cells and their scripts: started, told, heard, ended
 *   harness.c      jobs down and up, waiting
 *   harness_sub.c  sub-requests: passed on to the script that is called, or answered by the test
 */
#ifndef HEARTH_TEST_HARNESS_PARTS_H
#define HEARTH_TEST_HARNESS_PARTS_H

#include "harness.h"

/* ---- harness_cell.c ---- */

struct harness_script *harness_script_of(struct harness *, uint32_t handle);
/* The link that a START for the script goes to. */
struct harness_link *harness_link_for(struct harness *, uint32_t handle);
/* One more reason for its cell to live (1): a job, or whoever waits for it; one less (-1). */
void harness_count(struct harness_link *, int change);
/* Takes what has come by the cell's start socket. True: something. */
bool harness_hear(struct harness *, struct harness_cell *);
/* Its process ends; it must do so with 0. The cell is freed. */
void harness_end_cell(struct harness *, struct harness_cell *);
/* Ends those that are retired and have no jobs. */
void harness_end_retired(struct harness *);

/* ---- harness.c ---- */

/* Waits for room in the ring, and wakes the cell. */
void harness_push(struct harness *, struct harness_link *, const struct job_slot *);
/* Puts bytes into chunks of ours; waits for chunks. */
void harness_fill(struct harness *, struct harness_link *, struct job_slot *, const uint8_t *bytes,
                  size_t len);
/* The payload of a slot that came: slot->bytes of them. */
void harness_copy_bytes(struct harness_link *, const struct job_slot *, uint8_t *out);
/* "name: value\n..." or NULL. */
void harness_write_fields(struct head_writer *, const char *fields);
struct job_slot harness_slot_of(const struct harness *, enum job_type, uint32_t job);
/* A START for the script would have to wait for the end of another job. */
bool harness_is_full(struct harness *, uint32_t handle);
uint32_t harness_start_job(struct harness *, uint32_t handle, const uint8_t *head, size_t len,
                           bool has_body);

/* ---- harness_sub.c ---- */

/* A message about a sub-request. */
void harness_take_sub(struct harness *, struct harness_link *, const struct job_slot *);
/* A message of a job that serves one goes on to its caller. */
void harness_pass_up(struct harness *, struct harness_job *, const struct job_slot *);
/* The job that made them is over. */
void harness_drop_subs(struct harness *, uint32_t job, uint32_t generation);
/* So is the whole link. */
void harness_forget_subs(struct harness *, struct harness_link *);

#endif
