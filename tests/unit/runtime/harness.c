#include "harness_parts.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

void harness_start(struct harness *h)
{
    memset(h, 0, sizeof(*h));
    h->geometry = &job_geometry_large;
    h->cells_warm = HARNESS_CELLS_WARM;
    zygote_rig_start(&h->zygote, NULL);
    h->core_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void harness_stop(struct harness *h)
{
    while (h->cell_count)
        harness_end_cell(h, h->cells[0]);
    if (h->template)
        harness_drop_template(h);
    zygote_rig_stop(&h->zygote);
    close(h->core_fd);
    for (uint32_t i = 0; i < JOB_JOBS_MAX; i++)
        harness_close(h, i);
    for (uint32_t i = 0; i < JOB_SUBS_MAX; i++) {
        free(h->subs[i].head);
        free(h->subs[i].body);
    }
    for (uint32_t i = 0; i < h->script_count; i++) {
        free(h->scripts[i].packet);
        close(h->scripts[i].sources_fd);
    }
    for (size_t i = 0; i < h->line_count; i++)
        free(h->lines[i].text);
}

/* ---- down ---- */

void harness_push(struct harness *h, struct harness_link *l, const struct job_slot *slot)
{
    harness_count(l, 1); /* it may not end while we wait */
    while (!job_producer_push(&l->down, slot))
        harness_poll(h, 1);
    harness_count(l, -1);
    job_producer_publish(&l->down);
    if (job_sleeper_take(&l->region->runtime_asleep)) {
        const uint64_t one = 1;
        ssize_t n = write(l->cell->runtime_fd, &one, sizeof(one));
        assert(n == sizeof(one));
    }
}

void harness_fill(struct harness *h, struct harness_link *l, struct job_slot *slot,
                  const uint8_t *bytes, size_t len)
{
    slot->bytes = (uint32_t)len;
    harness_count(l, 1);
    for (size_t at = 0; at < len; at += ARENA_CHUNK_BYTES) {
        uint32_t chunk;
        while ((chunk = arena_take(&l->arena)) == ARENA_NONE)
            harness_poll(h, 1);
        size_t n = len - at < ARENA_CHUNK_BYTES ? len - at : ARENA_CHUNK_BYTES;
        memcpy(arena_bytes(&l->arena, chunk), bytes + at, n);
        slot->chunk[slot->chunk_count++] = chunk;
    }
    harness_count(l, -1);
}

void harness_copy_bytes(struct harness_link *l, const struct job_slot *slot, uint8_t *out)
{
    for (uint32_t i = 0; i < slot->chunk_count; i++) {
        size_t at = (size_t)i * ARENA_CHUNK_BYTES;
        size_t n = slot->bytes - at < ARENA_CHUNK_BYTES ? slot->bytes - at : ARENA_CHUNK_BYTES;
        memcpy(out + at, arena_view(&l->arena_up, slot->chunk[i]), n);
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

bool harness_is_full(struct harness *h, uint32_t handle)
{
    const struct harness_link *l = harness_link_for(h, handle);
    for (uint32_t i = 0; i < l->geometry.jobs; i++)
        if (!l->job_at[i])
            return false;
    return true;
}

static uint32_t take_slot(struct harness *h, struct harness_link *l)
{
    for (uint32_t tries = 0; l->job_at[l->next_slot]; tries++) {
        if (tries == l->geometry.jobs) { /* as many as it may have: one must end first */
            harness_await(h);
            tries = 0;
        }
        l->next_slot = (l->next_slot + 1) % l->geometry.jobs;
    }
    uint32_t slot = l->next_slot;
    l->next_slot = (slot + 1) % l->geometry.jobs;
    return slot;
}

uint32_t harness_start_job(struct harness *h, uint32_t handle, const uint8_t *head, size_t len,
                           bool has_body)
{
    while (h->jobs[h->next_job].is_open || h->lingering[h->next_job])
        h->next_job = (h->next_job + 1) % JOB_JOBS_MAX;
    uint32_t job = h->next_job;
    h->next_job = (h->next_job + 1) % JOB_JOBS_MAX;
    struct harness_link *l = harness_link_for(h, handle);
    h->jobs[job] = (struct harness_job){
        .is_open = true,
        .link = l,
        .slot = take_slot(h, l),
        .keeps_body = true,
        .generation = ++h->generations,
        .may_send = JOB_CREDIT_INITIAL,
        .may_receive = JOB_ANSWER_CREDIT_INITIAL,
        .request_id = ++h->next_request_id,
        .handle = handle,
    };
    l->job_at[h->jobs[job].slot] = job + 1;
    harness_count(l, 1);
    struct job_slot slot = {.type = JOB_START,
                            .job = h->jobs[job].slot,
                            .generation = h->jobs[job].generation,
                            .arg = handle,
                            .arg2 = h->jobs[job].request_id,
                            .flags =
                                (has_body ? 0 : JOB_F_END) | (h->has_waited ? JOB_F_WAITED : 0)};
    harness_fill(h, l, &slot, head, len);
    harness_push(h, l, &slot);
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
        .type = (uint8_t)type, .job = h->jobs[job].slot, .generation = h->jobs[job].generation};
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
        harness_fill(h, j->link, &slot, p, n);
        j->may_send -= n;
        p += n;
        len -= n;
        harness_push(h, j->link, &slot);
    } while (len > 0);
}

/* The cell is through with it: its index is free there. */
static void end_job(struct harness_link *l, uint32_t slot)
{
    l->job_at[slot] = 0;
    harness_count(l, -1);
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
    harness_push(h, j->link, &slot);
    h->lingering[job] = j->generation;
    h->lingering_count++;
    harness_close(h, job);
}

void harness_fin(struct harness *h, uint32_t job)
{
    struct job_slot slot = harness_slot_of(h, JOB_FIN, job);
    assert(!h->jobs[job].is_done);
    harness_push(h, h->jobs[job].link, &slot);
}

void harness_credit(struct harness *h, uint32_t job, uint64_t bytes)
{
    struct job_slot slot = harness_slot_of(h, JOB_CREDIT, job);
    slot.arg = bytes;
    h->jobs[job].may_receive += bytes;
    harness_push(h, h->jobs[job].link, &slot);
}

/* ---- up ---- */

static void append(struct harness_job *j, const struct job_slot *slot)
{
    size_t left = slot->bytes;
    assert(slot->bytes <= j->may_receive);
    j->may_receive -= slot->bytes;
    for (uint32_t i = 0; i < slot->chunk_count; i++) {
        const uint8_t *from = arena_view(&j->link->arena_up, slot->chunk[i]);
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

static void take_head(struct harness_job *j, const struct job_slot *slot)
{
    struct head_reader reader;
    struct head_field field;
    assert(!j->has_head && slot->bytes > 0);
    j->has_head = true;
    j->cold_us = slot->arg;
    j->head = malloc(slot->bytes);
    harness_copy_bytes(j->link, slot, j->head);
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

static void give_back(struct harness_link *l, const struct job_slot *slot)
{
    for (uint32_t i = 0; i < slot->chunk_count; i++) {
        bool fits = arena_give_back(&l->arena_up, slot->chunk[i]);
        assert(fits);
    }
}

/* Of a job that lingers, or was cancelled: the last that is heard of it. */
static void take_end(struct harness *h, struct harness_link *l, uint32_t job, uint32_t slot,
                     uint32_t generation)
{
    harness_drop_subs(h, job, generation);
    stop_lingering(h, job, generation);
    end_job(l, slot);
}

static void take_live(struct harness *h, struct harness_job *j, const struct job_slot *slot)
{
    assert(!j->is_done);
    if (slot->type == JOB_ERROR || slot->flags & JOB_F_END)
        j->cpu_us = slot->arg2;
    switch (slot->type) {
    case JOB_HEAD:
        take_head(j, slot);
        break;
    case JOB_DATA:
        assert(j->has_head);
        append(j, slot);
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
}

static void take_of_job(struct harness *h, struct harness_link *l, const struct job_slot *slot)
{
    uint32_t job = l->job_at[slot->job] - 1;
    if (!l->job_at[slot->job])
        return;
    struct harness_job *j = &h->jobs[job];
    bool is_late = !j->is_open || j->generation != slot->generation ||
                   (j->is_done && slot->type == JOB_CREDIT);
    bool is_last =
        (slot->type == JOB_ERROR || slot->flags & JOB_F_END) && !(slot->flags & JOB_F_LINGERS);
    if (is_late && is_last && h->lingering[job] == slot->generation)
        take_end(h, l, job, slot->job, slot->generation); /* it crossed the cancel */
    if (is_late)
        return;
    take_live(h, j, slot);
    if (slot->flags & JOB_F_LINGERS) {
        assert(j->is_done);
        j->lingers = true;
        h->lingering[job] = j->generation;
        h->lingering_count++;
    } else if (j->is_done) {
        harness_drop_subs(h, job, slot->generation);
        end_job(l, slot->job);
    }
    bool has_credit = slot->type == JOB_DATA && !j->is_done && !j->holds_credit && !j->caller;
    if (j->caller && slot->type != JOB_SPAN)
        harness_pass_up(h, j, slot);
    else if (has_credit && slot->bytes)
        harness_credit(h, job, slot->bytes);
}

static void take(struct harness *h, struct harness_link *l, const struct job_slot *slot)
{
    h->messages++;
    switch (slot->type) {
    case JOB_WARMED:
        assert(slot->arg == l->cell->handle);
        h->warmed++;
        h->warmed_us = slot->arg2;
        return;
    case JOB_SUB:
    case JOB_SUB_BODY:
    case JOB_SUB_CANCEL:
    case JOB_SUB_CREDIT:
        harness_take_sub(h, l, slot);
        break;
    case JOB_DONE: {
        assert(slot->job < JOB_JOBS_MAX && l->job_at[slot->job]);
        uint32_t job = l->job_at[slot->job] - 1;
        assert(h->lingering[job] == slot->generation);
        take_end(h, l, job, slot->job, slot->generation);
        return;
    }
    default:
        assert(slot->job < JOB_JOBS_MAX);
        take_of_job(h, l, slot);
    }
    give_back(l, slot);
}

static bool drain_ring(struct harness *h, struct harness_link *l)
{
    struct job_slot slot;
    bool any = false;
    while (job_consumer_pop(&l->up, &slot) == JOB_RING_OK) {
        take(h, l, &slot);
        any = true;
    }
    if (any)
        job_consumer_release(&l->up);
    return any;
}

/* The rings before the socket: what a cell says by both, it has said by the socket first. */
static bool drain(struct harness *h)
{
    bool any = false;
    for (uint32_t i = 0; i < h->cell_count; i++) {
        struct harness_cell *c = h->cells[i];
        for (uint32_t n = 0; n < c->link_count; n++)
            any |= drain_ring(h, c->link[n]);
        any |= harness_hear(h, c);
    }
    return any;
}

/* Before sleep (1) and after. True: something has come meanwhile. */
static bool set_asleep(struct harness *h, uint32_t asleep)
{
    bool any = false;
    for (uint32_t i = 0; i < h->cell_count; i++) {
        for (uint32_t n = 0; n < h->cells[i]->link_count; n++) {
            struct harness_link *l = h->cells[i]->link[n];
            atomic_store(&l->region->core_asleep[0].asleep, asleep);
            any |= job_consumer_pending(&l->up);
        }
    }
    return any;
}

static bool wait_for_knock(struct harness *h, int timeout_ms)
{
    struct pollfd fds[1 + HARNESS_CELLS_MAX] = {{.fd = h->core_fd, .events = POLLIN}};
    uint64_t count;
    for (uint32_t i = 0; i < h->cell_count; i++)
        fds[1 + i] = (struct pollfd){.fd = h->cells[i]->start_fd, .events = POLLIN};
    bool any = poll(fds, 1 + h->cell_count, timeout_ms) > 0;
    if (fds[0].revents) {
        ssize_t got = read(h->core_fd, &count, sizeof(count));
        (void)got;
    }
    return any;
}

/* False: nothing came, and nobody knocked. */
static bool look(struct harness *h, int timeout_ms)
{
    static bool
        draining; /* drain -> take -> credit -> push may come back here when the ring is full */
    if (draining)
        return true;
    draining = true;
    bool any = drain(h);
    if (!any) {
        if (!set_asleep(h, 1))
            any = wait_for_knock(h, timeout_ms);
        set_asleep(h, 0);
        any |= drain(h);
    }
    draining = false;
    harness_end_retired(h);
    return any;
}

void harness_poll(struct harness *h, int timeout_ms)
{
    look(h, timeout_ms);
}

static uint64_t cpu_ms(const struct harness *h)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < h->cell_count; i++) {
        clockid_t clock;
        struct timespec t = {0};
        if (clock_getcpuclockid(h->cells[i]->pid, &clock) == 0)
            clock_gettime(clock, &t);
        sum += (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
    }
    return sum;
}

void harness_await(struct harness *h)
{
    enum { STEP_MS = 1000 };
    uint64_t cpu_from_ms = cpu_ms(h);
    for (uint32_t waited_ms = 0; !look(h, STEP_MS); waited_ms += STEP_MS) {
        uint64_t used_ms = cpu_ms(h) - cpu_from_ms;
        if (waited_ms < HARNESS_SILENCE_MS && used_ms < HARNESS_SILENCE_CPU_MS)
            continue;
        fprintf(stderr, "nothing came for %u ms, in which the cells used %lu ms of CPU time\n",
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

void harness_wait_chunks(struct harness *h)
{
    for (uint32_t i = 0; i < h->cell_count; i++) {
        for (uint32_t n = 0; n < h->cells[i]->link_count; n++) {
            struct harness_link *l = h->cells[i]->link[n];
            while (arena_available(&l->arena) < l->geometry.chunks)
                harness_poll(h, 10);
            assert(!l->arena.lied);
        }
    }
}
