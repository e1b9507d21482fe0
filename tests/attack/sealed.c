/* sealed.c: what a hostile process does once it is sealed, beside the real runtime's code.
 *
 *   script --crypto.getRandomValues(64 bytes that begin with MAGIC)--> getrandom(), ours
 *                                                                        | attack number n
 *          <------------- "refused EPERM", "WORKED", "said" ----------- rows[n]
 *
 * Linked into the runtime's program: getrandom and recvmsg are the C library's,
 * and a preloaded object comes before it. recvmsg keeps what hearthd sends with a region: a mapping
 * of it, and the numbers of the descriptors. All the rest happens behind the seal, in the thread
 * that runs scripts, in the middle of a job.
 *
 * A lie is told into the rings behind the worker's back; what its own books say afterwards is
 * nonsense, and it may well end by an assertion of its own. Only hearthd and the bystander matter.
 *
 * sealed.py asks for the rows one by one; row numbers are of no meaning. */
#include "sealed.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OURS __attribute__((visibility("default"), used))

static const uint8_t magic[8] = {0xa7, 'h', 'o', 's', 't', 'i', 'l', 'e'};
enum { ORDER_BYTES = 64, OP = 8, ROW = 9, TEXT = 10, OP_NAME = 0, OP_ATTACK = 1 };

struct hostile hostile;

/* ---- what hearthd has sent ---- */

static void keep(const int *fds, int count)
{
    struct stat st;
    void *map;

    if (count < 3 || fstat(fds[0], &st) || !S_ISREG(st.st_mode))
        return; /* sources of a script, or of no size */
    map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
    if (map == MAP_FAILED)
        return;
    hostile.region = map;
    hostile.region_bytes = (size_t)st.st_size;
    hostile.geometry = ((const struct job_region_header *)map)->geometry;
    hostile.own_bell = fds[1];
    hostile.core_bell = fds[2];
}

/* Of a cell it is hearthd as well as of the zygote. */
__attribute__((constructor)) static void find_parent(void)
{
    hostile.parent = getppid();
}

OURS ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
    ssize_t (*real)(int, struct msghdr *, int) = dlsym(RTLD_NEXT, "recvmsg");
    ssize_t n = real(fd, msg, flags);
    const struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(msg) : NULL;

    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        keep((const int *)CMSG_DATA(c), (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int)));
    return n;
}

/* ---- the rings, behind the worker's back ---- */

struct job_slot own_job(uint8_t type)
{
    const struct job_region_header *header = hostile.region;
    uint64_t name = atomic_load(&header->executing.job);

    return (struct job_slot){
        .type = type, .job = (uint32_t)name & 0xffff, .generation = (uint32_t)(name >> 32)};
}

struct job_lane own_lane(void)
{
    struct job_lane lane;

    job_region_lane(hostile.region, &hostile.geometry, 0, &lane);
    return lane;
}

void ring_core_bell(void)
{
    struct job_region_header *header = hostile.region;
    const uint64_t one = 1;
    ssize_t n = write(hostile.core_bell, &one, sizeof(one));

    (void)n;
    atomic_store(&header->core_asleep[0].asleep, 0);
}

void say(struct job_slot slot)
{
    struct job_ring_shared *up = own_lane().up;
    uint32_t tail = atomic_load(&up->tail);

    up->slot[tail & (hostile.geometry.slots - 1)] = slot;
    atomic_store(&up->tail, tail + 1);
    ring_core_bell();
}

/* A moment in which hearthd's core surely looks, and which costs no CPU time. */
static void be_heard(void)
{
    const struct timespec moment = {.tv_nsec = 30 * 1000000};

    nanosleep(&moment, NULL);
}

/* ---- orders ---- */

static const struct row *row_at(unsigned n)
{
    if (n < sealed_lies_count)
        return &sealed_lies[n];
    n -= sealed_lies_count;
    return n < sealed_calls_count ? &sealed_calls[n] : NULL;
}

static void attack(const struct row *row, char *text, size_t bytes)
{
    errno = 0;
    long result = row->attempt();

    be_heard();
    if (row->is_call)
        snprintf(text, bytes, result < 0 ? "refused %s" : "WORKED", strerrorname_np(errno));
    else
        snprintf(text, bytes, "said");
}

static void obey(uint8_t *order)
{
    char *text = (char *)order + TEXT;
    const struct row *row = row_at(order[ROW]);

    memset(text, 0, ORDER_BYTES - TEXT);
    if (row && order[OP] == OP_NAME)
        snprintf(text, ORDER_BYTES - TEXT, "%s", row->what);
    else if (row && hostile.region)
        attack(row, text, ORDER_BYTES - TEXT);
}

OURS ssize_t getrandom(void *bytes, size_t len, unsigned flags)
{
    ssize_t (*real)(void *, size_t, unsigned) = dlsym(RTLD_NEXT, "getrandom");

    if (len != ORDER_BYTES || memcmp(bytes, magic, sizeof(magic)) != 0)
        return real(bytes, len, flags);
    obey(bytes);
    return (ssize_t)len;
}
