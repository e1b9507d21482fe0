#include "runtime/worker/natives_call.h"

#include <string.h>

#include "runtime/head.h"
#include "runtime/worker/fields.h"
#include "runtime/worker/isolate.h"
#include "runtime/worker/request.h"
#include "runtime/worker/script.h"
#include "runtime/worker/slice.h"
#include "runtime/worker/sub.h"
#include "runtime/worker/worker.h"

/* The sub-request that argument n names; NULL if it is over. */
static struct sub *sub_of_call(const struct v8c_call *c, unsigned n)
{
    struct isolate *i = natives_isolate(c);
    return i ? sub_find(i->worker, v8c_number_value(v8c_call_arg(c, n))) : NULL;
}

static bool is_sending(const struct sub *s)
{
    return (s->state == SUB_AWAITS_REPLY || s->state == SUB_AWAITS_BODY) && !s->out_ended &&
           !s->is_fed;
}

/* Encodes (.., method, url, fields, has a body, its bytes). 0: too large (*why says how), or
 * thrown. bytes: undefined if fields are right about
 * them, negative if nobody knows. */
static size_t encode_head(const struct v8c_call *c, uint8_t *buf, size_t cap, const char **why)
{
    *why = "the request head is larger than 32 KB";
    static char method[128], url[JOB_HEAD_BYTES_MAX];
    struct v8c_value *parts[3];
    for (unsigned n = 0; n < 3; n++)
        if (!(parts[n] = natives_string(c, n + 1)))
            return 0;
    if (v8c_string_length(parts[0]) > sizeof(method) || v8c_string_length(parts[1]) > sizeof(url))
        return 0;
    size_t method_len =
        v8c_string_write_latin1(c->isolate, parts[0], (uint8_t *)method, sizeof(method));
    size_t url_len = v8c_string_write_latin1(c->isolate, parts[1], (uint8_t *)url, sizeof(url));
    bool has_body = v8c_bool_value(c->isolate, v8c_call_arg(c, 4));
    bool is_as_told = v8c_is(v8c_call_arg(c, 5), V8C_UNDEFINED);
    double bytes = v8c_number_value(v8c_call_arg(c, 5));

    struct head_writer w;
    head_write_request(&w, buf, cap, (struct head_view){"", 0},
                       (struct head_view){method, method_len}, (struct head_view){url, url_len});
    if (!fields_write(c->isolate, &w, parts[2], !is_as_told || !has_body))
        return 0;
    if (has_body && bytes >= 0 && bytes < 0x1p53)
        fields_write_length(&w, (size_t)bytes);
    if (w.has_too_many)
        *why = "the request has more than 1024 header fields";
    return head_write_end(&w);
}

void native_sub(struct v8c_call *c)
{
    static uint8_t head[JOB_HEAD_BYTES_MAX];
    struct isolate *i = natives_isolate(c);
    struct request *r = i && i->worker->slice ? slice_actor(i->worker->slice) : NULL;
    const char *why = "the request that would own this call is over";
    struct sub *s = NULL;
    size_t head_bytes = 0;
    int32_t binding = v8c_int_value(v8c_call_arg(c, 0));

    if (!i || !i->worker->slice) {
        why = "calls are not allowed at the top level of a script";
    } else if (r && (binding == JOB_BINDING_WORLD ||
                     (binding >= 0 && (uint32_t)binding < i->worker->script->binding_count))) {
        head_bytes = encode_head(c, head, sizeof(head), &why);
    }
    if (head_bytes)
        s = sub_open(i->worker, r, (uint32_t)binding, head, head_bytes,
                     v8c_bool_value(c->isolate, v8c_call_arg(c, 4)), &why);
    if (s)
        v8c_call_return_number(c, sub_ref(s));
    else
        v8c_call_return(c, v8c_string_latin1(c->isolate, why, strlen(why)));
}

void native_sub_write(struct v8c_call *c)
{
    struct sub *s = sub_of_call(c, 0);
    struct v8c_bytes bytes = v8c_bytes_of(v8c_call_arg(c, 1));
    double from = v8c_number_value(v8c_call_arg(c, 2));
    size_t at = from > 0 && from < 0x1p53 ? (size_t)from : 0;
    if (at > bytes.len)
        at = bytes.len;
    if (!s || !is_sending(s)) {
        v8c_call_return_int(c, -1);
        return;
    }
    bool is_end = v8c_bool_value(c->isolate, v8c_call_arg(c, 3));
    size_t left = bytes.len - at;
    size_t taken =
        sub_send_body(natives_isolate(c)->worker, s, left ? bytes.data + at : NULL, left, is_end);
    if (taken == left && (!is_end || s->out_ended))
        v8c_call_return_bool(c, true);
    else
        v8c_call_return_number(c, (double)taken); /* perhaps all bytes, but not the end */
}

void native_sub_feed(struct v8c_call *c)
{
    struct sub *s = sub_of_call(c, 0);
    struct request *r = natives_request(c, 1);
    bool may = s && r && s->parent == r && is_sending(s) && !r->feeds && !r->relays &&
               r->state != REQUEST_AWAITS_PROMISES;
    if (may)
        sub_take_request_body(natives_isolate(c)->worker, s);
    v8c_call_return_bool(c, may);
}

void native_sub_read(struct v8c_call *c)
{
    struct sub *s = sub_of_call(c, 0);
    if (!s || s->answers)
        return;
    struct worker *w = natives_isolate(c)->worker;
    if (s->in.len) {
        struct v8c_value *bytes = v8c_uint8_array_copy(c->isolate, s->in.bytes, s->in.len);
        if (!bytes)
            return;
        sub_took_in(w, s, s->in.len);
        v8c_call_return(c, bytes);
    } else if (s->in.is_ended) {
        sub_close(w, s);
    } else {
        sub_set_in_waits(s, true);
        v8c_call_return(c, v8c_null(c->isolate));
    }
}

void native_sub_cancel(struct v8c_call *c)
{
    struct sub *s = sub_of_call(c, 0);
    if (s && !s->answers)
        sub_close(natives_isolate(c)->worker, s);
}

void native_sub_answer(struct v8c_call *c)
{
    struct request *r = natives_request(c, 0);
    struct sub *s = sub_of_call(c, 1);
    bool may = r && s && s->parent == r && s->state != SUB_AWAITS_REPLY && !s->in_waits &&
               r->state == REQUEST_AWAITS_BODY && !r->relays && !r->relayed;
    v8c_call_return_bool(c, may);
    if (!may)
        return;
    r->out_streams = false;
    sub_answer(natives_isolate(c)->worker, s);
}
