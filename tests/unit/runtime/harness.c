#include "harness_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control/supervise/start_report.h"
#include "runtime/libv8c/v8c_host.h"
#include "runtime/start.h"

extern char **environ;

static void send_packet(struct harness *h, json_t *packet, const int *fds, int fd_count)
{
    char *text = json_dumps(packet, JSON_COMPACT);
    char control[CMSG_SPACE(4 * sizeof(int))] = {0};
    struct iovec iov = {text, strlen(text)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd_count) {
        msg.msg_control = control;
        msg.msg_controllen = CMSG_SPACE((size_t)fd_count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN((size_t)fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, (size_t)fd_count * sizeof(int));
    }
    ssize_t n = sendmsg(h->start_fd, &msg, MSG_NOSIGNAL);
    assert(n == (ssize_t)strlen(text));
    free(text);
    json_decref(packet);
}

static pid_t spawn(int child_fd)
{
    pid_t pid = fork();
    assert(pid >= 0);
    if (pid > 0)
        return pid;
    dup2(child_fd, START_FD);
    fcntl(START_FD, F_SETFD, 0);
    char *argv[] = {"hearth-runtime", HARNESS_BLOB, NULL};
    int error = v8c_exec(HARNESS_NODE, HARNESS_PROGRAM, "libjemalloc.so.2", argv, environ);
    fprintf(stderr, "exec: %s\n", strerror(-error));
    _exit(127);
}

void harness_start(struct harness *h, uint64_t memory_bytes)
{
    memset(h, 0, sizeof(*h));
    int pair[2];
    int error = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
    assert(error == 0);
    int buffer = 1 << 20;
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
    h->start_fd = pair[0];
    h->region_bytes = job_region_bytes(1);
    int region_fd = memfd_create("region", MFD_CLOEXEC);
    error = ftruncate(region_fd, (off_t)h->region_bytes);
    assert(error == 0);
    h->region = mmap(NULL, h->region_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, region_fd, 0);
    assert(h->region != MAP_FAILED);
    job_region_format(h->region, 1);
    struct job_lane_shared *lane = job_region_lane(h->region, 0);
    job_producer_init(&h->down, &lane->down);
    job_consumer_init(&h->up, &lane->up);
    arena_owner_init(&h->arena, &lane->arena_down);
    arena_peer_init(&h->arena_up, &lane->arena_up);
    h->runtime_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    h->core_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    h->pid = spawn(pair[1]);
    close(pair[1]);
    const int fds[] = {region_fd, h->runtime_fd, h->core_fd};
    send_packet(h,
                json_pack("{s:s, s:i, s:i, s:I}", "type", "region", "lanes", 1, "index", 0,
                          "memory_bytes", (json_int_t)memory_bytes),
                fds, 3);
    close(region_fd);
    while (!h->is_ready)
        harness_await(h);
}

void harness_push(struct harness *h, const struct job_slot *slot)
{
    struct job_region_header *header = h->region;
    while (!job_producer_push(&h->down, slot))
        harness_poll(h, 1);
    job_producer_publish(&h->down);
    if (job_sleeper_take(&header->runtime_asleep)) {
        const uint64_t one = 1;
        ssize_t n = write(h->runtime_fd, &one, sizeof(one));
        assert(n == sizeof(one));
    }
}

void harness_stop(struct harness *h)
{
    int status = 0;
    harness_push(h, &(struct job_slot){.type = JOB_STOP});
    pid_t pid = waitpid(h->pid, &status, 0);
    assert(pid == h->pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "hearth-runtime ended with status %x\n", (unsigned)status);
        abort();
    }
    close(h->start_fd);
    close(h->runtime_fd);
    close(h->core_fd);
    munmap(h->region, h->region_bytes);
    for (uint32_t i = 0; i < JOB_JOBS_MAX; i++)
        harness_close(h, i);
    for (uint32_t i = 0; i < JOB_SUBS_MAX; i++) {
        free(h->subs[i].head);
        free(h->subs[i].body);
    }
    for (size_t i = 0; i < h->line_count; i++)
        free(h->lines[i].text);
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
    int fd = memfd_create("script", MFD_CLOEXEC);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        size_t len = modules[i].len ? modules[i].len : strlen(modules[i].text);
        ssize_t n = write(fd, modules[i].text, len);
        assert(n == (ssize_t)len);
        json_array_append_new(
            list, json_pack("{s:s, s:I}", "name", modules[i].name, "bytes", (json_int_t)len));
    }
    json_t *services = json_array();
    for (uint32_t i = 0; bindings && bindings[i].name; i++) {
        assert(i < HARNESS_BINDINGS_MAX && handle < HARNESS_HANDLES_MAX);
        h->targets[handle][i] = bindings[i].target;
        json_array_append_new(services, json_pack("{s:s}", "binding", bindings[i].name));
    }
    json_t *vars_json = vars ? json_loads(vars, 0, NULL) : json_object();
    json_t *limits_json = limits ? json_loads(limits, 0, NULL) : json_object();
    assert(vars_json && limits_json);
    char own_name[16];
    snprintf(own_name, sizeof(own_name), "test%u", handle);
    const char *name = h->name ? h->name : own_name;
    send_packet(h,
                json_pack("{s:s, s:I, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "type", "script",
                          "handle", (json_int_t)handle, "name", name, "version", "1", "main",
                          modules[0].name, "modules", list, "vars", vars_json, "limits",
                          limits_json, "services", services),
                &fd, 1);
    close(fd);
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

void harness_forget(struct harness *h, uint32_t handle)
{
    send_packet(h, json_pack("{s:s, s:I}", "type", "forget", "handle", (json_int_t)handle), NULL,
                0);
}

const char *harness_try(struct harness *h, uint32_t handle, bool keeps)
{
    uint32_t before = h->loaded_count;
    send_packet(h,
                json_pack("{s:s, s:I, s:b}", "type", "try", "handle", (json_int_t)handle, "keep",
                          (int)keeps),
                NULL, 0);
    while (h->loaded_count == before || h->loaded_handle != handle)
        harness_await(h);
    return h->loaded_error;
}

void harness_fill(struct harness *h, struct job_slot *slot, const uint8_t *bytes, size_t len)
{
    slot->bytes = (uint32_t)len;
    for (size_t at = 0; at < len; at += ARENA_CHUNK_BYTES) {
        uint32_t chunk;
        while ((chunk = arena_take(&h->arena)) == ARENA_NONE)
            harness_poll(h, 1);
        size_t n = len - at < ARENA_CHUNK_BYTES ? len - at : ARENA_CHUNK_BYTES;
        memcpy(arena_bytes(&h->arena, chunk), bytes + at, n);
        slot->chunk[slot->chunk_count++] = chunk;
    }
}

void harness_copy_bytes(struct harness *h, const struct job_slot *slot, uint8_t *out)
{
    for (uint32_t i = 0; i < slot->chunk_count; i++) {
        size_t at = (size_t)i * ARENA_CHUNK_BYTES;
        size_t n = slot->bytes - at < ARENA_CHUNK_BYTES ? slot->bytes - at : ARENA_CHUNK_BYTES;
        memcpy(out + at, arena_view(&h->arena_up, slot->chunk[i]), n);
    }
}

static struct head_view view(const char *p, size_t len)
{
    return (struct head_view){p, len};
}

void harness_write_fields(struct head_writer *w, const char *fields)
{
    while (fields && *fields) {
        const char *end = strchr(fields, '\n'), *colon = strstr(fields, ": ");
        assert(end && colon && colon < end);
        head_write_field(w, view(fields, (size_t)(colon - fields)),
                         view(colon + 2, (size_t)(end - colon - 2)));
        fields = end + 1;
    }
}

uint32_t harness_start_job(struct harness *h, uint32_t handle, const uint8_t *head, size_t len,
                           bool has_body)
{
    while (h->jobs[h->next_job].is_open || h->lingering[h->next_job])
        h->next_job = (h->next_job + 1) % JOB_JOBS_MAX;
    uint32_t job = h->next_job;
    h->next_job = (h->next_job + 1) % JOB_JOBS_MAX;
    h->jobs[job] = (struct harness_job){
        .is_open = true,
        .keeps_body = true,
        .generation = ++h->generations,
        .may_send = JOB_CREDIT_INITIAL,
        .may_receive = JOB_ANSWER_CREDIT_INITIAL,
        .request_id = ++h->next_request_id,
        .handle = handle,
    };
    struct job_slot slot = {.type = JOB_START,
                            .job = job,
                            .generation = h->jobs[job].generation,
                            .arg = handle,
                            .arg2 = h->jobs[job].request_id,
                            .flags = has_body ? 0 : JOB_F_END};
    harness_fill(h, &slot, head, len);
    harness_push(h, &slot);
    h->starts++;
    return job;
}

uint32_t harness_open_in(struct harness *h, struct head_view context, uint32_t handle,
                         const char *method, const char *url, const char *fields, bool has_body)
{
    uint8_t head[JOB_HEAD_BYTES_MAX];
    struct head_writer w;
    head_write_request(&w, head, sizeof(head), context, view(method, strlen(method)),
                       view(url, strlen(url)));
    harness_write_fields(&w, fields);
    size_t len = head_write_end(&w);
    assert(len > 0);
    return harness_start_job(h, handle, head, len, has_body);
}

uint32_t harness_open(struct harness *h, uint32_t handle, const char *method, const char *url,
                      const char *fields, bool has_body)
{
    return harness_open_in(h, view("", 0), handle, method, url, fields, has_body);
}

struct job_slot harness_slot_of(const struct harness *h, enum job_type type, uint32_t job)
{
    return (struct job_slot){
        .type = (uint8_t)type, .job = job, .generation = h->jobs[job].generation};
}

void harness_send(struct harness *h, uint32_t job, const void *bytes, size_t len, bool is_end)
{
    struct harness_job *j = &h->jobs[job];
    const uint8_t *p = bytes;
    do {
        while (len > 0 && j->may_send == 0 && !j->is_done)
            harness_await(h);
        if (j->is_done)
            return;
        size_t n = len < j->may_send ? len : j->may_send;
        if (n > JOB_HEAD_BYTES_MAX)
            n = JOB_HEAD_BYTES_MAX;
        struct job_slot slot = harness_slot_of(h, JOB_BODY, job);
        slot.flags = is_end && n == len ? JOB_F_END : 0;
        harness_fill(h, &slot, p, n);
        j->may_send -= n;
        p += n;
        len -= n;
        harness_push(h, &slot);
    } while (len > 0);
}

static void stop_lingering(struct harness *h, uint32_t job, uint32_t generation)
{
    if (h->lingering[job] != generation)
        return;
    h->lingering[job] = 0;
    h->lingering_count--;
}

void harness_cancel(struct harness *h, uint32_t job)
{
    struct job_slot slot = harness_slot_of(h, JOB_CANCEL, job);
    struct harness_job *j = &h->jobs[job];
    assert(!j->is_done);
    harness_push(h, &slot);
    h->lingering[job] = j->generation;
    h->lingering_count++;
    harness_close(h, job);
}

void harness_fin(struct harness *h, uint32_t job)
{
    struct job_slot slot = harness_slot_of(h, JOB_FIN, job);
    assert(!h->jobs[job].is_done);
    harness_push(h, &slot);
}

void harness_credit(struct harness *h, uint32_t job, uint64_t bytes)
{
    struct job_slot slot = harness_slot_of(h, JOB_CREDIT, job);
    slot.arg = bytes;
    h->jobs[job].may_receive += bytes;
    harness_push(h, &slot);
}

void harness_control(struct harness *h, enum job_type type, uint32_t handle)
{
    harness_push(h, &(struct job_slot){.type = (uint8_t)type, .arg = handle});
}

void harness_demand(struct harness *h, uint32_t handle)
{
    harness_push(h, &(struct job_slot){.type = JOB_WARM, .flags = JOB_F_DEMANDED, .arg = handle});
}

/* ---- up ---- */

static void append(struct harness *h, struct harness_job *j, const struct job_slot *slot)
{
    size_t left = slot->bytes;
    assert(slot->bytes <= j->may_receive);
    j->may_receive -= slot->bytes;
    for (uint32_t i = 0; i < slot->chunk_count; i++) {
        const uint8_t *from = arena_view(&h->arena_up, slot->chunk[i]);
        size_t n = left < ARENA_CHUNK_BYTES ? left : ARENA_CHUNK_BYTES;
        assert(from && n > 0);
        if (j->keeps_body) {
            if (j->body_bytes + n + 1 > j->body_cap) {
                j->body_cap = (j->body_bytes + n + 1) * 2;
                j->body = realloc(j->body, j->body_cap);
            }
            memcpy(j->body + j->body_bytes, from, n);
            j->body[j->body_bytes + n] = '\0';
        }
        j->body_bytes += n;
        left -= n;
    }
    assert(left == 0);
}

static void take_head(struct harness *h, struct harness_job *j, const struct job_slot *slot)
{
    struct head_reader reader;
    struct head_field field;
    assert(!j->has_head && slot->bytes > 0);
    j->has_head = true;
    j->cold_us = slot->arg;
    j->head = malloc(slot->bytes);
    harness_copy_bytes(h, slot, j->head);
    j->head_bytes = slot->bytes;
    j->status = head_read_response(&reader, j->head, j->head_bytes);
    while (head_read_field(&reader, &field))
        ;
    assert(head_read_end(&reader));
}

static void done(struct harness *h, struct harness_job *j, enum job_error error)
{
    assert(!j->is_done);
    j->is_done = true;
    j->error = error;
    h->dones++;
}

static void give_back(struct harness *h, const struct job_slot *slot)
{
    for (uint32_t i = 0; i < slot->chunk_count; i++) {
        bool fits = arena_give_back(&h->arena_up, slot->chunk[i]);
        assert(fits);
    }
}

static void take(struct harness *h, const struct job_slot *slot)
{
    h->messages++;
    switch (slot->type) {
    case JOB_WARMED:
        h->warmed++;
        h->warmed_us = slot->arg2;
        return;
    case JOB_EVICTED:
        h->evicted++;
        return;
    case JOB_SUB:
    case JOB_SUB_BODY:
    case JOB_SUB_CANCEL:
    case JOB_SUB_CREDIT:
        harness_take_sub(h, slot);
        give_back(h, slot);
        return;
    case JOB_DONE:
        assert(h->lingering[slot->job] == slot->generation);
        if (h->jobs[slot->job].is_open && h->jobs[slot->job].generation == slot->generation)
            h->jobs[slot->job].lingers = false;
        harness_drop_subs(h, slot->job, slot->generation);
        stop_lingering(h, slot->job, slot->generation);
        return;
    }
    assert(slot->job < JOB_JOBS_MAX);
    struct harness_job *j = &h->jobs[slot->job];
    bool is_late = !j->is_open || j->generation != slot->generation ||
                   (j->is_done && slot->type == JOB_CREDIT);
    bool is_last =
        (slot->type == JOB_ERROR || slot->flags & JOB_F_END) && !(slot->flags & JOB_F_LINGERS);
    if (is_late && is_last && h->lingering[slot->job] == slot->generation) {
        harness_drop_subs(h, slot->job, slot->generation); /* it crossed the cancel */
        stop_lingering(h, slot->job, slot->generation);
    }
    if (!is_late) {
        assert(!j->is_done);
        switch (slot->type) {
        case JOB_HEAD:
            take_head(h, j, slot);
            break;
        case JOB_DATA:
            assert(j->has_head);
            append(h, j, slot);
            break;
        case JOB_ERROR:
            done(h, j, (enum job_error)slot->arg);
            break;
        case JOB_CREDIT:
            j->may_send += slot->arg;
            assert(slot->arg > 0 && j->may_send <= JOB_CREDIT_INITIAL);
            break;
        case JOB_SPAN:
            assert(!j->has_head && !j->has_span && slot->chunk_count == 0);
            j->has_span = true;
            memcpy(j->phase_us, slot->chunk, sizeof(j->phase_us));
            break;
        default:
            fprintf(stderr, "message type %u\n", slot->type);
            abort();
        }
        if (slot->flags & JOB_F_END)
            done(h, j, JOB_ERROR_NONE);
        if (slot->flags & JOB_F_LINGERS) {
            assert(j->is_done);
            j->lingers = true;
            h->lingering[slot->job] = j->generation;
            h->lingering_count++;
        } else if (j->is_done) {
            harness_drop_subs(h, slot->job, slot->generation);
        }
        if (j->caller && slot->type != JOB_SPAN)
            harness_pass_up(h, j, slot);
    }
    give_back(h, slot);
    if (!is_late && slot->type == JOB_DATA && j->is_open && !j->is_done && !j->holds_credit &&
        !j->caller && slot->bytes)
        harness_credit(h, slot->job, slot->bytes);
}

static void take_packet(struct harness *h, const char *bytes, size_t len)
{
    static struct start_report report;
    assert(start_report_read(&report, (const uint8_t *)bytes, len));
    json_t *packet = json_loadb(bytes, len, 0, NULL);
    const char *type = json_string_value(json_object_get(packet, "type"));
    assert(type);
    if (strcmp(type, "ready") == 0) {
        h->is_ready = true;
    } else if (strcmp(type, "log") == 0) {
        assert(h->line_count < HARNESS_LINES_MAX);
        const char *text = json_string_value(json_object_get(packet, "text"));
        size_t n = h->line_count++;
        snprintf(h->lines[n].level, sizeof(h->lines[n].level), "%s",
                 json_string_value(json_object_get(packet, "level")));
        snprintf(h->lines[n].request, sizeof(h->lines[n].request), "%s",
                 json_string_value(json_object_get(packet, "request")));
        h->lines[n].handle = (uint32_t)json_integer_value(json_object_get(packet, "handle"));
        h->lines[n].text = strdup(text ? text : "");
        if (getenv("HARNESS_LOG"))
            fprintf(stderr, "[%s %u] %s\n", h->lines[n].level, h->lines[n].handle,
                    h->lines[n].text);
    } else if (strcmp(type, "loaded") == 0) {
        h->loaded_count++;
        h->loaded_handle = (uint32_t)report.handle;
        memcpy(h->loaded_error, report.text, sizeof(report.text));
    } else {
        assert(strcmp(type, "stats") == 0);
        snprintf(h->stats, sizeof(h->stats), "%.*s", (int)len, bytes);
        h->stats_count++;
    }
    json_decref(packet);
}

static bool drain_ring(struct harness *h)
{
    struct job_slot slot;
    bool any = false;
    while (job_consumer_pop(&h->up, &slot) == JOB_RING_OK) {
        take(h, &slot);
        any = true;
    }
    if (any)
        job_consumer_release(&h->up);
    return any;
}

static bool drain(struct harness *h)
{
    static char bytes[START_PACKET_BYTES_MAX];
    bool any = drain_ring(h);
    for (;;) {
        ssize_t n = recv(h->start_fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        /* What it said before it ended counts, and may be all that the test waits for. */
        if (n == 0 && !any && !drain_ring(h)) {
            int status = 0;
            waitpid(h->pid, &status, 0);
            fprintf(stderr, "hearth-runtime is gone, status %x\n", (unsigned)status);
            abort();
        }
        if (n == 0)
            return true;
        if (n < 0)
            return any;
        take_packet(h, bytes, (size_t)n);
        any = true;
    }
}

/* False: nothing came, and nobody knocked. */
static bool look(struct harness *h, int timeout_ms)
{
    struct job_region_header *header = h->region;
    static bool
        draining; /* drain -> take -> credit -> push may come back here when the ring is full */
    if (draining)
        return true;
    draining = true;
    bool any = drain(h);
    if (!any) {
        atomic_store(&header->core_asleep[0].asleep, 1);
        if (!job_consumer_pending(&h->up)) {
            struct pollfd fds[] = {{.fd = h->core_fd, .events = POLLIN},
                                   {.fd = h->start_fd, .events = POLLIN}};
            any = poll(fds, 2, timeout_ms) > 0;
            uint64_t count;
            if (fds[0].revents) {
                ssize_t got = read(h->core_fd, &count, sizeof(count));
                (void)got;
            }
        }
        atomic_store(&header->core_asleep[0].asleep, 0);
        any |= drain(h);
    }
    draining = false;
    return any;
}

void harness_poll(struct harness *h, int timeout_ms)
{
    look(h, timeout_ms);
}

static uint64_t cpu_ms(const struct harness *h)
{
    clockid_t clock;
    struct timespec t = {0};
    if (clock_getcpuclockid(h->pid, &clock) == 0)
        clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void harness_await(struct harness *h)
{
    enum { STEP_MS = 1000 };
    uint64_t cpu_from_ms = cpu_ms(h);
    for (uint32_t waited_ms = 0; !look(h, STEP_MS); waited_ms += STEP_MS) {
        uint64_t used_ms = cpu_ms(h) - cpu_from_ms;
        if (waited_ms < HARNESS_SILENCE_MS && used_ms < HARNESS_SILENCE_CPU_MS)
            continue;
        fprintf(stderr, "nothing came for %u ms, in which the process used %lu ms of CPU time\n",
                waited_ms, (unsigned long)used_ms);
        abort();
    }
}

struct harness_job *harness_wait(struct harness *h, uint32_t job)
{
    while (!h->jobs[job].is_done)
        harness_await(h);
    return &h->jobs[job];
}

void harness_close(struct harness *h, uint32_t job)
{
    struct harness_job *j = &h->jobs[job];
    free(j->head);
    free(j->body);
    *j = (struct harness_job){0};
}

struct harness_job *harness_get(struct harness *h, uint32_t handle, const char *path)
{
    static uint32_t last;
    static struct harness *of;
    char url[2048];
    if (of == h && h->jobs[last].is_done)
        harness_close(h, last);
    of = h;
    snprintf(url, sizeof(url), "https://test.example%s", path);
    last = harness_open(h, handle, "GET", url, "host: test.example\naccept: */*\n", false);
    return harness_wait(h, last);
}

const char *harness_field(const struct harness_job *j, const char *name)
{
    static char value[4096];
    struct head_reader reader;
    struct head_field field;
    head_read_response(&reader, j->head, j->head_bytes);
    while (head_read_field(&reader, &field)) {
        if (field.name.len != strlen(name) || memcmp(field.name.p, name, field.name.len) != 0)
            continue;
        snprintf(value, sizeof(value), "%.*s", (int)field.value.len, field.value.p);
        return value;
    }
    return "";
}

bool harness_logged(const struct harness *h, const char *level, const char *text)
{
    for (size_t i = 0; i < h->line_count; i++)
        if ((!level || strcmp(h->lines[i].level, level) == 0) && strstr(h->lines[i].text, text))
            return true;
    return false;
}

void harness_wait_log(struct harness *h, const char *level, const char *text)
{
    while (!harness_logged(h, level, text))
        harness_await(h);
}
