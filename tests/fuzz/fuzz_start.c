/* fuzz_start: any packets as what a cell says on its start socket. What is kept of them is bounded,
 * its state moves one way, and what it logs and loads is its own script's.
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

#include "control/supervise/supervise_state.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct supervise *supervise;
static struct cell *cell;
static struct script_cells *row;
static struct loop loop;
static struct catalog catalog;
static int peer;
static uint32_t loads;

static void check_log(void *arg, const struct supervise_log *l)
{
    const size_t request = strlen(l->request);

    assert(strlen(l->text) <= START_LOG_TEXT_BYTES_MAX && (request == 0 || request == 16));
    assert(strlen(l->level) >= 3 && strlen(l->level) <= START_LEVEL_BYTES_MAX);
    assert(!strcmp(l->script, "s1"));
}

static void check_loaded(void *arg, uint64_t handle, const char *error)
{
    loads++;
    assert(handle == row->handle);
    assert(!error || (*error && strlen(error) <= START_LOG_TEXT_BYTES_MAX));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    int pair[2], rc = socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
    const int room = 1 << 20;
    const struct script *s;

    assert(!rc);
    rc = setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    assert(!rc && !loop_init(&loop));
    peer = pair[1];
    catalog_init(&catalog, NULL, NULL);
    catalog_add(&catalog, json_pack("{s:s}", "name", "s0"), -1, "0123456789abcdef", 0);
    s = catalog_add(&catalog, json_pack("{s:s}", "name", "s1"), -1, "0123456789abcdef", 0);
    supervise = calloc(1, sizeof(*supervise));
    assert(s && supervise);
    supervise->config = (struct supervise_config){.cells_max = 1,
                                                  .loop = &loop,
                                                  .catalog = &catalog,
                                                  .on_log = check_log,
                                                  .on_loaded = check_loaded};
    supervise->link = calloc(1, sizeof(*supervise->link));
    cell = supervise->cell = calloc(1, sizeof(*cell));
    supervise->scripts.accounts = &supervise->accounts;
    row = script_table_take(&supervise->scripts, s);
    assert(supervise->link && cell && row);
    warm_pool_init(&supervise->pool, &warm_weights_default, SIZE_MAX);
    cell_init(cell, supervise, 0);
    cell->socket = pair[0];
    cell->child.pid = getpid();
    cell->first->cell = cell;
    cell->first->region.memfd = -1;
    script_cells_add(row, cell);
    warm_pool_add(&supervise->pool, &cell->warm, &row->history, 1 << 20, loop_now_ns());
    rc = loop_watch(&loop, &cell->socket_watch, pair[0], EPOLLIN, NULL, NULL);
    assert(!rc);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    uint32_t packets = 0;

    cell->state = CELL_STARTING;
    cell->is_ready = cell->is_failed = cell->is_spoiled = false;
    cell->pings = cell->pongs = 0;
    cell->told_ns = loop_now_ns();
    supervise->bad_packets = loads = 0;
    while (in.p < in.end) {
        size_t bytes = input_take(&in, 2), left = (size_t)(in.end - in.p);

        bytes = bytes < left ? bytes : left;
        if (bytes && send(peer, in.p, bytes, 0) == (ssize_t)bytes)
            packets++;
        in.p += bytes;
        supervise->looks++;
        cell_hear_again(cell);
        cell_hear(cell);
        assert(cell->state == CELL_STARTING || (cell->state == CELL_WARM && cell->is_ready));
    }
    assert(supervise->bad_packets <= packets && loads <= 1 && cell->pongs == 0);
    assert(row->history.reload_us < 60 * 1000000);
    return 0;
}

/* What of the catalog, the log and the cell's life is not tried here. */

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

void cell_init(struct cell *c, struct supervise *s, uint32_t index)
{
    c->owner = s;
    c->index = index;
    c->first = &s->link[index];
}

void cell_set_state(struct cell *c, enum cell_state state)
{
    assert(c->state == CELL_STARTING && state == CELL_WARM);
    c->state = state;
}

void cell_watch(struct cell *c)
{
}

void cell_spare(struct cell *c)
{
}

void cell_retire(struct cell *c, const char *why)
{
    abort(); /* of another one */
}

void cell_spent(struct cell *c)
{
}

void cell_enlarged(struct cell *c)
{
    abort();
}

uint32_t cell_jobs(const struct cell *c)
{
    return 0;
}

struct cell_count cell_link_count(const struct cell_link *l)
{
    return (struct cell_count){0};
}

int region_seal(struct region *r)
{
    return 0;
}

void supervise_tell_loaded(struct supervise *s, const struct script_cells *r, const char *error)
{
    check_loaded(NULL, r->handle, error);
}

void log_line(const char *what, const char *format, ...)
{
}
