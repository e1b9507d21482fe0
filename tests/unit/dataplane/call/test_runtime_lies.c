/* The dp core's side of the job border, with a runtime that lies: each row is one message that
 * breaks the contract. */
#include "tests/unit/dataplane/call/link_end.h"

struct lie {
    const char *description;
    bool after_head;
    void (*make)(struct link_rig *, struct job_slot *, const struct job_slot *start);
};

static void chunk_out_of_range(struct link_rig *r, struct job_slot *s, const struct job_slot *start)
{
    *s = end_reply_to(start, JOB_HEAD, 0);
    s->bytes = 4;
    s->chunk_count = 1;
    s->chunk[0] = r->geometry->chunks;
}
static void too_many_chunks(struct link_rig *r, struct job_slot *s, const struct job_slot *start)
{
    *s = end_reply_to(start, JOB_HEAD, 0);
    s->bytes = 9 * ARENA_CHUNK_BYTES;
    s->chunk_count = 9;
}
static void bytes_beyond_chunks(struct link_rig *r, struct job_slot *s,
                                const struct job_slot *start)
{
    *s = end_reply_to(start, JOB_HEAD, 0);
    s->bytes = ARENA_CHUNK_BYTES + 1;
    s->chunk_count = 1;
}
static void chunks_without_bytes(struct link_rig *r, struct job_slot *s,
                                 const struct job_slot *start)
{
    *s = end_reply_to(start, JOB_HEAD, 0);
    s->chunk_count = 3;
}
static void empty_head(struct link_rig *r, struct job_slot *s, const struct job_slot *start)
{
    *s = end_reply_to(start, JOB_HEAD, 0);
}
static void data_before_head(struct link_rig *r, struct job_slot *s, const struct job_slot *start)
{
    *s = end_reply_to(start, JOB_DATA, 0);
    end_fill(r, s, "x", 1);
}
static void second_head(struct link_rig *r, struct job_slot *s, const struct job_slot *start)
{
    *s = end_reply_to(start, JOB_HEAD, 0);
    end_fill(r, s, "x", 1);
}
static void job_out_of_range(struct link_rig *r, struct job_slot *s, const struct job_slot *start)
{
    *s = end_reply_to(start, JOB_ERROR, 0);
    s->job = 4;
    s->arg = JOB_ERROR_EXCEPTION;
}
static void generation_zero(struct link_rig *r, struct job_slot *s, const struct job_slot *start)
{
    *s = end_reply_to(start, JOB_ERROR, 0);
    s->generation = 0;
    s->arg = JOB_ERROR_EXCEPTION;
}
static void unknown_error(struct link_rig *r, struct job_slot *s, const struct job_slot *start)
{
    *s = end_reply_to(start, JOB_ERROR, 0);
    s->arg = JOB_ERROR_KINDS;
}
static void error_of_hearthd(struct link_rig *r, struct job_slot *s, const struct job_slot *start)
{
    *s = end_reply_to(start, JOB_ERROR, 0);
    s->arg = JOB_ERROR_HELD;
}
static void refusal(struct link_rig *r, struct job_slot *s, const struct job_slot *start)
{
    *s = end_reply_to(start, JOB_ERROR, 0);
    s->arg = JOB_ERROR_SPENT;
}
static void error_none(struct link_rig *r, struct job_slot *s, const struct job_slot *start)
{
    *s = end_reply_to(start, JOB_ERROR, 0);
}
static void unknown_type(struct link_rig *r, struct job_slot *s, const struct job_slot *start)
{
    *s = end_reply_to(start, JOB_TYPES, 0);
}
static void downward_type(struct link_rig *r, struct job_slot *s, const struct job_slot *start)
{
    *s = end_reply_to(start, JOB_START, 0);
}
static void boundless_credit(struct link_rig *r, struct job_slot *s, const struct job_slot *start)
{
    *s = end_reply_to(start, JOB_CREDIT, 0);
    s->arg = UINT64_MAX;
}

static const struct lie lies[] = {
    {"a chunk id out of range", false, chunk_out_of_range},
    {"more chunks than a slot holds", false, too_many_chunks},
    {"more bytes than its chunks hold", false, bytes_beyond_chunks},
    {"chunks without bytes", false, chunks_without_bytes},
    {"a head of no bytes", false, empty_head},
    {"data before its head", false, data_before_head},
    {"a second head", true, second_head},
    {"a job index out of range", false, job_out_of_range},
    {"generation 0", false, generation_zero},
    {"an unknown error kind", false, unknown_error},
    {"error kind none", false, error_none},
    {"an error kind that only hearthd decides", false, error_of_hearthd},
    {"a refusal of what has begun", true, refusal},
    {"an unknown message type", false, unknown_type},
    {"a message that only hearthd sends", false, downward_type},
    {"more credit than any arena holds", false, boundless_credit},
};

static void a_lie_ends_the_link_and_only_the_link(void **state)
{
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct link_rig *r = rig_create_of(4, *state);
        struct job_slot s;
        rig_start(r, 0, false);
        struct job_slot start = end_receive(r);
        if (lies[i].after_head)
            end_send_head(r, &start, 0);
        lies[i].make(r, &s, &start);
        end_send(r, &s);
        job_link_poll(&r->link, 16);
        if (r->counters.job_bad_message != 1 || r->owner[0].losts != 1 ||
            !atomic_load(&r->condemned))
            fail_msg("not refused: %s", lies[i].description);
        assert_int_equal(rig_start(r, 1, false), JOB_NO_RUNTIME);
        rig_attach(r); /* the next life works */
        assert_int_equal(rig_start(r, 1, false), JOB_STARTED);
        rig_destroy(r);
    }
}

static void impossible_ring_words_end_the_link(void **state)
{
    struct link_rig *r = rig_create_of(4, *state);
    struct job_lane *lane = &r->lane;
    rig_start(r, 0, false);
    atomic_store(&lane->up->tail, r->geometry->slots + 1);
    job_link_poll(&r->link, 16);
    assert_int_equal(r->owner[0].losts, 1);
    rig_attach(r);
    rig_start(r, 0, false);
    atomic_store(&lane->down->head, 12345); /* beyond what was produced: counts as full */
    while (job_link_credit(&r->link, r->owner[0].ref, 1))
        ;
    assert_int_equal(rig_start(r, 1, false), JOB_NO_ROOM);
    job_link_poll(&r->link,
                  16); /* a word that reads as "full" must not make the link useless for ever */
    assert_int_equal(r->counters.job_bad_message, 2);
    assert_int_equal(r->owner[0].losts, 1);
    assert_int_equal(atomic_load(&r->condemned), 1);
    rig_destroy(r);
}

static void a_late_pair_may_not_name_more_chunks_than_a_slot_holds(void **state)
{
    struct link_rig *r = rig_create_of(4, *state);
    rig_start(r, 0, false);
    struct job_slot start = end_receive(r);
    job_link_abandon(&r->link, r->owner[0].ref);
    r->owner[0].is_live = false;
    end_send_head(r, &start, 0);
    struct job_slot data = end_reply_to(&start, JOB_DATA, JOB_F_END);
    data.chunk_count = UINT8_MAX;
    end_send(r, &data);
    job_link_poll(&r->link, 16);
    assert_int_equal(r->counters.job_bad_message, 1);
    assert_int_equal(atomic_load(&r->condemned), 1);
    /* Nothing from beyond the slot went into the shared region: only the head's chunk came back. */
    struct job_lane *lane = &r->lane;
    assert_true(atomic_load(&lane->arena_up.shared->returns_tail) <= 1);
    rig_destroy(r);
}

static void a_false_return_is_noticed_without_a_message(void **state)
{
    struct link_rig *r = rig_create_of(4, *state);
    struct job_lane *lane = &r->lane;
    lane->arena_down.shared->returns[0] = 7; /* never lent */
    atomic_store(&lane->arena_down.shared->returns_tail, 1);
    arena_available(&r->link.arena_down);
    assert_int_equal(job_link_poll(&r->link, 16), 0);
    assert_int_equal(atomic_load(&r->condemned), 1);
    rig_destroy(r);
}

/* Each test with each geometry. */
static const struct job_geometry *const geometries[] = {&job_geometry_small, &job_geometry_large};

int main(void)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof(geometries) / sizeof(*geometries); i++) {
        void *geometry = (void *)geometries[i];
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_prestate(a_lie_ends_the_link_and_only_the_link, geometry),
            cmocka_unit_test_prestate(impossible_ring_words_end_the_link, geometry),
            cmocka_unit_test_prestate(a_late_pair_may_not_name_more_chunks_than_a_slot_holds,
                                      geometry),
            cmocka_unit_test_prestate(a_false_return_is_noticed_without_a_message, geometry),
        };
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
