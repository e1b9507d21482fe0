/* serve.h
 *
 * The home's side of a call: a peer's stream as the origin of a local call.
 *
 *   stream --CALL--> capability noted, script and version known? shed?
 *                      | no: BOUNCE{its lazy capability}, and nothing more is read
 *                      | yes: call_start --> ACCEPT
 *          --BODY--> call_body as far as the runtime's credit goes; what waits stays in the stream,
 *                    whose window closes
 *          <--HEAD, DATA-- as far as the stream has room; what waits for it has chunks of its own
 *                    (call.h)
 *
 * The decision is made on CALL alone: body bytes behind it are dropped unread when it is a BOUNCE.
 * A reset of the stream, or the channel's end, cancels the call. Bounded by SERVED_MAX_DEFAULT:
 * beyond it, BOUNCE. Thread: the core.
 */
#ifndef HEARTH_SERVE_H
#define HEARTH_SERVE_H

#include <stddef.h>
#include <stdint.h>

#include "dataplane/rpc/channel.h"

struct core;
struct served_table;

size_t served_bytes(uint32_t count);
struct served_table *served_init(void *memory, uint32_t count);
uint32_t served_live(const struct served_table *);

/* From peers.c. */
void serve_opened(void *core, struct channel *, struct stream *);
void serve_readable(void *core, struct stream *);
void serve_writable(void *core, struct stream *);
/* The peer's client has closed its half. */
void serve_fin(void *core, struct stream *);
void serve_reset(void *core, struct stream *, enum stream_reset);
void serve_channel_down(struct core *, struct channel *);

#endif
