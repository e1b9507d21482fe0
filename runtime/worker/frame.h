/* frame.h
 *
 * What follows a script's code through its promises (v8c_continuation): for which request it runs,
 * and the frame of its AsyncLocalStorages, an object of runtime/web/async_context.js.
 *
 *   undefined         begun at the top level       ref             for that request
 *   [undefined, F]    the same, in a frame         [ref, F]        the same, in a frame
 *
 * Scripts never see these values. Inside a scope of the isolate.
 */
#ifndef HEARTH_WORKER_FRAME_H
#define HEARTH_WORKER_FRAME_H

#include "runtime/libv8c/v8c.h"

/* The ref of the request, 0: none. */
double frame_ref(struct v8c_isolate *);
/* From here on for that request, 0: none, and without a frame. */
void frame_begin(struct v8c_isolate *, double ref);

/* host.actor(), host.frame(), host.setFrame(frame): see runtime/web/host.js. */
void native_actor(struct v8c_call *);
void native_frame(struct v8c_call *);
void native_set_frame(struct v8c_call *);

#endif
