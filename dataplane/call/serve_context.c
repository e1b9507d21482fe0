#include "dataplane/call/serve_context.h"

#include <xxhash.h>

static bool has_what_no_script_has(const struct context_frame *f)
{
    return f->tail_count > 0 || f->outbound != 0 || f->features != 0;
}

/* The caller has a binding to the callee, with these limits; or its fetch() goes there, with none.
 */
static bool is_bound(const struct world_script *caller, const struct context_frame *f)
{
    if (caller->outbound && caller->outbound == f->script && !f->cpu_ms && !f->memory_mb &&
        !f->subrequests && !f->wall_ms)
        return true;
    for (uint32_t i = 0; i < caller->binding_count; i++) {
        const struct world_binding *b = &caller->bindings[i];
        if (b->script == f->script && b->cpu_ms == f->cpu_ms && b->memory_mb == f->memory_mb &&
            b->subrequests == f->subrequests && b->wall_ms == f->wall_ms)
            return true;
    }
    return false;
}

static bool is_true(const struct world *world, const struct context_frame *f, bool is_first)
{
    const struct world_script *callee = world_script(world, f->script);
    if (callee && callee->owner != f->owner)
        return false;
    if (is_first)
        return true;
    const struct world_script *caller = world_script(world, f[-1].script);
    if (callee && (caller ? !world_may_call(caller, callee) : callee->account != 0))
        return false;
    bool is_trusted = caller && caller->owner != 0 && caller->owner == f->owner &&
                      (!callee || caller->account == callee->account);
    if (f->trust == CONTEXT_TRUSTED && !is_trusted)
        return false;
    return !caller || is_bound(caller, f);
}

bool serve_caller(const struct context *c, const struct head_view *said)
{
    if (c->count == 1)
        return !said;
    return !said || XXH3_64bits(said->p, said->len) == c->frame[c->count - 2].script;
}

enum serve_context serve_context(const struct world *world, const struct context *c,
                                 uint64_t script)
{
    bool holds = true;
    if (c->frame[c->count - 1].script != script || c->frame[0].trust != CONTEXT_UNTRUSTED)
        return SERVE_CONTEXT_BAD;
    for (uint32_t i = 0; i < c->count; i++) {
        if (has_what_no_script_has(&c->frame[i]))
            return SERVE_CONTEXT_BAD;
        holds &= is_true(world, &c->frame[i], i == 0);
    }
    return holds ? SERVE_CONTEXT_TRUE : SERVE_CONTEXT_FALSE;
}
