/* model_runtime_parts.h
 *
 * What the files of model_runtime share, and no one else:
 *
 *   model_runtime.c       its life, its lanes, jobs and their answers
 *   model_runtime_sub.c   what jobs call: relays, sub-requests on the side, lingering
 *   model_runtime_cpu.c   what jobs use of CPU time and time, and say of it
 */
#ifndef HEARTH_SIM_MODEL_RUNTIME_PARTS_H
#define HEARTH_SIM_MODEL_RUNTIME_PARTS_H

#include "tests/sim/model_runtime.h"

struct job_slot model_slot(const struct model_job *, enum job_type);
void model_push(struct model_lane *, const struct job_slot *);
/* Room for that many messages. */
bool model_has_slots(struct model_lane *, uint32_t);
/* A head, in chunks. False: there are not so many. */
bool model_put_head(struct model_lane *, struct job_slot *, const uint8_t *bytes, size_t len);
void model_take_head(const struct model_lane *, const struct job_slot *, uint8_t *out);
void model_write_pad(struct head_writer *, uint32_t id, uint32_t len);
/* The next s->bytes bytes of a body, in chunks. */
void model_put_body(struct model_lane *, struct job_slot *, uint32_t id, uint32_t from);
void model_check_body(const struct model_lane *, const struct job_slot *, uint32_t id,
                      uint32_t from, const char *what);
/* ---- model_runtime_cpu.c ---- */

/* It runs for that call of the tree book. */
void model_begin_run(struct model_runtime *, struct model_job *, uint32_t call,
                     const struct head_request *);
/* What it has used by now, and when its answer ends, as its cell says it. */
uint32_t model_cpu_said(struct model_runtime *, struct model_job *);
uint64_t model_cpu_answered(struct model_runtime *, struct model_job *);
/* A call that it makes, having said that; its number. And what it hears of its end. */
uint32_t model_make_call(struct model_runtime *, struct model_job *, uint32_t said_us);
void model_heard(struct model_runtime *, const struct model_job *, uint32_t call, uint32_t by,
                 enum job_error);
/* A field of a head: which run wrote it. */
void model_write_run(struct head_writer *, uint32_t run);
uint32_t model_read_run(uint8_t *head, uint32_t bytes);
void model_replace_run(uint8_t *head, uint32_t bytes, uint32_t run);

/* ---- the others ---- */

/* It is over, with what it called. */
void model_end_job(struct model_runtime *, struct model_job *);

void model_start_relay(struct model_runtime *, struct model_job *, const struct head_request *);
/* The request's body goes on to what it calls, and credit for the reply. */
void model_feed_relay(struct model_job *);
/* A message for a sub-request. */
void model_on_reply(struct model_runtime *, struct model_lane *, const struct job_slot *);
void model_work_on_side(struct model_runtime *, struct model_job *);
void model_work_on_lingering(struct model_runtime *, struct model_job *);
/* JOB_F_LINGERS if the job lives on behind its answer or error; else it is over. */
uint8_t model_may_linger(struct model_runtime *, struct model_job *);
/* The client has left: it is through with that at once, or goes on for a while. */
void model_on_cancel(struct model_runtime *, struct model_job *);

#endif
