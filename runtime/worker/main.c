/* hearth-runtime BASE-SNAPSHOT: ordered start. The start socket is START_FD (runtime/start.h). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/libv8c/v8c_host.h"
#include "runtime/start.h"
#include "runtime/worker/engine.h"
#include "runtime/worker/natives.h"
#include "runtime/worker/sandbox.h"
#include "runtime/worker/start_socket.h"
#include "runtime/worker/worker.h"

static int fail(const char *what, int error)
{
    fprintf(stderr, "hearth-runtime: what=%s error=%s\n", what,
            strerror(error < 0 ? -error : error));
    return 1;
}

static int map_base(struct v8c_blob *blob, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return -errno;
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        return -errno;
    *blob = (struct v8c_blob){map, (size_t)st.st_size};
    return 0;
}

int v8c_main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: hearth-runtime BASE-SNAPSHOT\n");
        return 2;
    }
    struct worker *w = calloc(1, sizeof(*w));
    assert(w);
    w->start_fd = START_FD;

    int error = map_base(&w->base, argv[1]);
    if (error)
        return fail(argv[1], error);
    error = start_socket_region(w);
    if (error)
        return fail("region", error);

    struct sandbox sandbox;
    sandbox_leave_world(&sandbox);
    if (!sandbox.has_namespaces || !sandbox.has_empty_root || !sandbox.has_no_ids)
        fprintf(stderr, "hearth-runtime: namespaces=%d empty_root=%d dropped_ids=%d\n",
                sandbox.has_namespaces, sandbox.has_empty_root, sandbox.has_no_ids);

    engine_start(&w->clock_ms);
    const char *why = v8c_blob_check(&w->base, natives);
    if (why) {
        fprintf(stderr, "hearth-runtime: snapshot=%s why=\"%s\"\n", argv[1], why);
        return 1;
    }
    request_pool_init(&w->requests);
    timer_heap_init(&w->timers);
    if (getrandom(&w->json_secret, sizeof(w->json_secret), 0) != sizeof(w->json_secret))
        return fail("getrandom", -EIO);
    error = monitor_start(&w->monitor);
    if (error)
        return fail("monitor", error);
    error = sandbox_seal(w->event_fd);
    if (error)
        return fail("seccomp", error);

    worker_run(w);
    /* Nothing is worth tearing down: the system does it faster. */
    fflush(stderr);
    _exit(0);
}
