#include "control/supervise/supervise.h"

#include <assert.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "control/base/log.h"
#include "control/config/install.h"
#include "control/supervise/procfs.h"
#include "control/supervise/region_guard.h"
#include "control/supervise/supervise_state.h"

enum { MAILS_PER_EVENT = 256 };

uint32_t supervise_links(uint32_t cells_max, uint32_t larges)
{
    return cells_max + larges;
}

void supervise_changed(struct supervise *s)
{
    if (s->config.on_change && !s->is_stopping)
        s->config.on_change(s->config.arg);
}

void supervise_tell_loaded(struct supervise *s, const struct script_cells *row, const char *error)
{
    if (s->config.on_loaded && !s->is_stopping)
        s->config.on_loaded(s->config.arg, row->handle, error);
}

bool supervise_has_pid(const struct supervise *s, int32_t pid)
{
    for (uint32_t i = 0; i < s->config.cells_max; i++)
        if (s->pid[i] == pid)
            return true;
    for (uint32_t i = 0; i < SUPERVISE_TEMPLATES_MAX; i++)
        if (s->template[i].child.pid == pid)
            return true;
    return pid == s->zygote[0].child.pid || pid == s->zygote[1].child.pid;
}

/* ---- scripts that may not run ---- */

static void on_hold_over(void *arg);

static void await_hold(struct supervise *s)
{
    uint64_t now_ns = loop_now_ns(), next_ns = hold_next_ns(&s->holds, now_ns);

    if (next_ns != UINT64_MAX)
        loop_timer_set(s->config.loop, &s->hold_timer, next_ns - now_ns, on_hold_over, s);
}

static void on_hold_over(void *arg)
{
    struct supervise *s = arg;

    await_hold(s);
    supervise_changed(s);
}

void supervise_blame(struct supervise *s, struct script_cells *row, const char *how)
{
    const struct script *script = catalog_by_handle(s->config.catalog, row->handle);
    uint64_t now_ns = loop_now_ns();
    const struct hold *h;

    if (!script)
        return;
    h = hold_ended(&s->holds, script->handle, now_ns);
    log_line("script",
             "name=%s version=%s level=error text=\"its cell ended while it ran (%s)\" ends=%u "
             "held_s=%llu",
             script->name, script->version, how, h->ends,
             (unsigned long long)(h->until_ns > now_ns ? (h->until_ns - now_ns) / 1000000000u : 0));
    if (h->until_ns <= now_ns)
        return;
    await_hold(s);
    supervise_changed(s);
}

void supervise_refuse(struct supervise *s, struct script_cells *row)
{
    static const char why[] = "its account's cells have all the memory that they may";

    s->accounts_refused++;
    if (hold_full(&s->holds, row->handle, loop_now_ns())) {
        await_hold(s);
        supervise_changed(s);
    }
    if (!row->is_tried)
        return;
    row->is_tried = false;
    supervise_tell_loaded(s, row, why);
}

/* ---- what the cores say ---- */

static void on_start(struct supervise *s, const struct cell_wish *wish)
{
    const struct script *script = catalog_by_handle(s->config.catalog, wish->script);
    struct script_cells *row = script ? script_table_take(&s->scripts, script) : NULL;

    if (!row || script_cells_serving(row) || script_cells_rests(row, loop_now_ns()))
        return;
    row->is_awaited = wish->is_demanded;
    if (wish->is_demanded)
        supervise_want(s, row);
    else
        supervise_guess(s, row);
}

static void on_wish(struct supervise *s, uint32_t core, const struct cell_wish *wish)
{
    struct cell_link *l =
        wish->type == CELL_WISH_START || wish->link >= cell_mail_links(s->config.mail[core])
            ? NULL
            : &s->link[wish->link];

    if (wish->type == CELL_WISH_START)
        on_start(s, wish);
    else if (wish->type == CELL_WISH_LARGER && l && l->cell && l == l->cell->first)
        cell_enlarge(l->cell);
    else if (wish->type == CELL_SAID_SPENT && l && l->cell)
        cell_spent(l->cell);
    else if (wish->type == CELL_RELEASED && l && l->cell)
        cell_link_released(l, core);
}

static void on_mail(void *arg, uint32_t events)
{
    struct supervise *s = arg;
    uint64_t rings;
    bool is_more = false;
    ssize_t n = read(s->config.mail_fd, &rings, sizeof(rings));

    for (uint32_t i = 0; i < s->config.lanes; i++) {
        struct cell_wish wish;
        int left = MAILS_PER_EVENT;

        while (left && cell_mail_hear(s->config.mail[i], &wish)) {
            on_wish(s, i, &wish);
            left--;
        }
        is_more |= !left;
    }
    if (is_more)
        n = write(s->config.mail_fd, &(uint64_t){1}, sizeof(uint64_t));
    (void)n;
    supervise_serve(s);
}

/* ---- life of the supervisor ---- */

static bool has_capability(int capability)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2] = {0};

    return !syscall(SYS_capget, &header, caps) && (caps[0].effective & 1u << capability);
}

static void set_numbers(struct supervise *s, const struct supervise_config *config)
{
    struct supervise_config *c = &s->config;

    *c = *config;
    if (!c->hang_ms)
        c->hang_ms = SUPERVISE_HANG_MS;
    if (!c->slack_bytes)
        c->slack_bytes = (uint64_t)SUPERVISE_SLACK_MB << 20;
    if (!c->per_script)
        c->per_script = c->cpus_count ? c->cpus_count : (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
    if (c->spares >= c->cells_max)
        c->spares = c->cells_max - 1;
    if (c->cpus_count)
        memcpy(s->cpus, c->cpus, c->cpus_count * sizeof(s->cpus[0]));
}

static bool take_memory(struct supervise *s)
{
    const struct supervise_config *c = &s->config;
    const uint32_t links = supervise_links(c->cells_max, c->larges);

    s->node_exe = strdup(c->node_exe);
    s->program = strdup(c->program);
    s->blob = strdup(c->blob);
    /* jemalloc must be preloaded itself: symbols of a preloaded object's dependencies come after
     * libc's. */
    if (asprintf(&s->preload, "LD_PRELOAD=libjemalloc.so.2:%s", c->program) < 0)
        s->preload = NULL;
    s->cell = calloc(c->cells_max, sizeof(*s->cell));
    s->link = calloc(links, sizeof(*s->link));
    s->condemned = calloc(links, sizeof(*s->condemned));
    s->pid = calloc(c->cells_max, sizeof(*s->pid));
    return s->node_exe && s->program && s->blob && s->preload && s->cell && s->link &&
           s->condemned && s->pid;
}

static void set_zygotes(struct supervise *s)
{
    s->zygote_config = (struct zygote_config){
        .node_exe = s->node_exe,
        .blob = s->blob,
        .preload = s->preload,
        .may_be_weaker = s->config.may_be_weaker,
        .limits_speculation = s->config.limits_speculation,
        .has_cpus = s->config.cpus_count,
        .loop = s->config.loop,
        .words_dropped = &s->logs_dropped,
        .on_change = supervise_on_zygote,
        .on_forked = supervise_on_forked,
        .arg = s,
    };
    for (uint32_t i = 0; i < s->config.cpus_count; i++)
        CPU_SET(s->cpus[i], &s->zygote_config.cpus);
    for (int i = 0; i < 2; i++) {
        zygote_init(&s->zygote[i], &s->zygote_config);
        forks_init(&s->forks[i]);
    }
}

static void set_tables(struct supervise *s)
{
    const uint32_t links = supervise_links(s->config.cells_max, s->config.larges);

    for (uint32_t i = 0; i < links; i++)
        s->link[i] = (struct cell_link){.number = i, .region.memfd = -1};
    for (uint32_t i = s->config.cells_max; i-- > 0;) {
        cell_init(&s->cell[i], s, i);
        s->cell[i].next = s->free;
        s->free = &s->cell[i];
    }
    for (uint32_t i = 0; i < SUPERVISE_TEMPLATES_MAX; i++)
        template_init(&s->template[i], s, i);
    s->count[CELL_FREE] = s->config.cells_max;
    s->has_tables = true;
    s->accounts.cgroup = s->config.cgroup;
    s->scripts.accounts = &s->accounts;
    warm_pool_init(&s->pool, &warm_weights_default, s->config.memory_bytes);
}

struct supervise *supervise_create(const struct supervise_config *config, char *error,
                                   size_t error_bytes)
{
    struct supervise *s;

    assert(config->cells_max >= 2 && config->cells_max <= CELLS_MAX &&
           config->larges <= CELL_LARGES_MAX && config->lanes <= 64 && config->cpus_count <= 64);
    if (!install_is_good(INSTALL_NODE_EXE, config->node_exe, error, error_bytes) ||
        !install_is_good(INSTALL_PROGRAM, config->program, error, error_bytes) ||
        !install_is_good(INSTALL_BLOB, config->blob, error, error_bytes))
        return NULL;
    s = calloc(1, sizeof(*s));
    if (s)
        set_numbers(s, config);
    if (!s || !take_memory(s) || region_guard_start())
        goto fail;
    set_zygotes(s);
    set_tables(s);
    if (loop_watch(s->config.loop, &s->mail_watch, s->config.mail_fd, EPOLLIN, on_mail, s))
        goto fail;
    return s;
fail:
    snprintf(error, error_bytes, "no memory");
    if (s)
        supervise_destroy(s);
    return NULL;
}

void supervise_start(struct supervise *s)
{
    /* Those of root's hearthd are other users'. */
    if (geteuid() == 0 && !has_capability(CAP_KILL))
        log_line("cell",
                 "advice=\"hearthd has no CAP_KILL: it cannot end a cell that hangs; add it "
                 "to the unit's CapabilityBoundingSet\"");
    s->seconds_ns = loop_now_ns();
    s->idle_ns = procfs_idle_ns(s->cpus, s->config.cpus_count);
    supervise_renew(s, NULL);
    supervise_look(s);
}

static void end_all(struct supervise *s)
{
    uint64_t deadline_ns;

    for (int i = 0; i < 2; i++)
        zygote_kill(&s->zygote[i], "hearthd ends");
    for (uint32_t i = 0; i < s->config.cells_max; i++)
        cell_kill(&s->cell[i], "hearthd ends");
    for (uint32_t i = 0; i < SUPERVISE_TEMPLATES_MAX; i++)
        template_end(&s->template[i], "hearthd ends");
    deadline_ns = loop_now_ns() + (uint64_t)SUPERVISE_STOP_MS * CELL_MS;
    for (uint32_t i = 0; i < s->config.cells_max; i++)
        if (s->cell[i].state != CELL_FREE)
            cell_await_end(&s->cell[i], deadline_ns);
    for (uint32_t i = 0; i < SUPERVISE_TEMPLATES_MAX; i++)
        template_await_end(&s->template[i], deadline_ns);
    for (int i = 0; i < 2; i++)
        zygote_await_end(&s->zygote[i], deadline_ns);
    warm_pool_fini(&s->pool);
    script_table_fini(&s->scripts);
}

void supervise_destroy(struct supervise *s)
{
    s->is_stopping = true;
    loop_timer_cancel(s->config.loop, &s->look_timer);
    loop_timer_cancel(s->config.loop, &s->hold_timer);
    loop_timer_cancel(s->config.loop, &s->zygote_timer);
    loop_timer_cancel(s->config.loop, &s->renew_timer);
    loop_timer_cancel(s->config.loop, &s->refill_timer);
    loop_unwatch(s->config.loop, &s->mail_watch);
    if (s->has_tables)
        end_all(s);
    free(s->cell);
    free(s->link);
    free((void *)s->condemned);
    free(s->pid);
    free(s->node_exe);
    free(s->program);
    free(s->blob);
    free(s->preload);
    free(s);
}

/* ---- what others ask ---- */

void supervise_try(struct supervise *s, const struct script *script, bool keeps)
{
    struct script_cells *row = script_table_take(&s->scripts, script);
    const struct script_cells *before =
        script_table_find(&s->scripts, catalog_find(s->config.catalog, script->name));

    if (!row)
        return; /* nobody will say anything of it */
    row->is_tried = true;
    row->keeps = keeps || (before && script_cells_serving(before));
    if (!script_cells_serving(row))
        supervise_want(s, row);
}

void supervise_forget(struct supervise *s, uint64_t handle)
{
    struct script_cells *row = NULL;
    struct cell *next;

    for (uint32_t i = 0; i < s->scripts.room && !row; i++)
        if (s->scripts.by_slot[i] && s->scripts.by_slot[i]->handle == handle)
            row = s->scripts.by_slot[i];
    if (!row)
        return;
    script_queue_take(row);
    row->is_gone = true;
    if (row->template)
        template_end(row->template, "its script is gone");
    if (!row->first) {
        script_table_drop(&s->scripts, row);
        return;
    }
    for (struct cell *c = row->first; c; c = next) {
        next = c->next_of_script;
        cell_retire(c, "its script is gone");
    }
}

bool supervise_can_serve(const struct supervise *s)
{
    return s->zygote[s->current].state == ZYGOTE_UP;
}

bool supervise_is_ready(const struct supervise *s)
{
    return s->was_ready && supervise_can_serve(s);
}

uint32_t supervise_held(const struct supervise *s, uint64_t handle[WORLD_HELD_MAX], uint64_t *full)
{
    return hold_list(&s->holds, loop_now_ns(), handle, full);
}

void supervise_status(const struct supervise *s, struct supervise_status *out)
{
    const struct zygote *z = &s->zygote[s->current];

    *out = (struct supervise_status){
        .zygote_restarts = s->restarts,
        .larges = s->larges,
        .memory_bytes = s->pool.bytes,
        .is_memory_exact = s->is_memory_exact,
        .started = s->started,
        .ended = s->ended,
        .spares_ended = s->spares_ended,
        .evicted = s->evicted,
        .bad_packets = s->bad_packets,
        .logs_dropped = s->logs_dropped,
        .regions_lost = s->regions_lost,
        .template_attacks = s->template_attacks,
        .accounts_refused = s->accounts_refused,
        .accounts_evicted = s->accounts_evicted,
        .accounts_killed = s->accounts_killed,
    };
    for (uint32_t i = 0; i < SUPERVISE_TEMPLATES_MAX; i++) {
        const struct template *t = &s->template[i];

        out->templates += t->state == TEMPLATE_FROZEN;
        out->template_bytes += t->is_pooled ? t->warm.bytes : 0;
    }
    memcpy(out->cells, s->count, sizeof(out->cells));
    memcpy(out->v8, z->v8, sizeof(out->v8));
    memcpy(out->last_exit, s->last_exit, sizeof(out->last_exit));
    if (z->state != ZYGOTE_UP)
        return;
    out->zygote_pid = (int)z->child.pid;
    out->zygote_age_s = (double)(loop_now_ns() - z->started_ns) / 1e9;
}

void supervise_script(const struct supervise *s, const struct script *script,
                      struct supervise_script *out)
{
    const struct script_cells *row = script_table_find(&s->scripts, script);

    *out = (struct supervise_script){.is_held = hold_has(&s->holds, script->handle, loop_now_ns())};
    if (!row)
        return;
    out->cells = script_cells_serving(row);
    out->cold = row->cold;
    out->ahead = row->ahead;
    out->requests = row->requests;
    out->evicted = row->evicted;
    out->ended = row->ended;
    out->cpu_us = row->cpu_ns / 1000;
    out->copies = row->copies;
    out->no_template = row->no_template;
    if (row->template && row->template->state == TEMPLATE_FROZEN) {
        out->template_pid = (int)row->template->child.pid;
        out->template_bytes = row->template->warm.bytes;
        out->memory_bytes = out->template_bytes;
    }
    for (const struct cell *c = row->first; c; c = c->next_of_script) {
        out->memory_bytes += c->is_pooled ? c->warm.bytes : 0;
        if (cell_serves(c) && c->child.pid &&
            out->pid_count < sizeof(out->pid) / sizeof(out->pid[0]))
            out->pid[out->pid_count++] = (int)c->child.pid;
    }
}
