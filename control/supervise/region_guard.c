#include "control/supervise/region_guard.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "dataplane/base/limits.h"

struct guard {
    _Atomic uintptr_t start; /* 0: free. Written last, and first when it goes */
    _Atomic size_t bytes;
    _Atomic(_Atomic uint32_t *) condemned;
};

static struct guard guards[CELL_LINKS_MAX];

static_assert(ATOMIC_POINTER_LOCK_FREE == 2, "for a signal's handler");

/* The region of the address stays as long as a thread touches it; of another one, which comes or
 * goes meanwhile, start differs before and after. */
static bool find(uintptr_t address, uintptr_t *start, size_t *bytes, _Atomic uint32_t **condemned)
{
    for (int i = 0; i < CELL_LINKS_MAX; i++) {
        *start = atomic_load(&guards[i].start);
        *bytes = atomic_load(&guards[i].bytes);
        *condemned = atomic_load(&guards[i].condemned);
        if (*start && address >= *start && address - *start < *bytes &&
            atomic_load(&guards[i].start) == *start)
            return true;
    }
    return false;
}

/* True: the access can be repeated. Two threads that fault at once do it twice; nothing of value
 * is there. */
static bool replace(uintptr_t address)
{
    _Atomic uint32_t *condemned;
    uintptr_t start;
    size_t bytes;

    if (!find(address, &start, &bytes, &condemned) ||
        mmap((void *)start, bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        return false;
    atomic_store(condemned, REGION_LOST);
    return true;
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    const int saved = errno;
    const bool is_fault = info->si_code > 0; /* 0 or less: somebody sent it */

    (void)context;
    if (!is_fault || !replace((uintptr_t)info->si_addr)) {
        signal(number, SIG_DFL);
        if (!is_fault)
            raise(number);
        /* Else the access is repeated, and is the end. */
    }
    errno = saved;
}

int region_guard_start(void)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_RESTART};

    sigemptyset(&action.sa_mask);
    return sigaction(SIGBUS, &action, NULL) ? -errno : 0;
}

void region_guard_add(uint32_t place, void *map, size_t bytes, _Atomic uint32_t *condemned)
{
    struct guard *g = &guards[place];

    assert(place < CELL_LINKS_MAX && !atomic_load(&g->start));
    atomic_store(&g->bytes, bytes);
    atomic_store(&g->condemned, condemned);
    atomic_store(&g->start, (uintptr_t)map);
}

void region_guard_remove(uint32_t place)
{
    assert(place < CELL_LINKS_MAX);
    atomic_store(&guards[place].start, 0);
}
