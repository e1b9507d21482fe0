/* fuzz_start: any packets as what a runtime process says on its start socket. What is kept of them
 * is bounded, and of live scripts that the process knows.
 *
 * Input: packets, each behind its length in two bytes, the low one first.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/supervise/process.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SCRIPTS = 3, TOLD = 2 };

static struct supervise *supervise;
static struct process *process;
static struct loop loop;
static struct catalog catalog;
static struct region region = {.memfd = -1};
static int peer;

static void check_log(void *arg, const struct supervise_log *l)
{
    const size_t request = strlen(l->request);

    assert(strlen(l->text) <= START_LOG_TEXT_BYTES_MAX && (request == 0 || request == 16));
    assert(strlen(l->level) >= 3 && strlen(l->level) <= START_LEVEL_BYTES_MAX);
    assert(!strcmp(l->script, "") || (l->script[0] == 's' && strlen(l->script) == 2));
}

static void check_loaded(void *arg, uint64_t handle, const char *error)
{
    assert(handle <= TOLD && (!error || (*error && strlen(error) <= START_LOG_TEXT_BYTES_MAX)));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    int pair[2], rc = socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
    const int room = 1 << 20;

    assert(!rc);
    rc = setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    assert(!rc && !loop_init(&loop));
    peer = pair[1];
    catalog_init(&catalog, NULL, NULL);
    for (int i = 0; i < SCRIPTS; i++) {
        const char name[] = {'s', (char)('0' + i), 0};
        const struct script *s =
            catalog_add(&catalog, json_pack("{s:s}", "name", name), -1, "0123456789abcdef", 0);
        assert(s);
    }
    supervise = calloc(1, sizeof(*supervise));
    assert(supervise);
    supervise->config = (struct supervise_config){.count = 1,
                                                  .loop = &loop,
                                                  .catalog = &catalog,
                                                  .on_log = check_log,
                                                  .on_loaded = check_loaded};
    process = &supervise->process[0];
    process->owner = supervise;
    process->region = &region;
    process->socket = pair[0];
    rc = loop_watch(&loop, &process->socket_watch, pair[0], EPOLLIN, NULL, NULL);
    assert(!rc);
    return 0;
}

static void check_kept(void)
{
    assert(process->taken <= process->told && process->told == TOLD);
    assert(process->rows <= catalog.slots_room);
    assert(memchr(process->v8, 0, sizeof(process->v8)));
    for (uint32_t i = 0; i < process->rows; i++) {
        const struct script_row *row = &process->row[i];

        if (row->handle)
            assert(row->handle <= TOLD && catalog_by_handle(&catalog, row->handle)->slot == i);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    uint32_t packets = 0;

    process->state = SUPERVISE_BOOTING;
    process->told = TOLD;
    process->taken = 0;
    process->bad_packets = 0;
    if (process->row)
        memset(process->row, 0, process->rows * sizeof(*process->row));
    while (in.p < in.end) {
        size_t bytes = input_take(&in, 2), left = (size_t)(in.end - in.p);

        bytes = bytes < left ? bytes : left;
        if (bytes && send(peer, in.p, bytes, 0) == (ssize_t)bytes)
            packets++;
        in.p += bytes;
        process_hear_again(process);
        process_hear(process);
        check_kept();
    }
    assert(process->bad_packets <= packets);
    return 0;
}

/* What of the catalog and the log is not tried here. */

int store_get(struct store *s, const char *sha256, json_t **manifest, int *modules_fd, char *error,
              size_t error_bytes)
{
    abort();
}

json_t *store_names(struct store *s)
{
    abort();
}

json_t *store_record(struct store *s, const char *name, char *error, size_t error_bytes)
{
    abort();
}

void process_set_state(struct process *p, enum supervise_state state)
{
    assert(p->state == SUPERVISE_BOOTING && state == SUPERVISE_UP);
    p->state = state;
}

void process_watch_socket(struct process *p)
{
}

void log_line(const char *what, const char *format, ...)
{
}
