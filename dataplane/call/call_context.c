/* A call's place in its request: the stack from which its sub-requests go on, who the client is,
 * and what they may spend. */
#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "dataplane/base/least.h"
#include "dataplane/base/limits.h"
#include "dataplane/base/mutant.h"
#include "dataplane/call/call_state.h"
#include "dataplane/core_state.h"
#include "dataplane/egress/egress.h"
#include "dataplane/world/world.h"
#include "runtime/context.h"
#include "runtime/head.h"

#define MS 1000000ull

uint64_t call_bindings_digest(const struct world_script *s)
{
    uint64_t digest = s->binding_count;
    for (uint32_t i = 0; i < s->binding_count; i++)
        digest = (digest ^ s->bindings[i].script) * 0x9e3779b97f4a7c15u;
    return digest;
}

/* ---- what is kept of a head, for the heads of sub-requests ----
 *
 * The stack comes first in it. Of the fields these say who the client is; whoever made this head,
 * the core where the request entered or where its caller runs, has put in what it knew itself. */

static const char *const client_fields[CALL_CLIENT_FIELDS] = {
    [CALL_CLIENT_IP] = "x-real-ip", [CALL_CLIENT_PROTO] = "x-forwarded-proto"};

const char *call_client_field(enum call_client which)
{
    return client_fields[which];
}

static bool field_is(const struct head_field *f, const char *name)
{
    return f->name.len == strlen(name) && memcmp(f->name.p, name, f->name.len) == 0;
}

/* Each as u8 bytes, text; in the order of enum call_client. */
static size_t write_client(const uint8_t *head, size_t head_bytes, uint8_t *out)
{
    struct head_view value[CALL_CLIENT_FIELDS] = {0};
    struct head_reader r;
    struct head_field f;
    size_t used = 0;
    head_read_request(&r, head, head_bytes);
    while (head_read_field(&r, &f)) {
        for (int i = 0; i < CALL_CLIENT_FIELDS; i++) {
            if (field_is(&f, client_fields[i]) && f.value.len <= CALL_CLIENT_BYTES_MAX)
                value[i] = f.value;
        }
    }
    for (int i = 0; i < CALL_CLIENT_FIELDS; i++) {
        out[used++] = (uint8_t)value[i].len;
        if (value[i].len > 0)
            memcpy(out + used, value[i].p, value[i].len);
        used += value[i].len;
    }
    return used;
}

/* False: no chunk for it. */
static bool keep_context(struct core *core, struct call *c)
{
    uint16_t bytes;
    uint8_t kept[CALL_CONTEXT_BYTES_MAX], *head = core->calls->head;
    size_t head_bytes = c->head.bytes;
    if (head_bytes < sizeof(bytes))
        return true;
    byte_queue_copy(&c->head, 0, head, head_bytes);
    memcpy(&bytes, head, sizeof(bytes));
    assert(bytes <= CONTEXT_BYTES_MAX && sizeof(bytes) + bytes <= head_bytes);
    memcpy(kept, head + sizeof(bytes), bytes);
    c->stack_bytes = bytes;
    size_t all = bytes + write_client(head, head_bytes, kept + bytes);
    return byte_queue_append(&c->context, &core->chunks, kept, all) == all;
}

bool call_read_context(struct call *c, struct context *context, struct call_client_words *words)
{
    size_t at = c->stack_bytes, all = c->context.bytes;
    byte_queue_copy(&c->context, 0, words->bytes, all);
    for (int i = 0; i < CALL_CLIENT_FIELDS; i++) {
        size_t len = at < all ? words->bytes[at++] : 0;
        words->value[i] = (struct head_view){(const char *)words->bytes + at, len};
        at += len;
    }
    assert(at == all);
    return context_read(context, words->bytes, c->stack_bytes);
}

static uint32_t limit_of(uint32_t said, uint32_t otherwise)
{
    return said ? said : otherwise;
}

bool call_take_script(struct core *core, struct call *c, const struct world_script *s)
{
    c->script_handle = s->handle;
    c->script_version = s->version_bits;
    c->wall_ms = limit_of(s->wall_ms, WALL_MS_DEFAULT);
    c->cpu_ms = limit_of(s->cpu_ms, CPU_MS_DEFAULT);
    c->reach = s->binding_count > 0 || s->outbound ? BUDGET_CALLS_SCRIPTS
               : egress_is_on(core)                ? BUDGET_CALLS_WORLD
                                                   : BUDGET_CALLS_NOTHING;
    if (c->reach != BUDGET_CALLS_SCRIPTS)
        return true;
    c->bindings_digest = call_bindings_digest(s);
    return c->context.bytes > 0 || keep_context(core, c);
}

/* What scripts call, and what other nodes send on, was counted where it entered. All cores add to
 * one number, which is touched for accounts with a limit only. */
bool call_count_at_once(struct call *c, const struct call_request *r)
{
    uint32_t max = r->script->at_once_max;
    if (max == 0 || r->parent || r->is_forwarded)
        return true;
    if (atomic_fetch_add_explicit(r->script->at_once, 1, memory_order_relaxed) >= max) {
        atomic_fetch_sub_explicit(r->script->at_once, 1, memory_order_relaxed);
        return false;
    }
    c->at_once = r->script->at_once;
    return true;
}

void call_uncount_at_once(struct call *c)
{
    if (c->at_once)
        atomic_fetch_sub_explicit(c->at_once, 1, memory_order_relaxed);
    c->at_once = NULL;
}

void call_take_budget(struct core *core, struct call *c, const struct call_request *r)
{
    const struct world_script *s = r->script;
    uint32_t calls = limit_of(s->subrequests, SUBREQUESTS_DEFAULT);
    uint32_t cpu_us = 1000 * limit_of(s->cpu_ms, CPU_MS_DEFAULT);
    uint32_t wall_ms = limit_of(s->wall_ms, WALL_MS_DEFAULT);
    struct budget_sum sum = {min_u32(calls, r->subrequests),
                             min_u32(cpu_us, limit_of(MUTANT(CPU_ANEW) ? 0 : r->cpu_us, cpu_us))};
    if (r->parent)
        budget_begin_sub(&c->budget, &r->parent->budget, sum);
    else
        budget_begin(&core->calls->trees, &c->budget, sum,
                     min_u32(wall_ms, limit_of(r->wall_ms, wall_ms)) * MS, core->now_ns);
}

enum job_error call_allow(struct core *core, const struct call *parent,
                          const struct world_binding *binding, struct context *context)
{
    uint32_t cpu_us = budget_cpu_left(&parent->budget);
    uint64_t wall_ms = budget_wall_left_ns(&parent->budget, core->now_ns) / MS;
    if (cpu_us == 0)
        return JOB_ERROR_CPU_LIMIT;
    if (wall_ms == 0)
        return JOB_ERROR_WALL_LIMIT;
    context->cpu_us = min_u32(cpu_us, limit_of(1000 * binding->cpu_ms, cpu_us));
    if (MUTANT(CPU_NOT_CARRIED))
        context->cpu_us = 1000 * binding->cpu_ms;
    context->wall_ms = MUTANT(WALL_NOT_CARRIED) ? 0 : (uint32_t)wall_ms;
    return JOB_ERROR_NONE;
}

void call_grant(struct call *c, uint8_t *head)
{
    uint16_t bytes;
    memcpy(&bytes, head, sizeof(bytes));
    if (bytes > 0)
        context_grant(head + sizeof(bytes), budget_grant(&c->budget, (enum budget_reach)c->reach));
}

void call_ran(void *arg, uint32_t owner, uint64_t cpu_us)
{
    struct core *core = arg;
    if (!MUTANT(CPU_UNCHARGED))
        budget_ran(&call_at(core, owner)->budget, cpu_us);
}

struct record_end call_spent(struct core *core, struct call_ref ref)
{
    const struct call *c = &core->calls->call[ref.index];
    assert(c->generation == ref.generation && c->state != CALL_FREE);
    struct budget_sum spent = budget_spent(&c->budget, c->lives_on);
    return (struct record_end){spent.subrequests, spent.cpu_us};
}
