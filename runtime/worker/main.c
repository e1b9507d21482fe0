/* hearth-zygote BASE-SNAPSHOT [OPTION..]: the process that cells are forked from. Its socket is
 * START_FD (runtime/zygote.h).
 *
 *   weaker              go on without namespaces or an empty root, where the kernel refuses them
 *   limit-speculation   switches against Spectre for all cells (sandbox.h)
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/libv8c/v8c_host.h"
#include "runtime/worker/allocator.h"
#include "runtime/worker/cell.h"
#include "runtime/worker/engine.h"
#include "runtime/worker/natives.h"
#include "runtime/worker/worker.h"
#include "runtime/worker/zygote.h"

static int fail(const char *what, int error)
{
    fprintf(stderr, "hearth-zygote: what=%s error=%s\n", what, strerror(-error));
    return 1;
}

static int usage(void)
{
    fprintf(stderr, "usage: hearth-zygote BASE-SNAPSHOT [weaker] [limit-speculation]\n");
    return 2;
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

/* In the order of zygote.h. */
static int run(struct worker *w, const char *snapshot, const struct zygote_options *options)
{
    int error = map_base(&w->base, snapshot);
    if (error)
        return fail(snapshot, error);
    engine_start(&w->clock);
    const char *what = v8c_blob_check(&w->base, natives_all());
    if (what) {
        fprintf(stderr, "hearth-zygote: snapshot=%s why=\"%s\"\n", snapshot, what);
        return 1;
    }
    allocator_start();
    cell_prepare(w, natives_all());
    zygote_warm(w);
    allocator_tidy();
    error = zygote_run(w, options, &what);
    return error ? fail(what, error) : 0;
}

int v8c_main(int argc, char **argv)
{
    struct zygote_options options = {0};
    if (argc < 2)
        return usage();
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "weaker") == 0)
            options.may_be_weaker = true;
        else if (strcmp(argv[i], "limit-speculation") == 0)
            options.limits_speculation = true;
        else
            return usage();
    }
    struct worker *w = calloc(1, sizeof(*w));
    assert(w);
    return run(w, argv[1], &options);
}
