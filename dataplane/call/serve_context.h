/* serve_context.h
 *
 * What a member says of who called whom (runtime/context.h), held against what this node knows of
 * the scripts: a member may forward calls, but not make owners, trust or limits up.
 *
 *   TRUE    nothing is known that contradicts it
 *   FALSE   a binding that the caller does not have, one that its callee does not allow, or
 *           limits, an owner or trust other than what this node's world gives them. Or that world
 *           is another version's: the call is handed back, and runs where it entered
 *   BAD     what no node says of any world: the top frame is of another script than the call's, the
 * first is trusted, a frame has what
 *           no script can have yet (tails, features, an outbound script)
 *
 * A caller that is not known here can claim no trust, and can call nothing that is an account's;
 * limits of its binding can only narrow the callee's own.
 * Pure.
 */
#ifndef HEARTH_SERVE_CONTEXT_H
#define HEARTH_SERVE_CONTEXT_H

#include "dataplane/world/world.h"
#include "runtime/context.h"
#include "runtime/head.h"

enum serve_context { SERVE_CONTEXT_TRUE, SERVE_CONTEXT_FALSE, SERVE_CONTEXT_BAD };

/* script: hash of the one that is called. The context is well-formed. */
enum serve_context serve_context(const struct world *, const struct context *, uint64_t script);

/* The field "x-hearth-caller" of the call's head names the script of the frame below the top one;
 * NULL: there is no such field. False: it names another. */
bool serve_caller(const struct context *, const struct head_view *said);

#endif
