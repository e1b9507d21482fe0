/* The memory of a call's answer: no credit without chunks. And what origins say and ask. */
#include "dataplane/base/mutant.h"
#include "dataplane/call/call_state.h"
#include "dataplane/call/cells.h"
#include "dataplane/core_state.h"
#include "dataplane/rpc/peers.h"
#include "dataplane/world/world.h"

enum {
    BEGIN_CHUNKS = ANSWER_CHUNKS + 16, /* with its head, its context, and floors elsewhere */
    CREDIT_STEP_BYTES = 64 * 1024,     /* each is a wake-up of the cell: what its arena holds */
    MOST_PART = 32,                    /* of the pool: what one answer may have */
};

/* Of the floors of a call that begins: the first one takes what there is. If it waited, it might be
 * for ever, for nobody would give anything back. What a script calls goes before other calls: until
 * it is answered, its parent gives nothing back either. That is so for a chain of calls; those
 * beside it wait for what abounds (584 sub-requests of each of four requests at once, and others'
 * requests waited 5 ms and more for theirs). NULL: from a client, still to come. */
static enum chunk_rank rank_of(uint32_t others, const struct call *c)
{
    if (others == 0)
        return CHUNK_MUST;
    if (!c || !c->span)
        return CHUNK_BEGINS;
    return c->budget.tree->calls > CONTEXT_DEPTH_MAX ? CHUNK_WAITS : CHUNK_COMES;
}

/* A request that is still to come holds the memory of its answer for as long as its client likes.
 * While chunks abound that is no harm; when half of them are taken, such requests must leave the
 * rest to those that are here. */
static bool may_upload(const struct core *core)
{
    const struct chunk_pool *pool = &core->chunks;
    return chunk_shared(pool) > pool->count / 2 ||
           core->calls->uploads * ANSWER_CHUNKS < pool->count / CHUNKS_UPLOADS_PART;
}

void call_end_upload(struct core *core, struct call *c)
{
    core->calls->uploads -= c->is_upload;
    c->is_upload = false;
}

bool call_has_memory(const struct core *core, bool is_upload)
{
    if (is_upload && !may_upload(core))
        return false;
    return chunk_room(&core->chunks, &(struct chunk_account){0},
                      rank_of(core->calls->live, NULL)) >= BEGIN_CHUNKS;
}

bool call_has_head_memory(const struct core *core)
{
    return chunk_room(&core->chunks, &(struct chunk_account){0},
                      rank_of(core->calls->live, NULL)) >= byte_queue_chunks(JOB_HEAD_BYTES_MAX);
}

bool call_reserve(struct core *core, struct call *c, uint32_t chunks)
{
    if (MUTANT(HEAD_WITHOUT_MEMORY))
        chunks = 4;
    return c->answer->account.floor >= chunks ||
           chunk_reserve(&core->chunks, &c->answer->account, chunks,
                         rank_of(core->calls->live - 1, c));
}

uint32_t call_first_credit(const struct call *c)
{
    uint32_t own = byte_queue_own_bytes(c->answer);
    return own > ANSWER_HEAD_BYTES_MAX ? own - ANSWER_HEAD_BYTES_MAX : 0;
}

void call_drop_head(struct core *core, struct call *c)
{
    if (c->answer && !c->has_head)
        byte_queue_clear(c->answer, &core->chunks);
    c->head_left = 0;
}

void call_end_answer(struct core *core, struct call *c)
{
    call_drop_head(core, c);
    if (c->answer && !MUTANT(FLOOR_KEPT))
        chunk_reserve(&core->chunks, &c->answer->account, 0, CHUNK_MUST);
    c->answer = NULL;
}

/* Faster, as long as chunks abound. A part of the pool at most: credit cannot be taken back from a
 * script that is slow to use it. */
static void raise_floor(struct core *core, struct byte_queue *q, size_t room)
{
    uint32_t chunks = byte_queue_chunks((uint32_t)room), most = core->chunks.count / MOST_PART;
    if (chunks > most)
        chunks = most;
    if (chunks > q->account.floor)
        chunk_reserve(&core->chunks, &q->account, chunks, CHUNK_SPARES);
}

static uint32_t outstanding(struct core *core, struct call *c)
{
    return c->state == CALL_LOCAL
               ? c->credit_due + job_link_outstanding(cells_at(core, c->link), c->job)
               : c->recv_credit;
}

void call_grant_due(struct core *core, struct call *c)
{
    if (c->credit_due == 0 || c->state != CALL_LOCAL)
        return;
    if (job_link_credit(cells_at(core, c->link), c->job, c->credit_due))
        c->credit_due = 0;
    else
        call_wait(core, c, core->now_ns + CALL_SHORT_NS);
}

void call_credit(struct core *core, struct call_ref ref, size_t room)
{
    struct call *c = call_find(core, ref);
    if (!c)
        return;
    raise_floor(core, c->answer, room);
    uint32_t own = byte_queue_own_bytes(c->answer);
    uint32_t promised = c->answer->bytes + outstanding(core, c);
    if (!c->has_head)
        promised += ANSWER_HEAD_BYTES_MAX;
    /* What comes is promised already: it falls only when the origin has taken some. An origin that
     * merely looked, for a packet without a byte, has no more time for that. */
    if (promised < c->promised)
        budget_moved(&c->budget, core->now_ns);
    c->promised = promised;
    uint32_t step = own / 2 < CREDIT_STEP_BYTES ? own / 2 : CREDIT_STEP_BYTES;
    if (own < promised + step)
        return;
    c->promised = own;
    if (c->state == CALL_LOCAL) {
        c->moved_ns = core->now_ns; /* as its cell will see it */
        c->credit_due += own - promised;
        call_grant_due(core, c);
        return;
    }
    c->recv_credit += own - promised;
    if (call_is_remote(c)) {
        c->reads = true; /* not now: the origin may be in the middle of taking what we deliver */
        call_wait(core, c, core->now_ns);
    }
}

/* ---- what origins say and ask ---- */

/* A home that has not decided yet may hand it back, and knows no stream of it if the FIN is faster
 * than the CALL. */
void call_tell_fin(struct core *core, struct call *c)
{
    bool is_running = c->state == CALL_LOCAL || c->state == CALL_REMOTE;
    if (!c->has_fin || c->fin_told || !is_running || MUTANT(FIN_UNTOLD))
        return;
    c->fin_told = c->state == CALL_LOCAL ? job_link_fin(cells_at(core, c->link), c->job)
                                         : peers_fin(core->peers, c->channel, c->stream);
    if (!c->fin_told)
        call_wait(core, c, core->now_ns + CALL_SHORT_NS);
}

bool call_fin(struct core *core, struct call_ref ref)
{
    struct call *c = call_find(core, ref);
    if (!c || c->has_fin)
        return false;
    c->has_fin = true;
    call_trace(core, c, TRACE_FIN, 0, 0);
    call_tell_fin(core, c);
    return true;
}

enum job_error call_job_error(uint32_t error)
{
    if (error < JOB_ERROR_KINDS)
        return (enum job_error)error;
    return error == CALL_ERROR_LOST ? JOB_ERROR_LOST : JOB_ERROR_REFUSED;
}

/* Also while its last event is being told. */
static const struct call *look(struct core *core, struct call_ref ref)
{
    const struct call *c = &core->calls->call[ref.index < core->calls->count ? ref.index : 0];
    return ref.generation != 0 && c->generation == ref.generation && c->state != CALL_FREE ? c
                                                                                           : NULL;
}

enum call_path call_path(struct core *core, struct call_ref ref)
{
    const struct call *c = look(core, ref);
    return c ? (enum call_path)c->path : CALL_HERE;
}

uint16_t call_home(struct core *core, struct call_ref ref)
{
    const struct call *c = look(core, ref);
    const struct world_cluster *cluster = &core->world->cluster;
    /* Of the world in which it was placed, which may have had more members. */
    return c && c->home < cluster->member_count ? c->home : cluster->self;
}
