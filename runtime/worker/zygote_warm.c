#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/head.h"
#include "runtime/worker/cell.h"
#include "runtime/worker/isolate.h"
#include "runtime/worker/lane.h"
#include "runtime/worker/script.h"
#include "runtime/worker/sub.h"
#include "runtime/worker/worker.h"
#include "runtime/worker/zygote.h"

enum {
    ROUNDS = 150,
    ROUNDS_MAX = 250, /* of which the last is one in which V8 has collected its young objects */
    REQUESTS = 8,     /* of a round */
    HANDLE = 1,
};

/* What most scripts use. Nothing that would leave a trace: no timer, no log line, no call. */
static const char source[] =
    "const answers = {\n"
    "    text: () => new Response('text'),\n"
    "    json: (request, url) => Response.json({ path: url.pathname, a: "
    "url.searchParams.get('a'),\n"
    "        agent: request.headers.get('user-agent'), at: new Date().toISOString() }),\n"
    "    async bytes(request) {\n"
    "        const bytes = new TextEncoder().encode(await request.text() + JSON.stringify([1, "
    "'a']));\n"
    "        return new Response(bytes, { status: 201, headers: new Headers({ 'x-a': 'b' }) });\n"
    "    },\n"
    "    async copy() {\n"
    "        const from = new Response(new Blob(['text']), { headers: [['content-type', "
    "'text/html']] });\n"
    "        return new Response(JSON.stringify({ text: await from.text(), id: "
    "crypto.randomUUID(),\n"
    "            hours: new Date(0).getHours() }), from);\n"
    "    },\n"
    "};\n"
    "export default {\n"
    "    fetch(request, env, ctx) {\n"
    "        const url = new URL(request.url);\n"
    "        return answers[url.searchParams.get('do')](request, url);\n"
    "    },\n"
    "};\n";

static const char *const urls[] = {
    "https://warm.example/?do=text",
    "https://warm.example/path?do=json&a=b",
    "https://warm.example/?do=bytes",
    "https://warm.example/?do=copy",
};

enum { URLS = sizeof(urls) / sizeof(*urls) };

/* hearthd's side of one lane. */
struct stoker {
    struct job_region_header *region;
    size_t region_bytes;
    int region_fd;
    struct job_producer down;
    struct job_consumer up;
    struct arena_owner arena;
    struct arena_peer arena_up;
    void *arena_lists;
    uint32_t started;
};

static void stoker_init(struct stoker *s, const struct job_geometry *g)
{
    struct job_lane lane;
    s->region_bytes = job_region_bytes(1, g);
    s->region_fd = memfd_create("warm", MFD_CLOEXEC);
    int error = ftruncate(s->region_fd, (off_t)s->region_bytes);
    assert(error == 0);
    s->region = mmap(NULL, s->region_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->region_fd, 0);
    s->arena_lists = malloc(arena_lists_bytes(g->chunks));
    assert(s->region != MAP_FAILED && s->arena_lists);
    job_region_format(s->region, 1, g);
    job_region_lane(s->region, g, 0, &lane);
    job_producer_init(&s->down, lane.down, g->slots);
    job_consumer_init(&s->up, lane.up, g->slots);
    arena_owner_init(&s->arena, &lane.arena_down, s->arena_lists);
    arena_peer_init(&s->arena_up, &lane.arena_up);
    s->started = 0;
}

static void stoker_fini(struct stoker *s)
{
    munmap(s->region, s->region_bytes);
    close(s->region_fd);
    free(s->arena_lists);
}

static void start(struct stoker *s, uint32_t job, const char *url)
{
    struct head_writer writer;
    struct job_slot slot = {.type = JOB_START,
                            .flags = JOB_F_END,
                            .job = job,
                            .generation = 1,
                            .arg = HANDLE,
                            .arg2 = ++s->started,
                            .chunk_count = 1};
    slot.chunk[0] = arena_take(&s->arena);
    assert(slot.chunk[0] != ARENA_NONE);
    head_write_request(&writer, arena_bytes(&s->arena, slot.chunk[0]), ARENA_CHUNK_BYTES,
                       (struct head_view){"", 0}, (struct head_view){"GET", 3},
                       (struct head_view){url, strlen(url)});
    head_write_field(&writer, (struct head_view){"user-agent", 10}, (struct head_view){"warm", 4});
    slot.bytes = (uint32_t)head_write_end(&writer);
    bool fits = job_producer_push(&s->down, &slot);
    assert(fits);
    (void)fits;
}

/* How many answers have begun. */
static uint32_t drain(struct stoker *s)
{
    struct job_slot slot;
    uint32_t heads = 0;
    while (job_consumer_pop(&s->up, &slot) == JOB_RING_OK) {
        heads += slot.type == JOB_HEAD;
        for (uint32_t i = 0; i < slot.chunk_count; i++)
            arena_give_back(&s->arena_up, slot.chunk[i]);
    }
    job_consumer_release(&s->up);
    return heads;
}

/* ---- the worker's side ---- */

static struct script *script_to_warm(void)
{
    const char *why;
    int fd = memfd_create("warm", MFD_CLOEXEC);
    ssize_t n = write(fd, source, sizeof(source) - 1);
    json_t *packet = json_pack("{s:s, s:[{s:s, s:i}]}", "main", "warm.mjs", "modules", "name",
                               "warm.mjs", "bytes", (int)sizeof(source) - 1);
    struct script *s = script_new(packet, fd, &why);
    assert(n == sizeof(source) - 1 && s);
    json_decref(packet);
    return s;
}

/* The other end of its start socket is closed, so it serves what is in the ring and returns. */
static void begin(struct worker *w, struct stoker *s)
{
    int pair[2];
    int error = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
    assert(error == 0);
    close(pair[1]);
    w->start_fd = pair[0];
    w->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    w->region[w->region_count++] = s->region;
    w->lane[w->lane_count++] = lane_create(s->region, 0, 0, w->event_fd);
    subs_init(w->lane[0]);
    w->handle = HANDLE;
    w->script = script_to_warm();
    w->refusal = isolate_load(w);
    assert(w->refusal == JOB_ERROR_NONE);
}

/* The text stays mapped: a heap that was not collected refers to it. */
static void end(struct worker *w)
{
    isolate_unload(w->isolate);
    w->script = NULL;
    w->handle = 0;
    lane_free(w->lane[0]);
    w->lane_count = w->region_count = 0;
    close(w->start_fd);
    close(w->event_fd);
    w->is_orphaned = false;
}

static size_t heap_bytes(struct worker *w)
{
    struct v8c_heap_stats stats;
    v8c_isolate_heap_stats(w->isolate->v8, &stats);
    return stats.used_bytes;
}

/* Where the young space is nearly full, each cell would collect it in its first requests: 0.28 MB
 * and 130 us of each. Which round that is changes with whatever makes garbage. */
void zygote_warm(struct worker *w)
{
    struct stoker s;
    size_t before = 0;
    bool was_collected = false;
    stoker_init(&s, &job_geometry_large);
    begin(w, &s);
    for (uint32_t round = 0; round < ROUNDS || (round < ROUNDS_MAX && !was_collected); round++) {
        for (uint32_t i = 0; i < REQUESTS; i++)
            start(&s, i, urls[i % URLS]);
        job_producer_publish(&s.down);
        w->is_orphaned = false;
        cell_serve(w);
        uint32_t answered = drain(&s);
        assert(answered == REQUESTS && w->request_count == 0);
        (void)answered;
        const size_t now = heap_bytes(w);
        was_collected = now < before;
        before = now;
    }
    end(w);
    stoker_fini(&s);
}

/* ---- the rehearsal: hearthd's words are in the socket, and it has gone ---- */

static const char plain[] = "export default { fetch() { return new Response('plain'); } };";

static void tell(int socket, const char *text, const int *fds, int fd_count)
{
    char control[CMSG_SPACE(3 * sizeof(int))] = {0};
    struct iovec iov = {(char *)text, strlen(text)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = CMSG_SPACE((size_t)fd_count * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN((size_t)fd_count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, (size_t)fd_count * sizeof(int));
    ssize_t n = sendmsg(socket, &msg, MSG_NOSIGNAL);
    assert(n == (ssize_t)strlen(text));
    (void)n;
}

static void be_cell(void *worker)
{
    struct worker *w = worker;
    const char *what;
    int error = cell_begin(w, &what);
    assert(error == 0);
    (void)error;
    cell_serve(w);
}

const char *zygote_learn(struct worker *w)
{
    struct stoker s;
    char script[384];
    int pair[2], bell = eventfd(0, EFD_NONBLOCK), sources = memfd_create("plain", MFD_CLOEXEC);
    int error = socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
    ssize_t n = write(sources, plain, sizeof(plain) - 1);

    assert(error == 0 && n == sizeof(plain) - 1);
    snprintf(
        script, sizeof(script),
        "{\"type\":\"script\",\"handle\":%d,\"name\":\"plain\",\"version\":\"0123456789abcdef\","
        "\"main\":\"plain.mjs\",\"modules\":[{\"name\":\"plain.mjs\",\"bytes\":%zd}],"
        "\"vars\":{},\"services\":[],\"limits\":{\"subrequests\":1000,\"cpu_ms\":50,"
        "\"wall_ms\":30000,\"heap_bytes\":134217728}}",
        HANDLE, n);
    stoker_init(&s, &job_geometry_small);
    tell(pair[1], "{\"type\":\"region\",\"lanes\":1}", (const int[]){s.region_fd, bell, bell}, 3);
    tell(pair[1], script, &sources, 1);
    start(&s, 0, urls[0]);
    job_producer_publish(&s.down);
    close(pair[1]);
    w->start_fd = pair[0];
    const char *why = footprint_learn(&w->footprint, be_cell, w);
    uint32_t answered = drain(&s);
    assert(why || answered == 1);
    (void)answered;
    close(pair[0]);
    close(bell);
    close(sources);
    stoker_fini(&s);
    return why;
}
