/* A call's place in its request: the stack from which its sub-requests go on, and what they may
 * spend. */
#include <assert.h>
#include <string.h>

#include "dataplane/base/least.h"
#include "dataplane/base/limits.h"
#include "dataplane/call/call_state.h"
#include "dataplane/core_state.h"
#include "dataplane/world/world.h"
#include "runtime/context.h"

uint64_t call_bindings_digest(const struct world_script *s)
{
    uint64_t digest = s->binding_count;
    for (uint32_t i = 0; i < s->binding_count; i++)
        digest = (digest ^ s->bindings[i].script) * 0x9e3779b97f4a7c15u;
    return digest;
}

/* The stack is the first thing in the head. False: no chunk for it. */
static bool keep_context(struct core *core, struct call *c)
{
    uint16_t bytes;
    uint8_t context[CONTEXT_BYTES_MAX];
    if (c->head.bytes < sizeof(bytes))
        return true;
    byte_queue_copy(&c->head, 0, &bytes, sizeof(bytes));
    assert(bytes <= sizeof(context) && sizeof(bytes) + bytes <= c->head.bytes);
    byte_queue_copy(&c->head, sizeof(bytes), context, bytes);
    return byte_queue_append(&c->context, &core->chunks, context, bytes) == bytes;
}

bool call_take_script(struct core *core, struct call *c, const struct world_script *s)
{
    c->script_handle = s->handle;
    c->script_version = s->version_bits;
    c->is_leaf = s->binding_count == 0;
    if (c->is_leaf)
        return true;
    c->bindings_digest = call_bindings_digest(s);
    return c->context.bytes > 0 || keep_context(core, c);
}

void call_take_budget(struct core *core, struct call *c, const struct call_request *r)
{
    uint32_t own = r->script->subrequests ? r->script->subrequests : SUBREQUESTS_DEFAULT;
    uint32_t subrequests = min_u32(own, r->subrequests);
    if (r->parent)
        budget_begin_sub(&c->budget, &r->parent->budget, subrequests);
    else
        budget_begin(&core->calls->trees, &c->budget, subrequests);
}

void call_grant(struct call *c, uint8_t *head)
{
    uint16_t bytes;
    memcpy(&bytes, head, sizeof(bytes));
    if (bytes > 0)
        context_grant(head + sizeof(bytes), budget_grant(&c->budget, c->is_leaf));
}

uint32_t call_spent(struct core *core, struct call_ref ref)
{
    const struct call *c = &core->calls->call[ref.index];
    assert(c->generation == ref.generation && c->state != CALL_FREE);
    return budget_spent(&c->budget, c->lives_on);
}
