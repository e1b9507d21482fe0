/* The job border under a cell that does anything: the input is a program of honest owner
 * calls and of writes into the shared region. The rig asserts what job_link promises whatever
 * the region holds. */
#include "input.h"
#include "tests/unit/dataplane/call/link_rig.h"

/* Words near a limit find more than words of any value. */
static uint32_t take_near(struct input *in, uint32_t limit)
{
    uint32_t v = input_take(in, 2);
    return v & 0x8000 ? limit - 2 + (v & 3) : v % limit;
}

static void push_any_slot(struct link_rig *r, struct input *in)
{
    struct job_slot s = {.type = (uint8_t)(input_take(in, 1) % (JOB_TYPES + 1)),
                         .flags = (uint8_t)input_take(in, 1)};
    uint32_t owner = input_take(in, 1) % RIG_OWNERS;
    s.job = r->owner[owner].ref.index;
    s.generation = r->owner[owner].ref.generation;
    uint32_t shape = input_take(in, 1);
    if (shape & 1)
        s.job = take_near(in, r->link.jobs_max);
    if (shape & 2)
        s.generation = input_take(in, 1);
    s.chunk_count = (uint8_t)(shape & 4 ? input_take(in, 1) : shape >> 5);
    s.bytes = shape & 8 ? input_take(in, 4)
                        : s.chunk_count * (uint32_t)ARENA_CHUNK_BYTES - (shape & 16 ? 5 : 0);
    for (uint32_t i = 0; i < JOB_SLOT_CHUNKS; i++)
        s.chunk[i] = i < s.chunk_count ? take_near(in, r->geometry->chunks) : 0;
    s.arg2 = input_take(in, 1);
    if (s.type >= JOB_SUB && s.type <= JOB_SUB_CREDIT && !(shape & 16))
        s.arg = (uint64_t)(1 + input_take(in, 1) % 3) << 32 | take_near(in, r->geometry->subs);
    else
        s.arg =
            shape & 16 ? input_take(in, 4) | (uint64_t)input_take(in, 4) << 32 : input_take(in, 1);
    if (job_producer_push(&r->up, &s))
        job_producer_publish(&r->up);
}

static void poke(struct link_rig *r, struct input *in)
{
    struct job_lane *lane = &r->lane;
    uint32_t slots = r->geometry->slots, chunks = r->geometry->chunks;
    switch (input_take(in, 1) % 5) {
    case 0:
        atomic_store(&lane->up->tail, atomic_load(&lane->up->tail) + take_near(in, slots));
        break;
    case 1:
        atomic_store(&lane->down->head, take_near(in, slots));
        break;
    case 2:
        atomic_store(&lane->arena_down.shared->returns_tail, take_near(in, chunks));
        break;
    case 3:
        lane->arena_down.shared->returns[take_near(in, chunks) % chunks] = take_near(in, chunks);
        break;
    case 4:
        atomic_store(&lane->arena_up.shared->returns_head, input_take(in, 4));
        break;
    }
}

static void call_sub_side(struct link_rig *r, struct input *in, struct rig_sub *s)
{
    static const uint8_t bytes[4096];
    if (!s->is_live)
        return;
    size_t room;
    bool is_end = input_take(in, 1) & 1;
    switch (input_take(in, 1) % 4) {
    case 0:
        if (!s->is_replied && job_link_reply(&r->link, s->slot, bytes, 40, is_end)) {
            s->is_replied = true;
            s->is_live = !is_end;
        }
        break;
    case 1:
        room = job_link_reply_room(&r->link, s->slot);
        if (s->is_replied &&
            job_link_reply_data(&r->link, s->slot, bytes,
                                room < sizeof(bytes) ? room : sizeof(bytes), is_end))
            s->is_live = !is_end;
        break;
    case 2:
        if (job_link_reply_error(&r->link, s->slot, JOB_ERROR_REFUSED))
            s->is_live = false;
        break;
    case 3:
        job_link_sub_credit(&r->link, s->slot, input_take(in, 2));
        break;
    }
}

static void call_owner_side(struct link_rig *r, struct input *in, uint32_t what)
{
    static uint8_t body[JOB_CREDIT_INITIAL];
    uint32_t owner = input_take(in, 1) % RIG_OWNERS;
    struct rig_owner *o = &r->owner[owner];
    uint32_t shape;
    bool ended;
    switch (what) {
    case 0:
        if (!o->is_live)
            rig_start(r, owner, input_take(in, 1) & 1);
        break;
    case 1:
        shape = input_take(in, 1);
        if (o->is_live && shape & 128)
            job_link_fin(&r->link, o->ref);
        if (o->is_live && shape % 4) {
            rig_cancel(r, owner);
        } else if (o->is_live) {
            job_link_abandon(&r->link, o->ref);
            rig_end(o);
        }
        break;
    case 2:
        job_link_body(&r->link, o->ref, body, input_take(in, 2), input_take(in, 1) & 1, &ended);
        break;
    case 3:
        job_link_credit(&r->link, o->ref, input_take(in, 2));
        break;
    case 4:
        call_sub_side(r, in, &r->sub[owner % RIG_SUBS]);
        break;
    }
}

static void run(struct link_rig *r, struct input *in)
{
    rig_attach(r);
    while (in->p < in->end) {
        uint32_t op = input_take(in, 1) % 12;
        if (op < 5)
            call_owner_side(r, in, op);
        else if (op < 9)
            push_any_slot(r, in);
        else if (op == 9)
            poke(r, in);
        else
            job_link_poll(&r->link, 1 + input_take(in, 1));
        job_link_flush(&r->link);
        if (!r->link.region && (op & 1))
            rig_attach(r);
        /* The books balance: the link's live jobs are the owners' live jobs. */
        uint32_t live = 0;
        for (uint32_t i = 0; i < RIG_OWNERS; i++)
            live += r->owner[i].is_live;
        assert(live == r->link.live_jobs);
    }
    rig_detach(r);
    assert(r->link.live_jobs == 0);
}

/* Each input with each geometry. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static struct link_rig *small, *large;
    if (!small) {
        small = rig_create_of(6, &job_geometry_small);
        large = rig_create_of(6, &job_geometry_large);
    }
    run(small, &(struct input){bytes, bytes + len});
    run(large, &(struct input){bytes, bytes + len});
    return 0;
}
