#include "harness_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void send_packet(struct harness_cell *c, const char *text, const int *fds, int fd_count)
{
    char control[CMSG_SPACE(4 * sizeof(int))] = {0};
    struct iovec iov = {(char *)text, strlen(text)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd_count) {
        msg.msg_control = control;
        msg.msg_controllen = CMSG_SPACE((size_t)fd_count * sizeof(int));
        struct cmsghdr *m = CMSG_FIRSTHDR(&msg);
        m->cmsg_level = SOL_SOCKET;
        m->cmsg_type = SCM_RIGHTS;
        m->cmsg_len = CMSG_LEN((size_t)fd_count * sizeof(int));
        memcpy(CMSG_DATA(m), fds, (size_t)fd_count * sizeof(int));
    }
    ssize_t n = sendmsg(c->start_fd, &msg, MSG_NOSIGNAL);
    assert(n == (ssize_t)strlen(text));
}

/* ---- scripts ---- */

struct harness_script *harness_script_of(struct harness *h, uint32_t handle)
{
    for (uint32_t i = 0; i < h->script_count; i++)
        if (h->scripts[i].handle == handle)
            return &h->scripts[i];
    return NULL;
}

struct harness_module harness_read_module(const char *directory, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *f = fopen(path, "rb");
    assert(f);
    fseek(f, 0, SEEK_END);
    size_t len = (size_t)ftell(f);
    char *text = calloc(1, len + 1);
    rewind(f);
    size_t got = fread(text, 1, len, f);
    assert(got == len);
    fclose(f);
    return (struct harness_module){.name = name, .text = text, .len = len};
}

void harness_bundle(struct harness *h, uint32_t handle, const struct harness_module *modules,
                    size_t count, const char *vars, const char *limits,
                    const struct harness_binding *bindings)
{
    struct harness_script *s = harness_script_of(h, handle);
    if (s) {
        free(s->packet);
        close(s->sources_fd);
        harness_retire(h, handle);
    } else {
        assert(h->script_count < HARNESS_SCRIPTS_MAX);
        s = &h->scripts[h->script_count++];
    }
    *s = (struct harness_script){.handle = handle,
                                 .sources_fd = memfd_create("script", MFD_CLOEXEC)};
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        size_t len = modules[i].len ? modules[i].len : strlen(modules[i].text);
        ssize_t n = write(s->sources_fd, modules[i].text, len);
        assert(n == (ssize_t)len);
        json_array_append_new(
            list, json_pack("{s:s, s:I}", "name", modules[i].name, "bytes", (json_int_t)len));
    }
    json_t *services = json_array();
    for (uint32_t i = 0; bindings && bindings[i].name; i++) {
        assert(i < HARNESS_BINDINGS_MAX);
        s->targets[i] = bindings[i].target;
        json_array_append_new(services, json_pack("{s:s}", "binding", bindings[i].name));
    }
    json_t *vars_json = vars ? json_loads(vars, 0, NULL) : json_object();
    json_t *limits_json = limits ? json_loads(limits, 0, NULL) : json_object();
    assert(vars_json && limits_json);
    json_t *packet =
        json_pack("{s:s, s:I, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "type", "script", "handle",
                  (json_int_t)handle, "name", "test", "version", "1", "main", modules[0].name,
                  "modules", list, "vars", vars_json, "limits", limits_json, "services", services);
    s->packet = json_dumps(packet, JSON_COMPACT);
    json_decref(packet);
    harness_cell(h, handle);
}

void harness_caller(struct harness *h, uint32_t handle, const char *source, const char *limits,
                    const struct harness_binding *bindings)
{
    const struct harness_module main_module = {.name = "main.mjs", .text = source};
    harness_bundle(h, handle, &main_module, 1, NULL, limits, bindings);
}

void harness_script(struct harness *h, uint32_t handle, const char *source, const char *limits)
{
    harness_caller(h, handle, source, limits, NULL);
}

/* ---- cells ---- */

/* Returns the region's memfd. */
static int add_link(struct harness_cell *c, const struct job_geometry *g)
{
    struct job_lane lane;
    struct harness_link *l = calloc(1, sizeof(*l));
    assert(l && c->link_count < 2);
    l->cell = c;
    l->geometry = *g;
    l->region_bytes = job_region_bytes(1, g);
    int fd = memfd_create("region", MFD_CLOEXEC);
    int error = ftruncate(fd, (off_t)l->region_bytes);
    assert(error == 0);
    l->region = mmap(NULL, l->region_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert(l->region != MAP_FAILED);
    job_region_format(l->region, 1, g);
    job_region_lane(l->region, g, 0, &lane);
    job_producer_init(&l->down, lane.down, g->slots);
    job_consumer_init(&l->up, lane.up, g->slots);
    l->arena_lists = malloc(arena_lists_bytes(g->chunks));
    assert(l->arena_lists);
    arena_owner_init(&l->arena, &lane.arena_down, l->arena_lists);
    arena_peer_init(&l->arena_up, &lane.arena_up);
    c->link[c->link_count++] = l;
    return fd;
}

static void give_script(struct harness_cell *c, const struct harness_script *s)
{
    char text[64];
    if (!c->is_copy) {
        send_packet(c, s->packet, &s->sources_fd, 1);
        return;
    }
    snprintf(text, sizeof(text), "{\"type\":\"script\",\"handle\":%u}", c->handle);
    send_packet(c, text, NULL, 0);
}

static void start_cell(struct harness *h, const struct harness_script *s)
{
    struct harness_cell *c = calloc(1, sizeof(*c));
    assert(c && h->cell_count < HARNESS_CELLS_MAX);
    h->cells[h->cell_count++] = c;
    int pair[2];
    int error = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
    assert(error == 0);
    int buffer = 1 << 20;
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
    c->start_fd = pair[0];
    c->runtime_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->handle = s->handle;
    c->used = h->starts;
    int region_fd = add_link(c, h->geometry);
    c->is_copy = h->template && (!h->template->handle || h->template->handle == s->handle);
    c->pid = c->is_copy ? template_rig_fork(h->template, pair[1], STDERR_FILENO)
                        : zygote_rig_fork(&h->zygote, pair[1], STDERR_FILENO);
    assert(c->pid > 0);
    close(pair[1]);
    send_packet(c, "{\"type\":\"region\",\"lanes\":1}",
                (const int[]){region_fd, c->runtime_fd, h->core_fd}, 3);
    close(region_fd);
    if (!h->holds_scripts)
        give_script(c, s);
}

struct template_rig *harness_template(struct harness *h, uint32_t handle)
{
    const struct harness_script *s = harness_script_of(h, handle);
    h->template = calloc(1, sizeof(*h->template));
    assert(s && h->template);
    template_rig_start(h->template, &h->zygote, handle, s->packet, s->sources_fd);
    return h->template;
}

void harness_drop_template(struct harness *h)
{
    template_rig_stop(h->template);
    free(h->template);
    h->template = NULL;
}

void harness_tell_script(struct harness *h, uint32_t handle)
{
    give_script(harness_cell(h, handle), harness_script_of(h, handle));
}

/* NULL: there is none. */
static struct harness_cell *current(const struct harness *h, uint32_t handle)
{
    for (uint32_t i = 0; i < h->cell_count; i++)
        if (h->cells[i]->handle == handle && !h->cells[i]->is_retired)
            return h->cells[i];
    return NULL;
}

/* One that nobody uses gives up its place, if so many live. */
static void make_room(struct harness *h)
{
    struct harness_cell *oldest = NULL;
    uint32_t count = 0;
    for (uint32_t i = 0; i < h->cell_count; i++) {
        struct harness_cell *c = h->cells[i];
        count += !c->is_retired;
        if (!c->is_retired && c->jobs == 0 && c->is_loaded && (!oldest || c->used < oldest->used))
            oldest = c;
    }
    if (oldest && count >= h->cells_warm)
        oldest->is_retired = true;
}

struct harness_cell *harness_cell(struct harness *h, uint32_t handle)
{
    const struct harness_script *s = harness_script_of(h, handle);
    assert(s);
    if (!current(h, handle)) {
        make_room(h);
        start_cell(h, s);
    }
    return current(h, handle);
}

struct harness_link *harness_link_for(struct harness *h, uint32_t handle)
{
    struct harness_cell *c = harness_cell(h, h->all_to ? h->all_to : handle);
    c->used = h->starts;
    return c->link[c->link_count - 1];
}

void harness_count(struct harness_link *l, int change)
{
    l->cell->jobs += (uint32_t)change;
}

const char *harness_loaded(struct harness *h, uint32_t handle)
{
    struct harness_cell *c = harness_cell(h, handle);
    while (!c->is_loaded)
        harness_await(h);
    return c->load_error;
}

void harness_retire(struct harness *h, uint32_t handle)
{
    struct harness_cell *c = current(h, handle);
    if (c)
        c->is_retired = true;
}

void harness_enlarge(struct harness *h, uint32_t handle)
{
    struct harness_cell *c = harness_cell(h, handle);
    int fd = add_link(c, &job_geometry_large);
    send_packet(c, "{\"type\":\"region\",\"lanes\":1}", &fd, 1);
    close(fd);
}

void harness_ping(struct harness *h, uint32_t handle)
{
    send_packet(harness_cell(h, handle), "{\"type\":\"ping\"}", NULL, 0);
}

void harness_end_cell(struct harness *h, struct harness_cell *c)
{
    int status = 0;
    shutdown(c->start_fd, SHUT_RDWR);
    pid_t pid = waitpid(c->pid, &status, 0);
    assert(pid == c->pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "the cell of script %u ended with status %x\n", c->handle,
                (unsigned)status);
        abort();
    }
    close(c->start_fd);
    close(c->runtime_fd);
    for (uint32_t i = 0; i < c->link_count; i++) {
        harness_forget_subs(h, c->link[i]);
        munmap(c->link[i]->region, c->link[i]->region_bytes);
        free(c->link[i]->arena_lists);
        free(c->link[i]);
    }
    for (uint32_t i = 0; i < h->cell_count; i++)
        if (h->cells[i] == c)
            h->cells[i] = h->cells[--h->cell_count];
    free(c);
}

void harness_end_retired(struct harness *h)
{
    for (uint32_t i = h->cell_count; i-- > 0;) {
        struct harness_cell *c = h->cells[i];
        if (c->is_retired && c->jobs == 0 && c->is_loaded)
            harness_end_cell(h, c);
    }
}

/* ---- what they say ---- */

static void keep_line(struct harness *h, const struct harness_cell *c, const json_t *packet)
{
    const char *level = json_string_value(json_object_get(packet, "level"));
    const char *request = json_string_value(json_object_get(packet, "request"));
    const char *text = json_string_value(json_object_get(packet, "text"));
    assert(h->line_count < HARNESS_LINES_MAX && level && request && text);
    assert(strlen(level) <= START_LEVEL_BYTES_MAX && strlen(text) <= START_LOG_TEXT_BYTES_MAX);
    size_t n = h->line_count++;
    snprintf(h->lines[n].level, sizeof(h->lines[n].level), "%s", level);
    snprintf(h->lines[n].request, sizeof(h->lines[n].request), "%s", request);
    h->lines[n].handle = c->handle;
    h->lines[n].text = strdup(text);
    if (getenv("HARNESS_LOG"))
        fprintf(stderr, "[%s %u] %s\n", level, c->handle, text);
}

static void take_packet(struct harness *h, struct harness_cell *c, const char *bytes, size_t len)
{
    json_t *packet = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, NULL);
    const char *type = json_string_value(json_object_get(packet, "type"));
    assert(type);
    if (strcmp(type, "ready") == 0) {
        assert(!c->is_ready);
        c->is_ready = true;
    } else if (strcmp(type, "pong") == 0) {
        h->pongs++;
    } else if (strcmp(type, "log") == 0) {
        keep_line(h, c, packet);
    } else if (strcmp(type, "loaded") == 0) {
        assert(c->is_ready && !c->is_loaded);
        c->is_loaded = true;
        c->load_us = (uint64_t)json_integer_value(json_object_get(packet, "us"));
        snprintf(c->load_error, sizeof(c->load_error), "%s",
                 json_string_value(json_object_get(packet, "error")));
    } else {
        assert(strcmp(type, "spoiled") == 0 && c->is_loaded);
        h->spoiled++;
        snprintf(h->spoiled_why, sizeof(h->spoiled_why), "%s",
                 json_string_value(json_object_get(packet, "why")));
        if (!json_is_true(json_object_get(packet, "serves"))) {
            h->spent++;
            c->is_retired = true;
        }
    }
    json_decref(packet);
}

bool harness_hear(struct harness *h, struct harness_cell *c)
{
    static char bytes[START_PACKET_BYTES_MAX];
    bool any = false;
    for (;;) {
        ssize_t n = recv(c->start_fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n == 0) {
            int status = 0;
            waitpid(c->pid, &status, 0);
            fprintf(stderr, "the cell of script %u is gone, status %x\n", c->handle,
                    (unsigned)status);
            abort();
        }
        if (n < 0)
            return any;
        take_packet(h, c, bytes, (size_t)n);
        any = true;
    }
}
