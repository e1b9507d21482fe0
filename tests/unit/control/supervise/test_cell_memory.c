/* What a cell's memory is said to be, of a process that takes and gives back pages on demand. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/supervise/cell_memory.h"

enum { ROOM_PAGES = 4096 };

struct order {
    bool gives_back;
    uint32_t first, pages;
};

static int orders;
static pid_t pid;
static struct cell_memory memory;
static size_t page;

__attribute__((noreturn)) static void obey(int socket)
{
    char *room = mmap(NULL, ROOM_PAGES * page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct order o;

    madvise(room, ROOM_PAGES * page, MADV_NOHUGEPAGE);
    while (write(socket, "", 1) == 1 && read(socket, &o, sizeof(o)) == sizeof(o)) {
        if (o.gives_back)
            madvise(room + o.first * page, o.pages * page, MADV_DONTNEED);
        for (uint32_t i = 0; !o.gives_back && i < o.pages; i++)
            room[(o.first + i) * page] = 1;
    }
    _exit(0);
}

static void await_done(void)
{
    char done;

    assert_int_equal(read(orders, &done, 1), 1);
}

static void order(bool gives_back, uint32_t first, uint32_t pages)
{
    const struct order o = {gives_back, first, pages};

    assert_int_equal(write(orders, &o, sizeof(o)), sizeof(o));
    await_done();
}

static uint64_t bytes(void)
{
    return cell_memory_bytes(&memory, pid);
}

/* Young, and then looked at for the first time with 1,000 pages of its own. */
static int set_up(void **state)
{
    int pair[2];

    page = (size_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    pid = fork();
    if (pid == 0) {
        close(pair[0]);
        obey(pair[1]);
    }
    close(pair[1]);
    orders = pair[0];
    await_done();
    cell_memory_begin(&memory, pid);
    order(false, 0, 1000);
    return 0;
}

static int tear_down(void **state)
{
    close(orders);
    return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

static void what_it_takes_is_counted_at_the_next_look(void **state)
{
    const uint64_t before = bytes();

    assert_in_range(before, 1000 * page, 3000 * page);
    order(false, 1000, 8);
    assert_in_range(bytes(), before + 8 * page, before + 15 * page);
    order(false, 1008, 500);
    assert_in_range(bytes(), before + 508 * page, before + 700 * page);
}

static void what_it_gives_back_is_seen_some_looks_later(void **state)
{
    const uint64_t before = bytes();
    uint32_t looks = 1;

    order(true, 0, 900);
    while (bytes() + 800 * page > before)
        assert_in_range(++looks, 2, CELL_MEMORY_KEPT_MAX + 1);
    assert_int_equal(looks, CELL_MEMORY_KEPT_MAX + 1);
}

static void one_that_takes_and_gives_back_is_seen_at_once(void **state)
{
    const uint64_t before = bytes();

    order(true, 0, 900);
    order(false, 0, CELL_MEMORY_FEW_FAULTS);
    assert_in_range(before - bytes(), 800 * page, 900 * page);
}

static void one_that_is_gone_has_none(void **state)
{
    assert_true(bytes() > 0);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(bytes(), 0);
    pid = fork(); /* for tear_down */
    if (pid == 0)
        _exit(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_it_takes_is_counted_at_the_next_look, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_it_gives_back_is_seen_some_looks_later, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_that_takes_and_gives_back_is_seen_at_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_gone_has_none, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
