/* The job border with an honest runtime under any traffic, in regions of each size: heads as large
 * as they may be and bodies larger than credit, arena and ring pass whole and in order, in both
 * directions, and every chunk comes back. */
#include "tests/unit/dataplane/call/link_end.h"

#include "drivers/rng.h"

enum { BODY_BYTES_MAX = 150000, STEPS = 60000 };

/* A message's way: what it should be, and what has arrived of it. */
struct way {
    size_t head_bytes, body_bytes, sent, arrived;
    uint64_t head_hash, body_hash, arrived_hash;
    bool has_ended;
};

struct exchange {
    struct way request, answer;
    struct job_slot start; /* at the runtime's end; type JOB_NONE: has not arrived */
    uint32_t credit;       /* of the answer, at the runtime's end */
    bool has_head;
};

static struct rng rng;
static struct link_rig *rig;
static struct exchange exchange[RIG_OWNERS];
static uint8_t bytes[BODY_BYTES_MAX + JOB_HEAD_BYTES_MAX];
static uint32_t whole; /* exchanges */

static uint32_t below(uint32_t n)
{
    return (uint32_t)rng_next(&rng) % n;
}

/* Small, or as large as may be. */
static size_t any_size(size_t most)
{
    return below(3) ? below(2000) : below(2) ? most : below((uint32_t)most);
}

static struct way new_way(void)
{
    struct way w = {.head_bytes = 1 + any_size(JOB_HEAD_BYTES_MAX - 1),
                    .body_bytes = any_size(BODY_BYTES_MAX)};
    w.head_hash = rig_hash(0, bytes + 1, w.head_bytes);
    w.body_hash = rig_hash(0, bytes, w.body_bytes);
    return w;
}

static void begin(uint32_t owner)
{
    struct exchange *x = &exchange[owner];
    struct job_ref ref;
    *x = (struct exchange){.request = new_way(), .answer = new_way()};
    if (job_link_start(&rig->link, owner, 77, owner, bytes + 1, x->request.head_bytes, 0, NOW_NS,
                       &ref) == JOB_STARTED)
        rig->owner[owner] = (struct rig_owner){.is_live = true, .ref = ref};
}

static void send_request(uint32_t owner)
{
    struct way *w = &exchange[owner].request;
    struct rig_owner *o = &rig->owner[owner];
    if (!o->is_live || w->has_ended)
        return;
    w->sent += job_link_body(&rig->link, o->ref, bytes + w->sent, w->body_bytes - w->sent, true,
                             &w->has_ended);
}

static void finish(uint32_t owner)
{
    struct exchange *x = &exchange[owner];
    struct rig_owner *o = &rig->owner[owner];
    assert_true(o->ends == 1 && o->losts == 0);
    assert_int_equal(o->head_hash, x->answer.head_hash);
    assert_int_equal(o->body_bytes, x->answer.body_bytes);
    assert_int_equal(o->body_hash, x->answer.body_hash);
    *o = (struct rig_owner){0};
    whole++;
}

/* ---- the runtime's end ---- */

static struct exchange *exchange_of(const struct job_slot *s)
{
    for (uint32_t i = 0; i < RIG_OWNERS; i++) {
        const struct job_slot *start = &exchange[i].start;
        if (start->job == s->job && start->generation == s->generation)
            return &exchange[i];
    }
    return NULL;
}

static void hear(void)
{
    struct job_slot s = end_receive(rig);
    if (s.type == JOB_NONE)
        return;
    struct exchange *x = s.type == JOB_START ? &exchange[s.arg2] : exchange_of(&s);
    if (!x) {
        assert_int_equal(s.type, JOB_CREDIT); /* for an answer that had ended */
        return;
    }
    uint64_t hash = s.type == JOB_START ? 0 : x->request.arrived_hash;
    for (uint32_t i = 0, left = s.bytes; i < s.chunk_count; i++) {
        uint32_t part = left < ARENA_CHUNK_BYTES ? left : ARENA_CHUNK_BYTES;
        hash = rig_hash(hash, arena_view(&rig->arena_down, s.chunk[i]), part);
        left -= part;
        assert_true(arena_give_back(&rig->arena_down, s.chunk[i]));
    }
    switch (s.type) {
    case JOB_START:
        assert_int_equal(hash, x->request.head_hash);
        x->start = s;
        x->credit = JOB_ANSWER_CREDIT_INITIAL;
        break;
    case JOB_BODY:
        x->request.arrived += s.bytes;
        x->request.arrived_hash = hash;
        if (s.flags & JOB_F_END) {
            assert_int_equal(x->request.arrived, x->request.body_bytes);
            assert_int_equal(hash, x->request.body_hash);
        }
        struct job_slot credit = end_reply_to(&s, JOB_CREDIT, 0);
        credit.arg = s.bytes;
        end_send(rig, &credit);
        break;
    default:
        assert_int_equal(s.type, JOB_CREDIT);
        x->credit += (uint32_t)s.arg;
    }
}

/* A head, or some of the body, if there is room; some slots stay for credit. The answer ends when
 * the request has come whole. */
static void answer(struct exchange *x)
{
    struct way *w = &x->answer;
    if (x->start.type == JOB_NONE || w->has_ended ||
        (x->has_head && x->request.arrived < x->request.body_bytes && below(20)))
        return;
    const uint8_t *from = x->has_head ? bytes + w->sent : bytes + 1;
    size_t len = x->has_head ? w->body_bytes - w->sent : w->head_bytes;
    if (x->has_head && len > x->credit)
        len = x->credit;
    if (len > JOB_HEAD_BYTES_MAX)
        len = JOB_HEAD_BYTES_MAX;
    if (job_producer_free(&rig->up, 32) < 32 ||
        arena_available(&rig->arena_up) < arena_chunks_for(len))
        return;
    struct job_slot s = end_reply_to(&x->start, x->has_head ? JOB_DATA : JOB_HEAD, 0);
    end_fill(rig, &s, (const char *)from, len);
    if (x->has_head) {
        bool has_all = x->request.arrived == x->request.body_bytes;
        w->sent += len;
        x->credit -= (uint32_t)len;
        w->has_ended = has_all && w->sent == w->body_bytes && x->request.has_ended;
        s.flags = w->has_ended ? JOB_F_END : 0;
    }
    x->has_head = true;
    end_send(rig, &s);
}

static void step(uint32_t what, uint32_t owner)
{
    struct rig_owner *o = &rig->owner[owner];
    switch (what) {
    case 0:
        if (!o->is_live && o->ends == 0)
            begin(owner);
        break;
    case 1:
        send_request(owner);
        break;
    case 2:
        job_link_poll(&rig->link, 1 + below(20));
        break;
    case 3:
        if (o->is_live && job_link_outstanding(&rig->link, o->ref) < JOB_ANSWER_CREDIT_INITIAL)
            job_link_credit(&rig->link, o->ref, 1 + below(20000));
        break;
    case 4:
        answer(&exchange[owner]);
        break;
    default:
        hear();
    }
    assert_int_equal(rig->counters.job_bad_message, 0);
    if (o->ends)
        finish(owner);
}

static uint32_t live(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < RIG_OWNERS; i++)
        count += rig->owner[i].is_live || rig->owner[i].ends;
    return count;
}

static void any_traffic_arrives_whole_and_every_chunk_comes_back(void **state)
{
    rng.state = 7;
    rig = rig_create_of(RIG_OWNERS, *state);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)rng_next(&rng);
    memset(exchange, 0, sizeof(exchange));
    whole = 0;
    for (int i = 0; i < STEPS; i++)
        step(below(7), below(RIG_OWNERS));
    uint32_t begun = whole + live();
    assert_true(whole > 100);
    for (int i = 0; i < 100000 && live(); i++) /* and nothing is stuck */
        step(1 + below(6), below(RIG_OWNERS));
    assert_int_equal(whole, begun);
    job_link_poll(&rig->link, 100);
    while (job_consumer_pending(&rig->down))
        hear();
    assert_int_equal(rig->link.live_jobs, 0);
    assert_int_equal(arena_available(&rig->arena_up), rig->geometry->chunks);
    assert_int_equal(arena_available(&rig->link.arena_down), rig->geometry->chunks);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(any_traffic_arrives_whole_and_every_chunk_comes_back,
                                  (void *)&job_geometry_small),
        cmocka_unit_test_prestate(any_traffic_arrives_whole_and_every_chunk_comes_back,
                                  (void *)&job_geometry_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
