/* cells_rig.h
 *
 * A core with cells and nothing else, for cmocka. The test is the control thread at the other end
 * of the mail, and the cells at the other end of their regions.
 */
#ifndef HEARTH_TEST_CELLS_RIG_H
#define HEARTH_TEST_CELLS_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dataplane/call/cells.h"
#include "dataplane/call/job_link.h"
#include "dataplane/core_state.h"
#include "dataplane/world/cell_mail.h"
#include "dataplane/world/world.h"
#include "drivers/clock.h"

enum { OWNERS = 512, SCRIPT = 1000, OTHER = 1001 };

#define MS 1000000ull

/* One region of a cell. */
struct end {
    void *region;
    struct job_geometry geometry;
    _Atomic uint32_t condemned;
    struct job_consumer down;
    struct job_producer up;
    struct arena_peer arena_down;
};

struct rig {
    struct core *core;
    struct clock clock;
    struct world world;
    struct cell_mail *mail;
    struct end *end; /* by link */
    uint32_t links;
    void (*came)(struct core *, uint64_t script);
    struct {
        struct job_ref ref;
        uint32_t losts, dones;
        uint64_t cpu_us;
        enum job_error suspected_of;
        uint32_t lost_as; /* 1: the first of all */
        enum job_error error;
    } owner[OWNERS];
    uint32_t losts;
    uint64_t came_last; /* a cell of that script */
};

static struct rig *rig; /* the one of this test: events name the core only */

static void *take(size_t bytes)
{
    return memset(aligned_alloc(64, (bytes + 63) & ~(size_t)63), 0, bytes);
}

static int rig_start(uint32_t links, uint32_t larges, const struct job_link_events *events,
                     void (*came)(struct core *, uint64_t script))
{
    static const struct runtime_sub_events sub_events;
    rig = calloc(1, sizeof(*rig));
    rig->links = links;
    rig->came = came;
    rig->core = take(sizeof(*rig->core));
    rig->end = calloc(links, sizeof(*rig->end));
    clock_init_virtual(&rig->clock, 1000000000);
    rig->world.can_start_cells = true;
    rig->mail = cell_mail_init(take(cell_mail_bytes(links)), links, -1);
    rig->core->wake_fd = eventfd(0, EFD_NONBLOCK);
    rig->core->config.clock = &rig->clock;
    rig->core->config.jobs_max = JOB_JOBS_MAX;
    rig->core->world = &rig->world;
    rig->core->now_ns = clock_now_ns(&rig->clock);
    rig->core->shed_tune = rig->core->full_tune = (struct shed_tune){
        .target_us = 1000, .interval_us = 10000, .jobs_percent = 90, .chunks_percent = 90};
    rig->core->cells = cells_init(take(cells_bytes(links, larges)), rig->core, rig->mail, larges,
                                  events, &sub_events);
    return 0;
}

static int rig_end(void **state)
{
    for (uint32_t i = 0; i < rig->links; i++) {
        if (rig->end[i].region)
            munmap(rig->end[i].region, job_region_bytes(1, &rig->end[i].geometry));
    }
    close(rig->core->wake_fd);
    free(rig->core->cells);
    free(rig->core);
    free(rig->mail);
    free(rig->end);
    free(rig);
    return 0;
}

/* ---- the control thread ---- */

static void tell(const struct cell_news *news)
{
    cell_mail_tell(rig->mail, news);
    cells_follow(rig->core, rig->came);
}

static void *map_region(const struct job_geometry *g)
{
    void *region = mmap(NULL, job_region_bytes(1, g), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(region, MAP_FAILED);
    job_region_format(region, 1, g);
    return region;
}

static void attach_as(uint32_t link, uint64_t script, const struct job_geometry *g, bool is_ready)
{
    struct end *e = &rig->end[link];
    struct job_lane lane;
    e->region = map_region(g);
    e->geometry = *g;
    job_region_lane(e->region, g, 0, &lane);
    job_consumer_init(&e->down, lane.down, g->slots);
    job_producer_init(&e->up, lane.up, g->slots);
    arena_peer_init(&e->arena_down, &lane.arena_down);
    tell(&(struct cell_news){.type = CELL_ATTACH,
                             .link = link,
                             .script = script,
                             .region = e->region,
                             .geometry = *g,
                             .wake_fd = -1,
                             .is_ready = is_ready,
                             .condemned = &e->condemned});
}

static void attach(uint32_t link, uint64_t script, const struct job_geometry *g)
{
    attach_as(link, script, g, false);
}

static inline void retire(uint32_t link)
{
    tell(&(struct cell_news){.type = CELL_RETIRE, .link = link});
}

static inline void detach(uint32_t link, struct job_blame by)
{
    tell(&(struct cell_news){.type = CELL_DETACH, .link = link, .ended_by = by});
}

static bool hear(struct cell_wish *wish)
{
    return cell_mail_hear(rig->mail, wish);
}

static void hear_nothing(void)
{
    struct cell_wish wish;
    if (hear(&wish))
        fail_msg("a wish %u for link %u, script %lu", wish.type, wish.link,
                 (unsigned long)wish.script);
}

static inline void hear_released(uint32_t link)
{
    struct cell_wish wish;
    assert_true(hear(&wish));
    assert_int_equal(wish.type, CELL_RELEASED);
    assert_int_equal(wish.link, link);
    hear_nothing();
}

/* ---- a core's iteration, and the cells ---- */

static void iterate(uint64_t ns)
{
    clock_set_ns(&rig->clock, clock_now_ns(&rig->clock) + ns);
    rig->core->now_ns = clock_now_ns(&rig->clock);
    cells_follow(rig->core, rig->came);
    cells_look(rig->core);
    cells_run(rig->core);
    cells_flush(rig->core);
}

/* It rings where the core does not look. */
static void say(uint32_t link, const struct job_slot *s)
{
    struct end *e = &rig->end[link];
    struct job_region_header *region = e->region;
    assert_true(job_producer_push(&e->up, s));
    job_producer_publish(&e->up);
    if (job_sleeper_take(&region->core_asleep[0]))
        eventfd_write(rig->core->wake_fd, 1);
}

static void say_loaded(uint32_t link, uint64_t script)
{
    say(link, &(struct job_slot){.type = JOB_WARMED, .arg = script, .arg2 = 500});
    iterate(MS);
}

static void read_all(uint32_t link)
{
    struct end *e = &rig->end[link];
    struct job_slot s;
    while (job_consumer_pop(&e->down, &s) == JOB_RING_OK) {
        for (uint32_t i = 0; i < s.chunk_count; i++)
            assert_true(arena_give_back(&e->arena_down, s.chunk[i]));
    }
    job_consumer_release(&e->down);
}

#endif
