#include "runtime/worker/frame.h"

enum { REF, FRAME };

/* Of the two. The array is nobody else's, and both are its own. */
static struct v8c_value *part(struct v8c_isolate *v8, uint32_t which)
{
    struct v8c_value *now = v8c_continuation(v8);
    if (v8c_is(now, V8C_ARRAY)) {
        struct v8c_error error;
        struct v8c_value *value = v8c_get_index(v8, now, which, &error);
        return value ? value : v8c_undefined(v8);
    }
    return which == REF ? now : v8c_undefined(v8);
}

double frame_ref(struct v8c_isolate *v8)
{
    struct v8c_value *ref = part(v8, REF);
    return v8c_is(ref, V8C_NUMBER) ? v8c_number_value(ref) : 0;
}

void frame_begin(struct v8c_isolate *v8, double ref)
{
    v8c_continuation_set(v8, ref != 0 ? v8c_number(v8, ref) : v8c_undefined(v8));
}

void native_actor(struct v8c_call *c)
{
    v8c_call_return_number(c, frame_ref(c->isolate));
}

void native_frame(struct v8c_call *c)
{
    v8c_call_return(c, part(c->isolate, FRAME));
}

void native_set_frame(struct v8c_call *c)
{
    struct v8c_value *ref = part(c->isolate, REF), *frame = v8c_call_arg(c, 0);
    v8c_continuation_set(c->isolate,
                         v8c_is(frame, V8C_UNDEFINED)
                             ? ref
                             : v8c_array_new(c->isolate, (struct v8c_value *[]){ref, frame}, 2));
}
