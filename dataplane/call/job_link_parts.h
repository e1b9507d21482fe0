/* job_link_parts.h
 *
 * What job_link.c (jobs, the region's life) and job_link_sub.c (sub-requests) share; for no
 * one else.
 */
#ifndef HEARTH_JOB_LINK_PARTS_H
#define HEARTH_JOB_LINK_PARTS_H

#include "dataplane/call/job_link.h"

/* More than the largest arena holds is no credit, but nonsense. */
#define RUNTIME_CREDIT_MAX (ARENA_CHUNKS_MAX * (uint64_t)ARENA_CHUNK_BYTES)

/* A few slots, a sixteenth, are kept for CANCEL and CREDIT, so that a burst of STARTs cannot shut
 * out control. Is there another one? */
static inline bool runtime_has_slot(struct job_link *l)
{
    uint32_t reserve = l->down.slots / 16;
    return l->region && job_producer_free(&l->down, reserve + 1) > reserve;
}

struct body_views {
    struct head_view view[JOB_SLOT_CHUNKS];
    uint32_t count;
};

/* Room was looked for first. */
void runtime_push(struct job_link *, const struct job_slot *);
/* Copies bytes into fresh arena chunks named by slot; the caller made sure that they exist. */
void runtime_fill(struct job_link *, struct job_slot *, const uint8_t *bytes, size_t len);
/* Chunks and length of a slot must fit each other: all chunks but the last are full. */
bool runtime_views_of(struct job_link *, const struct job_slot *, struct body_views *out);

/* ---- job_link_sub.c ---- */

/* Head and body of a sub-request: in a slot's chunks as always. False: a breach. */
bool runtime_on_sub(struct job_link *, struct runtime_job *, const struct job_slot *);
/* Its body, credit or end; messages about a sub that is over are late. False: a breach. */
bool runtime_on_sub_message(struct job_link *, const struct job_slot *);
/* The region is gone. */
void runtime_subs_lose(struct job_link *);

#endif
