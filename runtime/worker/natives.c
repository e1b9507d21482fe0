#include "runtime/worker/natives.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "runtime/head.h"
#include "runtime/worker/fields.h"
#include "runtime/worker/frame.h"
#include "runtime/worker/isolate.h"
#include "runtime/worker/json_shape.h"
#include "runtime/worker/natives_call.h"
#include "runtime/worker/request.h"
#include "runtime/worker/script.h"
#include "runtime/worker/slice.h"
#include "runtime/worker/worker.h"

struct isolate *natives_isolate(const struct v8c_call *c)
{
    return v8c_isolate_data(c->isolate);
}

struct request *natives_request(const struct v8c_call *c, unsigned n)
{
    struct isolate *i = natives_isolate(c);
    return i ? request_find(i->worker, v8c_number_value(v8c_call_arg(c, n))) : NULL;
}

struct v8c_value *natives_string(const struct v8c_call *c, unsigned n)
{
    struct v8c_value *value = v8c_call_arg(c, n);
    if (v8c_is(value, V8C_STRING))
        return value;
    v8c_throw_new(c->isolate, V8C_TYPE_ERROR, "not a string");
    return NULL;
}

/* ---- request ---- */

/* The head of the request that the first argument names. False: thrown. */
static bool read_head(const struct v8c_call *c, struct head_reader *reader,
                      struct head_request *head)
{
    struct request *r = natives_request(c, 0);
    if (!r) {
        v8c_throw_new(c->isolate, V8C_TYPE_ERROR, "the request is over");
        return false;
    }
    *head = head_read_request(reader, r->head, r->head_bytes);
    assert(!reader->bad); /* hearthd wrote it */
    return true;
}

static void native_method(struct v8c_call *c)
{
    struct head_reader reader;
    struct head_request head;
    if (read_head(c, &reader, &head))
        v8c_call_return(c, v8c_string_latin1(c->isolate, head.method.p, head.method.len));
}

static void native_url(struct v8c_call *c)
{
    struct head_reader reader;
    struct head_request head;
    if (read_head(c, &reader, &head))
        v8c_call_return(c, v8c_string_latin1(c->isolate, head.url.p, head.url.len));
}

static void native_fields(struct v8c_call *c)
{
    struct head_reader reader;
    struct head_request head;
    if (read_head(c, &reader, &head))
        v8c_call_return(c, fields_value(c->isolate, &reader));
}

static void native_read(struct v8c_call *c)
{
    struct request *r = natives_request(c, 0);
    if (!r || r->relays || r->feeds)
        return;
    if (r->in.len == 0 && r->in.is_cut) {
        v8c_throw_new(c->isolate, V8C_TYPE_ERROR,
                      r->is_gone ? "the client is gone"
                                 : "the request was answered before its whole body had come");
        return;
    }
    if (r->in.len) {
        struct v8c_value *bytes = v8c_uint8_array_copy(c->isolate, r->in.bytes, r->in.len);
        if (!bytes)
            return;
        request_took_in(r, r->in.len);
        v8c_call_return(c, bytes);
    } else if (!r->in.is_ended) {
        request_set_in_waits(r, true);
        v8c_call_return(c, v8c_null(c->isolate));
    }
}

static void native_discard(struct v8c_call *c)
{
    struct request *r = natives_request(c, 0);
    if (r && !r->relays && !r->feeds)
        request_discard_in(r);
}

/* ---- response ---- */

/* "name\0value\0..." and, if the whole body is known, its length. 0: too large, *why says how. */
static size_t encode_head(const struct v8c_call *c, uint16_t status, struct v8c_value *fields,
                          bool is_known, size_t body_bytes, uint8_t *buf, size_t cap,
                          const char **why)
{
    struct head_writer w;
    head_write_response(&w, buf, cap, status);
    *why = "the response head is larger than 32 KB";
    if (!fields_write(c->isolate, &w, fields, is_known))
        return 0;
    if (is_known)
        fields_write_length(&w, body_bytes);
    if (w.has_too_many)
        *why = "the response has more than 1024 header fields";
    return head_write_end(&w);
}
static_assert(JOB_HEAD_BYTES_MAX == 32 * 1024 && HEAD_FIELDS_MAX == 1024, "sentences say so");

/* The length that the script itself gave for a body that is to come. */
enum promise { PROMISE_NONE, PROMISE_MADE, PROMISE_BAD };

static enum promise read_promise(const uint8_t *head, size_t head_bytes, uint64_t *length)
{
    struct head_reader reader;
    struct head_field field;
    enum promise promise = PROMISE_NONE;
    head_read_response(&reader, head, head_bytes);
    while (head_read_field(&reader, &field)) {
        if (field.name.len != 14 || memcmp(field.name.p, "content-length", 14) != 0)
            continue;
        if (promise != PROMISE_NONE || field.value.len == 0 || field.value.len > 18)
            return PROMISE_BAD;
        promise = PROMISE_MADE;
        *length = 0;
        for (size_t i = 0; i < field.value.len; i++) {
            if (field.value.p[i] < '0' || field.value.p[i] > '9')
                return PROMISE_BAD;
            *length = *length * 10 + (uint64_t)(field.value.p[i] - '0');
        }
    }
    return promise;
}

/* JavaScript goes on with write(), which asks for onCredit. */
static void return_taken(struct v8c_call *c, struct request *r, size_t taken)
{
    r->out_streams = true;
    v8c_call_return_number(c, (double)taken);
}

/* A response without a body, or one whose body JavaScript will write. */
static void respond_without(struct v8c_call *c, struct worker *w, struct request *r,
                            uint16_t status, const uint8_t *head, size_t head_bytes, bool is_none)
{
    uint64_t length = 0;
    /* To a HEAD it is the length of what is not made; 204 and 304 never have a body (RFC 9110
     * 8.6). */
    bool is_free = r->is_head || status == 204 || status == 304;
    enum promise promise = is_free ? PROMISE_NONE : read_promise(head, head_bytes, &length);
    if (promise == PROMISE_BAD) {
        request_fail(w, r, JOB_ERROR_EXCEPTION, "the response's Content-Length is no length");
    } else if (promise == PROMISE_MADE) {
        request_promise(w, r, head, head_bytes, length);
        if (is_none)
            request_end_body(w, r);
        else
            return_taken(c, r, 0);
    } else {
        request_send_head(w, r, head, head_bytes, is_none || r->is_head);
        if (!is_none && !r->is_head)
            return_taken(c, r, 0);
    }
}

static void native_respond(struct v8c_call *c)
{
    static uint8_t head[JOB_HEAD_BYTES_MAX];
    static char text[JOB_CREDIT_INITIAL];
    struct request *r = natives_request(c, 0);
    v8c_call_return_int(c, -1);
    if (!r || r->state != REQUEST_AWAITS_HEAD)
        return;
    struct worker *w = natives_isolate(c)->worker;
    struct v8c_value *fields = natives_string(c, 2), *body = v8c_call_arg(c, 3);
    if (!fields)
        return;
    bool is_none = v8c_is(body, V8C_UNDEFINED), is_string = v8c_is(body, V8C_STRING);
    bool is_known = is_string || v8c_is(body, V8C_VIEW);

    struct v8c_bytes bytes = {0};
    if (is_string) {
        bytes.len = v8c_string_utf8_length(c->isolate, body);
        if (bytes.len <= sizeof(text)) {
            v8c_string_write_utf8(c->isolate, body, text, sizeof(text));
            bytes.data = (uint8_t *)text;
        }
    } else if (is_known) {
        bytes = v8c_bytes_of(body);
    }
    const char *why;
    uint16_t status = (uint16_t)v8c_int_value(v8c_call_arg(c, 1));
    size_t head_bytes =
        encode_head(c, status, fields, is_known, bytes.len, head, sizeof(head), &why);
    if (head_bytes == 0) {
        request_fail(w, r, JOB_ERROR_EXCEPTION, why);
        return;
    }
    if (!is_known) {
        respond_without(c, w, r, status, head, head_bytes, is_none);
        return;
    }
    bool is_end = bytes.len == 0 || r->is_head;
    request_send_head(w, r, head, head_bytes, is_end);
    if (is_end)
        return;
    size_t taken = 0;
    if (bytes.data)
        taken = request_send_body(w, r, bytes.data, bytes.len, true);
    if (taken < bytes.len)
        return_taken(c, r, taken);
}

static void native_write(struct v8c_call *c)
{
    struct request *r = natives_request(c, 0);
    struct v8c_bytes bytes = v8c_bytes_of(v8c_call_arg(c, 1));
    double from = v8c_number_value(v8c_call_arg(c, 2));
    size_t at = from > 0 ? (size_t)from : 0;
    if (at > bytes.len)
        at = bytes.len;
    v8c_call_return_int(c, -1);
    if (!r || r->state != REQUEST_AWAITS_BODY || r->relays || r->relayed)
        return;
    struct worker *w = natives_isolate(c)->worker;
    size_t left = bytes.len - at;
    double ref = request_ref(r);
    size_t taken = left ? request_send_body(w, r, bytes.data + at, left, false) : 0;
    r = request_find(w, ref);
    if (!r || r->state != REQUEST_AWAITS_BODY)
        return; /* it is over its limit, or its promised length */
    request_set_out_waits(r, taken < left);
    v8c_call_return_number(c, (double)taken);
}

static void native_relay(struct v8c_call *c)
{
    struct request *r = natives_request(c, 0);
    if (!r || r->state != REQUEST_AWAITS_BODY || r->relays || r->relayed || r->feeds)
        return;
    r->out_streams = false;
    request_relay(natives_isolate(c)->worker, r);
}

static void native_end(struct v8c_call *c)
{
    struct request *r = natives_request(c, 0);
    if (!r || r->state != REQUEST_AWAITS_BODY || r->relays || r->relayed)
        return;
    r->out_streams = false;
    request_end_body(natives_isolate(c)->worker, r);
}

static_assert(JOB_ERROR_EXCEPTION == 1 && JOB_ERROR_NOT_RESPONSE == 15, "host.js says so");

static void native_fail(struct v8c_call *c)
{
    char text[4096];
    struct request *r = natives_request(c, 0);
    if (!r)
        return;
    struct v8c_value *why = v8c_call_arg(c, 2);
    size_t len = v8c_is(why, V8C_STRING)
                     ? v8c_string_write_utf8(c->isolate, why, text, sizeof(text) - 1)
                     : 0;
    text[len] = '\0';
    struct isolate *i = natives_isolate(c);
    if (strstr(text, "Array buffer allocation failed"))
        slice_condemn(i->worker, JOB_ERROR_MEMORY_LIMIT);
    else if (r->state == REQUEST_AWAITS_PROMISES) /* the client has left meanwhile */
        worker_log(i->worker, r->id, "error", text, len);
    else
        request_fail(i->worker, r, (enum job_error)v8c_int_value(v8c_call_arg(c, 1)), text);
}

static void native_hold(struct v8c_call *c)
{
    struct request *r = natives_request(c, 0);
    if (r)
        request_hold(r);
}

/* The signal of the request: 1: it is to be aborted when the client closes its half or leaves, -1:
 * it has, 0: it will not any more. */
static void native_watch(struct v8c_call *c)
{
    struct request *r = natives_request(c, 0);
    bool is_aborted = r && (r->is_gone || r->has_fin);
    bool is_on = r && !is_aborted && r->state != REQUEST_AWAITS_PROMISES;
    if (is_on) {
        r->is_watched = true;
        request_set_signal_waits(r, true);
    }
    v8c_call_return_int(c, is_on ? 1 : is_aborted ? -1 : 0);
}

static void native_release(struct v8c_call *c)
{
    struct request *r = natives_request(c, 0);
    if (r && r->holds > 0)
        request_release(natives_isolate(c)->worker, r);
}

/* ---- timers, time, log ---- */

static void throw_too_many_timers(struct v8c_call *c, const struct request *r, uint32_t most)
{
    char text[96];

    if (r->timers.count == TIMERS_OF_REQUEST_MAX)
        snprintf(text, sizeof(text), "too many timers: a request may have %d pending",
                 TIMERS_OF_REQUEST_MAX);
    else
        snprintf(text, sizeof(text),
                 "too many timers: all requests of this script may have %u "
                 "pending",
                 most);
    v8c_throw_new(c->isolate, V8C_RANGE_ERROR, text);
}

static void native_set_timer(struct v8c_call *c)
{
    struct isolate *i = natives_isolate(c);
    struct slice *slice = i ? i->worker->slice : NULL;
    if (!slice) {
        v8c_throw_new(c->isolate, V8C_PLAIN_ERROR,
                      "timers are not allowed at the top level of a script");
        return;
    }
    struct request *r = slice_actor(slice);
    if (!r) {
        v8c_throw_new(c->isolate, V8C_PLAIN_ERROR, "the request that would own this timer is over");
        return;
    }
    double ms = v8c_number_value(v8c_call_arg(c, 0));
    if (!(ms > 0) || ms > INT32_MAX)
        ms = 0;
    struct worker *w = i->worker;
    const uint32_t most = w->script->limits.timers;
    uint64_t id = TIMER_NONE;
    if (w->timers.count < most)
        id = timer_add(&w->timers, &r->timers, r, w->now_ns, (uint64_t)(ms * 1e6),
                       v8c_bool_value(c->isolate, v8c_call_arg(c, 1)));
    if (id == TIMER_NONE) {
        throw_too_many_timers(c, r, most);
        return;
    }
    i->waits++;
    v8c_call_return_number(c, (double)id);
}

static void native_clear_timer(struct v8c_call *c)
{
    struct isolate *i = natives_isolate(c);
    double id = v8c_number_value(v8c_call_arg(c, 0));
    struct timer *t = id >= 1 && id < 0x1p53 ? timer_find(&i->worker->timers, (uint64_t)id) : NULL;
    if (!t)
        return;
    timer_remove(&i->worker->timers, t);
    i->waits--;
}

static void native_now(struct v8c_call *c)
{
    struct isolate *i = natives_isolate(c);
    if (i)
        i->worker->clock.was_read = true;
    v8c_call_return_number(c, i ? i->worker->clock.ms : 0);
}

static void native_log(struct v8c_call *c)
{
    static const char *const levels[] = {"log", "info", "warn", "error", "debug"};
    char level[8], text[8192];
    struct isolate *i = natives_isolate(c);
    if (!i || !natives_string(c, 0) || !natives_string(c, 1))
        return;
    level[v8c_string_write_utf8(c->isolate, v8c_call_arg(c, 0), level, sizeof(level) - 1)] = '\0';
    size_t len = v8c_string_write_utf8(c->isolate, v8c_call_arg(c, 1), text, sizeof(text) - 1);
    text[len] = '\0';
    const char *known = levels[0];
    for (size_t n = 0; n < sizeof(levels) / sizeof(*levels); n++)
        if (strcmp(level, levels[n]) == 0)
            known = levels[n];
    struct request *r = i->worker->slice ? slice_actor(i->worker->slice) : NULL;
    worker_log(i->worker, r ? r->id : 0, known, text, len);
}

static void native_microtask(struct v8c_call *c)
{
    struct v8c_value *fn = v8c_call_arg(c, 0);
    if (v8c_is(fn, V8C_FUNCTION))
        v8c_microtask_queue(c->isolate, fn);
}

/* ---- bytes and text ---- */

static void fill_random(const struct v8c_call *c, struct v8c_bytes bytes)
{
    struct isolate *i = natives_isolate(c);
    if (i)
        i->worker->has_drawn = true;
    while (bytes.len > 0) {
        ssize_t n = getrandom(bytes.data, bytes.len, 0);
        assert(n > 0);
        bytes.data += n;
        bytes.len -= (size_t)n;
    }
}

static void native_random(struct v8c_call *c)
{
    fill_random(c, v8c_bytes_of(v8c_call_arg(c, 0)));
}

/* xoshiro256+ (Blackman and Vigna, 2018). */
static uint64_t next_random(uint64_t s[4])
{
    const uint64_t sum = s[0] + s[3], shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = s[3] << 45 | s[3] >> 19;
    return sum;
}

/* 53 bits each, as many as a double has below one. */
static void native_random_numbers(struct v8c_call *c)
{
    uint64_t seed[4];
    struct v8c_bytes bytes = v8c_bytes_of(v8c_call_arg(c, 0));
    fill_random(c, (struct v8c_bytes){(uint8_t *)seed, sizeof(seed)});
    for (size_t at = 0; at + sizeof(double) <= bytes.len; at += sizeof(double)) {
        double number = (double)(next_random(seed) >> 11) * 0x1p-53;
        memcpy(bytes.data + at, &number, sizeof(number));
    }
}

static void native_utf8_encode(struct v8c_call *c)
{
    char small[1024];
    struct v8c_value *text = natives_string(c, 0);
    if (!text)
        return;
    size_t len = v8c_string_utf8_length(c->isolate, text);
    struct v8c_value *bytes;
    if (len <= sizeof(small)) {
        v8c_string_write_utf8(c->isolate, text, small, sizeof(small));
        bytes = v8c_uint8_array_copy(c->isolate, small, len);
    } else {
        struct v8c_value *buffer = v8c_array_buffer_new(c->isolate, len);
        if (!buffer)
            return;
        struct v8c_bytes to = v8c_bytes_of(buffer);
        v8c_string_write_utf8(c->isolate, text, (char *)to.data, to.len);
        bytes = v8c_uint8_array_new(c->isolate, buffer, 0, len);
    }
    if (bytes)
        v8c_call_return(c, bytes);
}

static void native_utf8_decode(struct v8c_call *c)
{
    struct v8c_bytes bytes = v8c_bytes_of(v8c_call_arg(c, 0));
    if (v8c_bool_value(c->isolate, v8c_call_arg(c, 1)) && !v8c_is_utf8(bytes.data, bytes.len))
        return;
    struct v8c_value *text =
        v8c_string_utf8(c->isolate, bytes.data ? bytes.data : (uint8_t *)"", bytes.len);
    if (text)
        v8c_call_return(c, text);
    else
        v8c_throw_new(c->isolate, V8C_RANGE_ERROR, "the text is too long for a string");
}

static void refuse_json(struct v8c_isolate *v8, enum json_shape shape)
{
    char text[128];
    if (shape == JSON_TOO_DEEP)
        snprintf(text, sizeof(text), "json: the body nests more than %d levels", JSON_DEPTH_MAX);
    else
        snprintf(text, sizeof(text),
                 "json: the body has too many shapes, names or values to parse");
    v8c_throw_new(v8, V8C_RANGE_ERROR, text);
}

/* NULL: an exception is pending. */
static struct v8c_value *parse_json(struct v8c_isolate *v8, struct v8c_bytes bytes, uint64_t secret)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};
    enum json_shape shape = json_shape(bytes.data, bytes.len, secret);
    if (shape != JSON_FINE) {
        refuse_json(v8, shape);
        return NULL;
    }
    bool has_mark = bytes.len >= sizeof(mark) && memcmp(bytes.data, mark, sizeof(mark)) == 0;
    size_t skip = has_mark ? sizeof(mark) : 0;
    const uint8_t *text = bytes.data ? bytes.data + skip : mark;
    struct v8c_value *string = v8c_string_utf8(v8, text, bytes.len - skip);
    if (string)
        return v8c_json_parse(v8, string, NULL);
    v8c_throw_new(v8, V8C_RANGE_ERROR, "the text is too long for a string");
    return NULL;
}

/* A strike cannot end a parse, nor what comes before it, and need not: both end by themselves. */
static void native_parse_json(struct v8c_call *c)
{
    struct worker *w = natives_isolate(c)->worker;
    struct v8c_bytes bytes = v8c_bytes_of(v8c_call_arg(c, 0));
    struct monitor_excuse parse;
    /* Several times the estimate: on a busy machine, with collections near the heap's limit. */
    monitor_excuse_begin(&w->monitor, &parse,
                         2ull * JSON_NS_MAX + 4 * JSON_NS_PER_BYTE_MAX * bytes.len);
    struct v8c_value *value = parse_json(c->isolate, bytes, w->json_secret);
    monitor_excuse_end(&w->monitor, &parse);
    if (value)
        v8c_call_return(c, value);
}

static void native_find(struct v8c_call *c)
{
    struct v8c_bytes bytes = v8c_bytes_of(v8c_call_arg(c, 0));
    struct v8c_bytes wanted = v8c_bytes_of(v8c_call_arg(c, 1));
    double from = v8c_number_value(v8c_call_arg(c, 2));
    v8c_call_return_int(c, -1);
    if (!(from >= 0 && from <= (double)bytes.len))
        return;
    const uint8_t *found =
        memmem(bytes.data + (size_t)from, bytes.len - (size_t)from, wanted.data, wanted.len);
    if (found)
        v8c_call_return_number(c, (double)(found - bytes.data));
}

/* Returns what it was made with: module.c. */
static void native_constant(struct v8c_call *c)
{
    v8c_call_return(c, v8c_call_data(c));
}

static const struct v8c_native_entry natives_core[] = {
    {"respond", native_respond},
    {"write", native_write},
    {"relay", native_relay},
    {"end", native_end},
    {"fail", native_fail},
    {"hold", native_hold},
    {"release", native_release},
    {"watch", native_watch},
    {"method", native_method},
    {"url", native_url},
    {"fields", native_fields},
    {"read", native_read},
    {"discard", native_discard},
    {"setTimer", native_set_timer},
    {"clearTimer", native_clear_timer},
    {"microtask", native_microtask},
    {"now", native_now},
    {"log", native_log},
    {"random", native_random},
    {"randomNumbers", native_random_numbers},
    {"utf8Encode", native_utf8_encode},
    {"utf8Decode", native_utf8_decode},
    {"find", native_find},
    {"parseJson", native_parse_json},
    {"sub", native_sub},
    {"subWrite", native_sub_write},
    {"subFeed", native_sub_feed},
    {"subRead", native_sub_read},
    {"subCancel", native_sub_cancel},
    {"subAnswer", native_sub_answer},
    {"clone", native_clone},
    {"whereThrown", native_where_thrown},
    {"constant", native_constant},
    {"actor", native_actor},
    {"frame", native_frame},
    {"setFrame", native_set_frame},
    {0},
};

static const struct v8c_native_entry *const tables[] = {natives_core, natives_text, natives_url,
                                                        natives_codec, natives_crypto};

const struct v8c_native_entry *natives_all(void)
{
    static struct v8c_native_entry all[NATIVES_MAX + 1];
    size_t count = 0;
    if (all[0].call)
        return all;
    for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++)
        for (const struct v8c_native_entry *n = tables[t]; n->call; n++) {
            assert(count < NATIVES_MAX);
            all[count++] = *n;
        }
    return all;
}

struct v8c_value *natives_object(struct v8c_isolate *v8)
{
    const struct v8c_native_entry *all = natives_all();
    struct v8c_value *object = v8c_object_new(v8);
    for (unsigned i = 0; all[i].call; i++)
        v8c_define(v8, object, v8c_key(v8, all[i].name), v8c_function_new(v8, i), NULL);
    return object;
}
