/* Pages that are taken away from under hearthd: who may not, and what happens if they are. The
 * link and its end are those of the core's tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/supervise/region.h"
#include "control/supervise/region_guard.h"
#include "dataplane/base/limits.h"
#include "tests/unit/dataplane/call/link_end.h"

static int punch(int fd)
{
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 << 20) ? errno : 0;
}

static void nobody_takes_pages_of_a_sealed_region_away(void **state)
{
    struct region region, *r = &region;
    _Atomic uint32_t condemned = 5;
    volatile uint32_t *word;
    void *again;
    int fd;

    assert_int_equal(region_open(r, 1, &job_geometry_large, 0, &condemned), 0);
    assert_int_equal(condemned, 0);
    word = (volatile uint32_t *)r->map;
    assert_int_not_equal(*word, 0);
    assert_int_equal(ftruncate(r->memfd, 0), -1);
    again = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->memfd, 0);
    assert_ptr_not_equal(again, MAP_FAILED); /* the process maps it */

    fd = dup(r->memfd); /* as the cell has it */
    assert_int_equal(region_seal(r), 0);
    assert_int_equal(r->memfd, -1);
    assert_int_equal(punch(fd), EPERM);
    assert_int_equal(madvise(again, r->bytes, MADV_REMOVE), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(ftruncate(fd, (off_t)r->bytes * 2), -1);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    assert_ptr_equal(mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    /* Both ends go on. */
    word[1000] = 5;
    assert_int_equal(((volatile uint32_t *)again)[1000], 5);
    ((volatile uint32_t *)again)[1000] = 6;
    assert_int_equal(word[1000], 6);
    assert_int_not_equal(*word, 0);
    munmap(again, r->bytes);
    close(fd);
    region_close(r);
    region_close(r); /* once is enough */
}

static void a_small_region_is_on_small_pages(void **state)
{
    struct region region, *r = &region;
    _Atomic uint32_t condemned = 5;

    assert_int_equal(region_open(r, 2, &job_geometry_small, 0, &condemned), 0);
    assert_false(r->has_huge);
    assert_int_equal(r->bytes, job_region_bytes(2, &job_geometry_small));
    assert_int_equal(job_region_check(r->map, r->bytes), 0);
    region_close(r);
    region_close(r); /* once is enough */
}

/* ---- a link on memory that can be taken away ---- */

struct ground {
    int fd;
    size_t bytes;
    void *map;
    uint32_t guard; /* its place */
};

/* False: there are no such pages. */
static bool ground_make(struct ground *g, unsigned flags)
{
    g->bytes = job_region_bytes(1, &job_geometry_large);
    g->fd = memfd_create("ground", MFD_CLOEXEC | flags);
    if (g->fd < 0)
        return false;
    g->map = MAP_FAILED;
    g->guard = 0;
    if (!ftruncate(g->fd, (off_t)g->bytes))
        g->map = mmap(NULL, g->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, g->fd, 0);
    if (g->map == MAP_FAILED)
        close(g->fd);
    return g->map != MAP_FAILED;
}

static void ground_drop(struct ground *g)
{
    region_guard_remove(g->guard);
    munmap(g->map, g->bytes);
    close(g->fd);
}

/* What a core does in an iteration or two; each may be the one that finds the pages gone. The
 * runtime's end speaks as long as there is ground. */
struct scene {
    struct link_rig *rig;
    struct job_slot first;
    bool has_ground, has_first;
};

static void step_start(struct scene *s)
{
    for (uint32_t i = 0; i < 2; i++)
        if (!s->rig->owner[i].is_live)
            rig_start(s->rig, i, i == 1);
    job_link_flush(&s->rig->link);
}
static void step_hear(struct scene *s)
{
    if (!s->has_ground)
        return;
    s->first = end_receive(s->rig);
    s->has_first = true;
}
static void step_body(struct scene *s)
{
    static const uint8_t bytes[5000];
    bool ended;

    if (s->rig->owner[1].is_live)
        job_link_body(&s->rig->link, s->rig->owner[1].ref, bytes, sizeof(bytes), true, &ended);
}
static void step_answer(struct scene *s)
{
    if (s->has_ground && s->has_first)
        end_send_head(s->rig, &s->first, 0);
}
static void step_poll(struct scene *s)
{
    job_link_poll(&s->rig->link, 16);
}
static void step_credit(struct scene *s)
{
    if (s->rig->owner[0].is_live)
        job_link_credit(&s->rig->link, s->rig->owner[0].ref, 4096);
}
static void step_look(struct scene *s)
{
    job_link_look(&s->rig->link, s->rig->now_ns += 1000000);
}
static void step_sleep(struct scene *s)
{
    if (s->rig->link.region) {
        job_link_sleep(&s->rig->link);
        job_link_woke(&s->rig->link);
    }
}
static void step_cancel(struct scene *s)
{
    if (s->rig->owner[1].is_live)
        rig_cancel(s->rig, 1);
}

static void (*const steps[])(struct scene *) = {
    step_start,  step_hear, step_body,  step_answer, step_poll,
    step_credit, step_look, step_sleep, step_cancel,
};
enum { STEPS = sizeof(steps) / sizeof(*steps) };

/* The pages go before step `gone`; all that follows, and once more from the beginning, is done by
 * a core that does not know. */
static void play(struct ground *g, int gone)
{
    struct link_rig *r = rig_create(4);
    void *honest = r->region;
    struct scene scene = {.rig = r, .has_ground = true};

    r->region = g->map;
    rig_attach(r);
    region_guard_add(g->guard, g->map, g->bytes, &r->condemned);
    for (int i = 0; i < 2 * STEPS; i++) {
        if (i == gone) {
            assert_int_equal(ftruncate(g->fd, 0), 0);
            scene.has_ground = false;
        }
        steps[i % STEPS](&scene);
    }
    assert_int_equal(atomic_load(&r->condemned), REGION_LOST);
    /* The supervisor kills it, and the world says so: every job has its one end. */
    rig_detach(r);
    for (int i = 0; i < 2; i++)
        assert_false(r->owner[i].is_live);
    r->region = honest; /* the next life */
    rig_attach(r);
    assert_int_equal(rig_start(r, 2, false), JOB_STARTED);
    rig_destroy(r);
}

static void a_region_that_is_gone_condemns_its_link_and_the_core_goes_on(void **state)
{
    static const struct {
        const char *what;
        unsigned flags;
    } pages[] = {{"pages", 0}, {"hugepages", MFD_HUGETLB | MFD_HUGE_2MB}};
    struct ground g;

    assert_int_equal(region_guard_start(), 0); /* here: cmocka has a handler of its own */
    for (size_t k = 0; k < sizeof(pages) / sizeof(*pages); k++) {
        for (int gone = 0; gone < STEPS; gone++) {
            if (!ground_make(&g, pages[k].flags)) {
                print_message("no %s here\n", pages[k].what);
                break;
            }
            play(&g, gone);
            ground_drop(&g);
        }
    }
}

/* ---- what is no region's ---- */

static int signal_of(void (*act)(struct ground *), struct ground *g)
{
    int status;
    pid_t pid = fork();

    if (!pid) {
        act(g);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}
static void touch(struct ground *g)
{
    *(volatile char *)g->map = 1;
}
static void send_itself_one(struct ground *g)
{
    kill(getpid(), SIGBUS);
}

static void a_bus_error_elsewhere_stays_the_end(void **state)
{
    _Atomic uint32_t condemned = 0;
    struct ground g, other;

    assert_int_equal(region_guard_start(), 0);
    assert_true(ground_make(&g, 0) && ground_make(&other, 0));
    other.guard = 1;
    region_guard_add(1, other.map, other.bytes, &condemned);
    assert_int_equal(ftruncate(g.fd, 0), 0);
    assert_int_equal(signal_of(touch, &g), SIGBUS);
    assert_int_equal(signal_of(send_itself_one, &g), SIGBUS);
    region_guard_add(0, g.map, g.bytes, &condemned);
    assert_int_equal(signal_of(touch, &g), 0);
    region_guard_remove(0);
    assert_int_equal(signal_of(touch, &g), SIGBUS);
    assert_int_equal(atomic_load(&condemned), 0); /* the children's was theirs */
    ground_drop(&g);
    ground_drop(&other);
}

static void the_last_place_is_as_good_as_the_first(void **state)
{
    _Atomic uint32_t condemned = 0;
    struct ground g;

    assert_int_equal(region_guard_start(), 0);
    assert_true(ground_make(&g, 0));
    g.guard = CELL_LINKS_MAX - 1;
    region_guard_add(g.guard, g.map, g.bytes, &condemned);
    assert_int_equal(ftruncate(g.fd, 0), 0);
    assert_int_equal(signal_of(touch, &g), 0);
    ground_drop(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_takes_pages_of_a_sealed_region_away),
        cmocka_unit_test(a_small_region_is_on_small_pages),
        cmocka_unit_test(a_region_that_is_gone_condemns_its_link_and_the_core_goes_on),
        cmocka_unit_test(a_bus_error_elsewhere_stays_the_end),
        cmocka_unit_test(the_last_place_is_as_good_as_the_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
