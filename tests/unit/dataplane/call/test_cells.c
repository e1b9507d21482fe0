/* The cells of a core. */
#include "cells_rig.h"

#include "dataplane/call/sub.h"

static void on_lost(void *core, uint32_t owner, enum job_error suspected_of)
{
    rig->owner[owner].losts++;
    rig->owner[owner].lost_as = ++rig->losts;
    rig->owner[owner].suspected_of = suspected_of;
}

static void on_done(void *core, uint32_t owner)
{
    rig->owner[owner].dones++;
}

static void on_ran(void *core, uint32_t owner, uint64_t cpu_us)
{
    rig->owner[owner].cpu_us += cpu_us;
}

static void on_error(void *core, uint32_t owner, enum job_error error)
{
    rig->owner[owner].error = error;
}

static void on_came(struct core *core, uint64_t script)
{
    rig->came_last = script;
}

static const struct job_link_events events = {.lost = on_lost,
                                              .done = on_done,
                                              .ran = on_ran,
                                              .error = on_error,
                                              .warmed = cells_warmed,
                                              .touched = cells_touched,
                                              .spent = cells_spent};

static int setup(void **state)
{
    return rig_start(8, 2, &events, on_came);
}

static int setup_many(void **state)
{
    return rig_start(CELL_LINKS_MAX, 2, &events, on_came);
}

static void start_job(uint32_t owner, uint32_t link, uint64_t script)
{
    struct job_link *l = cells_at(rig->core, link);
    assert_int_equal(job_link_start(l, owner, script, 1, (const uint8_t *)"head", 4, JOB_F_END,
                                    rig->core->now_ns, &rig->owner[owner].ref),
                     JOB_STARTED);
    cells_started(rig->core, l);
}

/* Its client leaves, and the cell says that it is through. */
static void end_job(uint32_t owner, uint32_t link)
{
    struct job_ref ref = rig->owner[owner].ref;
    job_link_cancel(cells_at(rig->core, link), ref);
    say(link, &(struct job_slot){
                  .type = JOB_DONE, .job = ref.index, .generation = ref.generation, .arg2 = 700});
    iterate(MS);
    assert_int_equal(rig->owner[owner].dones, 1);
    assert_int_equal(rig->owner[owner].cpu_us, 700);
}

static struct job_link *picked(void)
{
    return cells_pick(rig->core, SCRIPT);
}

/* ---- wishes ---- */

static void what_has_no_cell_is_wished_for_and_again_while_it_waits(void **state)
{
    struct cell_wish wish;
    assert_null(picked());
    assert_int_equal(cells_warmth(rig->core, SCRIPT), WARMTH_UNKNOWN);
    cells_need(rig->core, SCRIPT);
    assert_true(hear(&wish));
    assert_int_equal(wish.type, CELL_WISH_START);
    assert_int_equal(wish.script, SCRIPT);
    assert_true(wish.is_demanded);
    assert_int_equal(cells_warmth(rig->core, SCRIPT), WARMTH_ASKED);
    cells_need(rig->core, SCRIPT);
    hear_nothing();
    iterate(WARMTH_NEED_NS);
    cells_need(rig->core, SCRIPT);
    assert_true(hear(&wish));
}

static void a_guess_is_wished_for_once(void **state)
{
    struct cell_wish wish;
    assert_true(cells_ask(rig->core, SCRIPT, false));
    assert_true(hear(&wish));
    assert_false(wish.is_demanded);
    assert_false(cells_ask(rig->core, SCRIPT, false));
    attach(0, SCRIPT, &job_geometry_small);
    iterate(WARMTH_AGAIN_NS);
    assert_false(cells_ask(rig->core, SCRIPT, true)); /* it has one */
    hear_nothing();
}

static void a_script_whose_cell_died_may_be_asked_for_at_once(void **state)
{
    struct cell_wish wish;
    assert_true(cells_ask(rig->core, SCRIPT, false));
    assert_true(hear(&wish));
    attach(0, SCRIPT, &job_geometry_small);
    say_loaded(0, SCRIPT);
    detach(0, (struct job_blame){0});
    hear_released(0);
    assert_true(cells_ask(rig->core, SCRIPT, false));
}

static void a_guess_that_was_refused_does_not_stand_in_the_way_of_demand(void **state)
{
    struct cell_wish wish;
    assert_true(cells_ask(rig->core, SCRIPT, false));
    assert_true(hear(&wish)); /* and there is no room */
    assert_true(cells_ask(rig->core, SCRIPT, true));
    assert_true(hear(&wish));
    assert_true(wish.is_demanded);
    assert_false(cells_ask(rig->core, SCRIPT, true)); /* not again at once */
    iterate(WARMTH_NEED_NS);
    assert_true(cells_ask(rig->core, SCRIPT, true));
}

static void what_is_in_demand_is_asked_for_though_it_was_here_lately(void **state)
{
    attach(0, SCRIPT, &job_geometry_small);
    say_loaded(0, SCRIPT);
    retire(0);
    hear_released(0);
    assert_false(cells_ask(rig->core, SCRIPT, false));
    assert_true(cells_ask(rig->core, SCRIPT, true));
}

static void without_a_zygote_nothing_is_wished_for(void **state)
{
    rig->world.can_start_cells = false;
    assert_false(cells_ask(rig->core, SCRIPT, true));
    cells_need(rig->core, SCRIPT);
    hear_nothing();
}

/* ---- who gets a job ---- */

static void a_ready_cell_is_picked_before_one_that_starts_and_then_the_idler(void **state)
{
    attach(3, SCRIPT, &job_geometry_small);
    assert_int_equal(picked()->index, 3);
    assert_int_equal(cells_warmth(rig->core, SCRIPT), WARMTH_ASKED);
    attach(5, SCRIPT, &job_geometry_small);
    say_loaded(3, SCRIPT);
    assert_int_equal(cells_warmth(rig->core, SCRIPT), WARMTH_WARM);
    start_job(0, 3, SCRIPT);
    assert_int_equal(picked()->index, 3); /* the other one is idle, but not ready */
    say_loaded(5, SCRIPT);
    assert_int_equal(picked()->index, 5);
    start_job(1, 5, SCRIPT);
    start_job(2, 5, SCRIPT);
    assert_int_equal(picked()->index, 3);
    assert_null(cells_pick(rig->core, OTHER));
}

/* Two handles that share a bucket. */
static void scripts_do_not_get_each_others_cells(void **state)
{
    attach(0, SCRIPT, &job_geometry_small);
    attach(1, SCRIPT + 64, &job_geometry_small);
    assert_int_equal(picked()->index, 0);
    assert_int_equal(cells_pick(rig->core, SCRIPT + 64)->index, 1);
    retire(1);
    hear_released(1);
    assert_int_equal(picked()->index, 0);
    assert_null(cells_pick(rig->core, SCRIPT + 64));
}

/* ---- the end of a link ---- */

static void a_link_without_jobs_is_released_as_soon_as_it_is_retired(void **state)
{
    attach(0, SCRIPT, &job_geometry_small);
    say_loaded(0, SCRIPT);
    retire(0);
    hear_released(0);
    assert_null(picked());
    assert_int_equal(cells_warmth(rig->core, SCRIPT), WARMTH_UNKNOWN);
    /* Its number is free. */
    attach(0, OTHER, &job_geometry_small);
    assert_int_equal(cells_pick(rig->core, OTHER)->index, 0);
}

static void a_link_with_jobs_is_released_once_with_its_last_one(void **state)
{
    attach(0, SCRIPT, &job_geometry_small);
    say_loaded(0, SCRIPT);
    start_job(0, 0, SCRIPT);
    start_job(1, 0, SCRIPT);
    retire(0);
    assert_null(picked());
    end_job(0, 0);
    iterate(100 * MS);
    hear_nothing();
    end_job(1, 0);
    hear_released(0);
    iterate(MS);
    hear_nothing();
}

static void the_pulse_counts_what_started_and_what_is_under_way(void **state)
{
    attach(0, SCRIPT, &job_geometry_small);
    say_loaded(0, SCRIPT);
    start_job(0, 0, SCRIPT);
    start_job(1, 0, SCRIPT);
    assert_int_equal(cell_mail_pulse(rig->mail, 0).live, 2);
    end_job(0, 0);
    assert_int_equal(cell_mail_pulse(rig->mail, 0).live, 1);
    detach(0, (struct job_blame){0});
    assert_int_equal(cell_mail_pulse(rig->mail, 0).live, 0);
    assert_int_equal(cell_mail_pulse(rig->mail, 0).started, 2);
}

static void a_cell_that_died_loses_its_jobs_and_the_suspect_is_told(void **state)
{
    attach(0, SCRIPT, &job_geometry_small);
    say_loaded(0, SCRIPT);
    start_job(0, 0, SCRIPT);
    start_job(1, 0, SCRIPT);
    detach(0, (struct job_blame){
                  .script = SCRIPT,
                  .job = job_name(0, rig->owner[1].ref.index, rig->owner[1].ref.generation)});
    assert_int_equal(rig->owner[0].losts, 1);
    assert_int_equal(rig->owner[1].losts, 1);
    assert_int_equal(rig->owner[0].suspected_of, JOB_ERROR_NONE);
    assert_int_equal(rig->owner[1].suspected_of, JOB_ERROR_LOST);
    hear_released(0);
    assert_null(picked());
}

static void of_cells_that_die_at_once_the_suspects_are_told_first(void **state)
{
    attach(0, SCRIPT, &job_geometry_small);
    attach(1, OTHER, &job_geometry_small);
    start_job(0, 0, SCRIPT);
    start_job(1, 1, OTHER);
    struct job_blame by = {
        .script = OTHER, .job = job_name(0, rig->owner[1].ref.index, rig->owner[1].ref.generation)};
    cell_mail_tell(rig->mail, &(struct cell_news){.type = CELL_DETACH, .link = 0});
    tell(&(struct cell_news){.type = CELL_DETACH, .link = 1, .ended_by = by});
    assert_int_equal(rig->owner[1].lost_as, 1);
    assert_int_equal(rig->owner[1].suspected_of, JOB_ERROR_LOST);
    assert_int_equal(rig->owner[0].lost_as, 2);
    assert_int_equal(rig->owner[0].suspected_of, JOB_ERROR_NONE);
}

static void a_retired_cell_that_dies_is_released_once(void **state)
{
    attach(0, SCRIPT, &job_geometry_small);
    start_job(0, 0, SCRIPT);
    retire(0);
    detach(0, (struct job_blame){0});
    assert_int_equal(rig->owner[0].losts, 1);
    hear_released(0);
    detach(0, (struct job_blame){0}); /* it had crossed the RELEASED */
    iterate(MS);
    hear_nothing();
}

static void
a_cell_that_breaks_the_contract_is_picked_no_more_and_released_with_its_end(void **state)
{
    attach(0, SCRIPT, &job_geometry_small);
    say_loaded(0, SCRIPT);
    start_job(0, 0, SCRIPT);
    say(0, &(struct job_slot){.type = JOB_TYPES});
    iterate(MS);
    assert_int_equal(atomic_load(&rig->end[0].condemned), 1);
    assert_int_equal(rig->owner[0].losts, 1);
    assert_null(picked());
    iterate(MS);
    hear_nothing(); /* until the control thread has ended it */
    detach(0, (struct job_blame){0});
    hear_released(0);
}

static void a_retired_cell_that_breaks_the_contract_is_released_once(void **state)
{
    attach(0, SCRIPT, &job_geometry_small);
    start_job(0, 0, SCRIPT);
    retire(0);
    say(0, &(struct job_slot){.type = JOB_TYPES});
    iterate(MS);
    hear_released(0);
    detach(0, (struct job_blame){0});
    iterate(MS);
    hear_nothing();
}

/* ---- a cell that is spent ---- */

static void refuse_job(uint32_t owner, uint32_t link)
{
    struct job_ref ref = rig->owner[owner].ref;
    say(link, &(struct job_slot){.type = JOB_ERROR,
                                 .job = ref.index,
                                 .generation = ref.generation,
                                 .arg = JOB_ERROR_SPENT});
    iterate(MS);
    assert_int_equal(rig->owner[owner].error, JOB_ERROR_SPENT);
}

static void hear_spent(uint32_t link)
{
    struct cell_wish wish;
    assert_true(hear(&wish));
    assert_int_equal(wish.type, CELL_SAID_SPENT);
    assert_int_equal(wish.link, link);
}

static void one_that_refuses_a_job_gets_no_other_and_is_told_of_once(void **state)
{
    attach(0, SCRIPT, &job_geometry_small);
    say_loaded(0, SCRIPT);
    for (uint32_t i = 0; i < 3; i++)
        start_job(i, 0, SCRIPT);
    refuse_job(0, 0);
    assert_null(picked());
    assert_int_equal(cells_warmth(rig->core, SCRIPT), WARMTH_UNKNOWN);
    hear_spent(0);
    refuse_job(1, 0);
    say_loaded(0, SCRIPT); /* it may say what it likes */
    assert_null(picked());
    hear_nothing();
    /* It lingers on its last job, and is retired all the same. */
    retire(0);
    iterate(MS);
    hear_nothing();
    end_job(2, 0);
    hear_released(0);
}

static void for_one_that_is_spent_another_may_be_asked_for_at_once(void **state)
{
    struct cell_wish wish;
    attach(0, SCRIPT, &job_geometry_small);
    say_loaded(0, SCRIPT);
    start_job(0, 0, SCRIPT);
    refuse_job(0, 0);
    hear_spent(0);
    cells_need(rig->core, SCRIPT);
    assert_true(hear(&wish));
    assert_int_equal(wish.type, CELL_WISH_START);
    attach(1, SCRIPT, &job_geometry_small);
    assert_int_equal(rig->came_last, SCRIPT);
    assert_int_equal(picked()->index, 1);
}

static void one_that_refuses_when_it_is_retired_already_is_told_of_no_more(void **state)
{
    attach(0, SCRIPT, &job_geometry_small);
    say_loaded(0, SCRIPT);
    start_job(0, 0, SCRIPT);
    retire(0);
    refuse_job(0, 0);
    hear_released(0);
}

static void one_that_refuses_what_nobody_wants_any_more_is_spent_too(void **state)
{
    attach(0, SCRIPT, &job_geometry_small);
    start_job(0, 0, SCRIPT);
    struct job_ref ref = rig->owner[0].ref;
    job_link_cancel(cells_at(rig->core, 0), ref);
    say(0, &(struct job_slot){.type = JOB_ERROR,
                              .job = ref.index,
                              .generation = ref.generation,
                              .arg = JOB_ERROR_SPENT});
    iterate(MS);
    assert_int_equal(rig->owner[0].dones, 1);
    assert_int_equal(rig->owner[0].error, JOB_ERROR_NONE);
    assert_null(picked());
    hear_spent(0);
}

/* ---- larger regions ---- */

static void a_link_that_is_half_full_is_wished_larger_once_a_second(void **state)
{
    struct cell_wish wish;
    uint32_t most = job_geometry_small.jobs / 2;
    attach(0, SCRIPT, &job_geometry_small);
    say_loaded(0, SCRIPT);
    for (uint32_t i = 0; i < most; i++) {
        start_job(i, 0, SCRIPT);
        cells_flush(rig->core);
        read_all(0);
    }
    hear_nothing();
    start_job(most, 0, SCRIPT);
    assert_true(hear(&wish));
    assert_int_equal(wish.type, CELL_WISH_LARGER);
    assert_int_equal(wish.link, 0);
    cells_outgrown(rig->core, cells_at(rig->core, 0));
    hear_nothing();
    iterate(1000 * MS);
    cells_outgrown(rig->core, cells_at(rig->core, 0));
    assert_true(hear(&wish));
}

static void a_larger_region_takes_over_and_the_first_ends_what_it_has(void **state)
{
    attach(0, SCRIPT, &job_geometry_small);
    say_loaded(0, SCRIPT);
    start_job(0, 0, SCRIPT);
    attach_as(1, SCRIPT, &job_geometry_large, true);
    retire(0);
    assert_int_equal(picked()->index, 1);
    assert_int_equal(cells_warmth(rig->core, SCRIPT), WARMTH_WARM);
    cells_outgrown(rig->core, cells_at(rig->core, 1)); /* there is none */
    hear_nothing();
    end_job(0, 0);
    hear_released(0);
}

static void a_larger_region_is_ready_when_the_cell_says_so(void **state)
{
    attach(0, SCRIPT, &job_geometry_small);
    attach(1, SCRIPT, &job_geometry_large);
    retire(0);
    assert_int_equal(cells_warmth(rig->core, SCRIPT), WARMTH_ASKED);
    say_loaded(1, SCRIPT);
    assert_int_equal(cells_warmth(rig->core, SCRIPT), WARMTH_WARM);
}

static void large_tables_are_given_back(void **state)
{
    for (uint32_t i = 0; i < 5; i++) {
        attach(0, SCRIPT, &job_geometry_large);
        attach(1, SCRIPT, &job_geometry_large);
        retire(1);
        hear_released(1);
        detach(0, (struct job_blame){0});
        hear_released(0);
        for (uint32_t k = 0; k < 2; k++)
            munmap(rig->end[k].region, job_region_bytes(1, &job_geometry_large));
        rig->end[0].region = rig->end[1].region = NULL;
    }
}

/* ---- load, and what an iteration costs ---- */

static void a_delay_is_not_remembered_of_a_cell_at_rest(void **state)
{
    uint64_t delay_ns;
    attach(0, SCRIPT, &job_geometry_small);
    say_loaded(0, SCRIPT);
    start_job(0, 0, SCRIPT);
    iterate(5 * MS);
    iterate(5 * MS);
    cells_load(rig->core, &delay_ns);
    assert_int_equal(delay_ns, 10 * MS);
    read_all(0);
    end_job(0, 0);
    read_all(0);
    iterate(1000 * MS);
    iterate(MS);
    assert_int_equal(cells_load(rig->core, &delay_ns), 0);
    assert_int_equal(delay_ns, 0);
    assert_int_equal(picked()->shed.delay_ns, 0);
    assert_int_equal(cells_jobs(rig->core), 0);
}

/* Nobody may so much as look into the regions of those at rest. */
static void an_iteration_looks_only_at_cells_with_work(void **state)
{
    enum { ACTIVE = 5 };
    void *shared = map_region(&job_geometry_small);
    for (uint32_t i = ACTIVE; i < rig->links; i++) {
        tell(&(struct cell_news){.type = CELL_ATTACH,
                                 .link = i,
                                 .script = SCRIPT + i,
                                 .region = shared,
                                 .geometry = job_geometry_small,
                                 .wake_fd = -1});
        cells_warmed(rig->core, i, SCRIPT + i, 1);
    }
    iterate(MS);
    assert_int_equal(mprotect(shared, job_region_bytes(1, &job_geometry_small), PROT_NONE), 0);
    for (uint32_t i = 0; i < ACTIVE; i++) {
        attach(i, SCRIPT + i, &job_geometry_small);
        say_loaded(i, SCRIPT + i);
        start_job(i, i, SCRIPT + i);
    }
    for (uint32_t i = 0; i < 100; i++) {
        iterate(MS);
        cells_sleep(rig->core);
        cells_woke(rig->core, false);
    }
    assert_int_equal(cells_jobs(rig->core), ACTIVE);
    assert_int_equal(cells_pick(rig->core, SCRIPT + rig->links - 1)->index, rig->links - 1);
    munmap(shared, job_region_bytes(1, &job_geometry_small));
}

/* More than one slice is for: each has its turn, and then nothing keeps the core awake. */
static void many_that_speak_at_once_are_heard_one_after_the_other(void **state)
{
    enum { MANY = 64, AT_ONCE = 512 / 32 };
    uint32_t heard = 0, iterations = 0;
    for (uint32_t i = 0; i < MANY; i++) {
        attach(i, SCRIPT + i, &job_geometry_small);
        say(i, &(struct job_slot){.type = JOB_WARMED, .arg = SCRIPT + i, .arg2 = 500});
    }
    for (bool is_behind = true; is_behind; iterations++) {
        rig->core->is_behind = false;
        iterate(1000);
        is_behind = rig->core->is_behind;
        heard = 0;
        for (uint32_t i = 0; i < MANY; i++)
            heard += cells_warmth(rig->core, SCRIPT + i) == WARMTH_WARM;
        assert_int_equal(heard, (iterations + 1) * AT_ONCE);
    }
    assert_int_equal(iterations, MANY / AT_ONCE);
}

static bool is_looked_at(uint32_t link)
{
    const struct job_region_header *region = rig->end[link].region;
    return !atomic_load(&region->core_asleep[0].asleep);
}

/* Thousands may have a job that waits for something. */
static void a_cell_with_a_job_and_nothing_to_say_is_looked_at_when_it_rings(void **state)
{
    attach(0, SCRIPT, &job_geometry_small);
    say_loaded(0, SCRIPT);
    start_job(0, 0, SCRIPT);
    iterate(MS / 2);
    read_all(0);
    for (uint32_t i = 0; is_looked_at(0); i++) {
        assert_true(i < 100);
        iterate(MS);
    }
    assert_int_equal(cells_jobs(rig->core), 1);
    assert_false(cells_sleep(rig->core));
    assert_false(is_looked_at(0));
    cells_woke(rig->core, false);
    assert_false(is_looked_at(0));

    job_link_cancel(cells_at(rig->core, 0), rig->owner[0].ref);
    assert_true(is_looked_at(0)); /* it is told something, and will say something */
    for (uint32_t i = 0; i < 3; i++)
        iterate(MS);
    assert_false(is_looked_at(0));
    say(0, &(struct job_slot){.type = JOB_DONE,
                              .job = rig->owner[0].ref.index,
                              .generation = rig->owner[0].ref.generation});
    iterate(MS);
    assert_int_equal(rig->owner[0].dones, 1);
    iterate(MS);
    assert_int_equal(cells_jobs(rig->core), 0);
}

/* The core's thread has read the bell. */
static void a_core_that_a_quiet_cell_woke_looks_who_it_was(void **state)
{
    for (uint32_t i = 0; i < 3; i++)
        attach(i, SCRIPT + i, &job_geometry_small);
    iterate(MS);
    iterate(MS);
    say(1, &(struct job_slot){.type = JOB_WARMED, .arg = SCRIPT + 1, .arg2 = 500});
    eventfd_t rings;
    assert_int_equal(eventfd_read(rig->core->wake_fd, &rings), 0);
    cells_woke(rig->core, true);
    assert_true(cells_sleep(rig->core)); /* not before it has looked */
    cells_woke(rig->core, false);
    iterate(MS);
    assert_int_equal(cells_warmth(rig->core, SCRIPT + 1), WARMTH_WARM);
    assert_false(is_looked_at(0));
    assert_false(cells_sleep(rig->core));
    cells_woke(rig->core, false);
}

/* All quiet ones are looked at then. */
static void who_rings_for_nothing_all_the_time_is_looked_at_every_50_us(void **state)
{
    struct job_region_header *region;
    uint32_t looks = 0;
    attach(0, SCRIPT, &job_geometry_small);
    iterate(MS);
    iterate(MS);
    assert_false(is_looked_at(0));
    region = rig->end[0].region;
    for (uint32_t i = 0; i < 1000; i++) {
        atomic_store(&region->core_asleep[0].asleep, 0);
        cells_woke(rig->core, true);
        iterate(1000);
        looks += atomic_load(&region->core_asleep[0].asleep);
    }
    assert_in_range(looks, 18, 22);
}

/* Of what was heard already: it was held up before it rang. */
static void one_that_rang_for_nothing_rings_again(void **state)
{
    struct job_region_header *region;
    attach(0, SCRIPT, &job_geometry_small);
    iterate(MS);
    iterate(MS);
    assert_false(is_looked_at(0));
    region = rig->end[0].region;
    assert_true(job_sleeper_take(&region->core_asleep[0]));
    eventfd_write(rig->core->wake_fd, 1);
    iterate(MS);
    assert_false(is_looked_at(0));
    say_loaded(0, SCRIPT);
    assert_int_equal(cells_warmth(rig->core, SCRIPT), WARMTH_WARM);
}

/* As while nobody has answered yet. */
static void many_that_are_silent_do_not_keep_the_core_awake(void **state)
{
    for (uint32_t i = 0; i < 8; i++) {
        for (uint32_t link = 8 * i; link < 8 * i + 8; link++)
            attach(link, SCRIPT + link, &job_geometry_small);
        rig->core->is_behind = false;
        iterate(MS);
        assert_false(rig->core->is_behind);
        assert_false(cells_sleep(rig->core));
        cells_woke(rig->core, false);
    }
}

#define CELLS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_end)

#define MANY_TEST(name) cmocka_unit_test_setup_teardown(name, setup_many, rig_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CELLS_TEST(what_has_no_cell_is_wished_for_and_again_while_it_waits),
        CELLS_TEST(a_guess_is_wished_for_once),
        CELLS_TEST(a_script_whose_cell_died_may_be_asked_for_at_once),
        CELLS_TEST(a_guess_that_was_refused_does_not_stand_in_the_way_of_demand),
        CELLS_TEST(what_is_in_demand_is_asked_for_though_it_was_here_lately),
        CELLS_TEST(without_a_zygote_nothing_is_wished_for),
        CELLS_TEST(a_ready_cell_is_picked_before_one_that_starts_and_then_the_idler),
        CELLS_TEST(scripts_do_not_get_each_others_cells),
        CELLS_TEST(a_link_without_jobs_is_released_as_soon_as_it_is_retired),
        CELLS_TEST(a_link_with_jobs_is_released_once_with_its_last_one),
        CELLS_TEST(the_pulse_counts_what_started_and_what_is_under_way),
        CELLS_TEST(a_cell_that_died_loses_its_jobs_and_the_suspect_is_told),
        CELLS_TEST(of_cells_that_die_at_once_the_suspects_are_told_first),
        CELLS_TEST(a_retired_cell_that_dies_is_released_once),
        CELLS_TEST(a_cell_that_breaks_the_contract_is_picked_no_more_and_released_with_its_end),
        CELLS_TEST(a_retired_cell_that_breaks_the_contract_is_released_once),
        CELLS_TEST(one_that_refuses_a_job_gets_no_other_and_is_told_of_once),
        CELLS_TEST(for_one_that_is_spent_another_may_be_asked_for_at_once),
        CELLS_TEST(one_that_refuses_when_it_is_retired_already_is_told_of_no_more),
        CELLS_TEST(one_that_refuses_what_nobody_wants_any_more_is_spent_too),
        CELLS_TEST(a_link_that_is_half_full_is_wished_larger_once_a_second),
        CELLS_TEST(a_larger_region_takes_over_and_the_first_ends_what_it_has),
        CELLS_TEST(a_larger_region_is_ready_when_the_cell_says_so),
        CELLS_TEST(large_tables_are_given_back),
        CELLS_TEST(a_delay_is_not_remembered_of_a_cell_at_rest),
        MANY_TEST(an_iteration_looks_only_at_cells_with_work),
        CELLS_TEST(a_cell_with_a_job_and_nothing_to_say_is_looked_at_when_it_rings),
        CELLS_TEST(a_core_that_a_quiet_cell_woke_looks_who_it_was),
        CELLS_TEST(one_that_rang_for_nothing_rings_again),
        CELLS_TEST(who_rings_for_nothing_all_the_time_is_looked_at_every_50_us),
        MANY_TEST(many_that_speak_at_once_are_heard_one_after_the_other),
        MANY_TEST(many_that_are_silent_do_not_keep_the_core_awake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
