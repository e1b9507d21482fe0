#include "control/daemon/why.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/deploy/script_id.h"

/* ---- collecting ---- */

void why_begin(struct why_story *s, uint64_t request)
{
    s->request = request;
    s->count = 0;
    s->is_cut = false;
}

static void add(void *arg, const struct trace_event *e)
{
    struct why_story *s = arg;

    if (s->count == WHY_EVENTS_MAX)
        s->is_cut = true;
    else
        s->event[s->count++] = *e;
}

void why_collect(struct why_story *s, const struct trace *t)
{
    trace_read(t, s->request, add, s);
}

static bool comes_before(const struct trace_event *x, const struct trace_event *y)
{
    if (x->at_ns != y->at_ns)
        return x->at_ns < y->at_ns;
    return x->kind == TRACE_SUB && y->kind != TRACE_SUB; /* what it began is of the same moment */
}

/* By time. What was recorded at one moment stays in its order; recorders are in order already,
 * so there is little to move. */
static void sort(struct why_story *s)
{
    for (uint32_t i = 1; i < s->count; i++) {
        struct trace_event e = s->event[i];
        uint32_t k = i;

        for (; k && comes_before(&e, &s->event[k - 1]); k--)
            s->event[k] = s->event[k - 1];
        s->event[k] = e;
    }
}

/* ---- the clocks of other nodes ---- */

/* One call at another node: its events came with times that are good to half a round trip, as
 * the channel knew it. */
struct visit {
    uint16_t node;
    uint64_t span;
    uint64_t first_ns, reply_ns; /* by the times as they came; 0: none */
};

static bool is_reply(const struct trace_event *e)
{
    return e->kind == TRACE_HEAD || e->kind == TRACE_BOUNCE || e->kind == TRACE_ERROR;
}

static bool is_visit(const struct trace_event *e, const struct visit *v)
{
    return e->core == TRACE_CORE_UNKNOWN && e->node == v->node && e->span == v->span;
}

static void find_visit(struct visit *v, const struct why_story *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        const struct trace_event *e = &s->event[i];

        if (!is_visit(e, v))
            continue;
        if (!v->first_ns)
            v->first_ns = e->at_ns;
        if (!v->reply_ns && is_reply(e))
            v->reply_ns = e->at_ns;
    }
}

/* What the caller saw of a visit. */
struct bounds {
    uint64_t sent_ns, accepted_ns, back_ns; /* 0: not in the story */
};

static struct bounds find_bounds(const struct why_story *s, const struct visit *v)
{
    struct bounds b = {0};

    for (uint32_t i = 0; i < s->count; i++) {
        const struct trace_event *e = &s->event[i];

        if (e->node == v->node || e->span != v->span)
            continue;
        if (e->kind == TRACE_FORWARD && e->code == v->node)
            b = (struct bounds){.sent_ns = e->at_ns};
        else if (b.sent_ns && !b.accepted_ns && e->kind == TRACE_ACCEPT)
            b.accepted_ns = e->at_ns;
        else if (b.sent_ns && !b.back_ns && is_reply(e))
            b.back_ns = e->at_ns;
    }
    return b;
}

/* A home accepts what arrives at once: so it arrived in the middle between sending and ACCEPT,
 * as in NTP; without one the visit lies in the middle between sending and reply. Either way the
 * home replied before the reply was here. */
static int64_t shift_of(const struct why_story *s, struct visit *v)
{
    struct bounds b = find_bounds(s, v);
    uint64_t took_ns, first_ns;

    find_visit(v, s);
    took_ns = v->reply_ns - v->first_ns;
    if (!v->reply_ns || !b.sent_ns || b.back_ns < b.sent_ns || took_ns > b.back_ns - b.sent_ns)
        return 0;
    if (b.accepted_ns)
        first_ns = b.sent_ns + (b.accepted_ns - b.sent_ns) / 2;
    else
        first_ns = b.sent_ns + (b.back_ns - b.sent_ns - took_ns) / 2;
    if (first_ns > b.back_ns - took_ns)
        first_ns = b.back_ns - took_ns;
    return (int64_t)(first_ns - v->first_ns);
}

static void align(struct why_story *s)
{
    struct {
        struct visit visit;
        int64_t shift_ns;
    } known[WHY_SPANS_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < s->count; i++) {
        struct trace_event *e = &s->event[i];
        struct visit v = {.node = e->node, .span = e->span};
        int64_t shift_ns = 0;
        bool is_known = false;

        if (e->core != TRACE_CORE_UNKNOWN)
            continue;
        for (uint32_t k = 0; k < count; k++)
            is_known |= known[k].visit.node == v.node && known[k].visit.span == v.span;
        if (is_known || count == WHY_SPANS_MAX)
            continue;
        shift_ns = shift_of(s, &v);
        for (uint32_t k = 0; k < count && !shift_ns; k++)
            shift_ns = known[k].visit.node == v.node ? known[k].shift_ns : 0;
        known[count].visit = v;
        known[count++].shift_ns = shift_ns;
        for (uint32_t k = i; k < s->count; k++)
            if (is_visit(&s->event[k], &v))
                s->event[k].at_ns += (uint64_t)shift_ns;
    }
}

void why_sort(struct why_story *s)
{
    sort(s);
    align(s);
    sort(s);
}

bool why_has_entry(const struct why_story *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (s->event[i].kind == TRACE_REQUEST && !s->event[i].span)
            return true;
    return false;
}

bool why_parse_id(uint64_t *id, const char *text)
{
    if (strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
        return false;
    *id = strtoull(text, NULL, 16);
    return true;
}

/* ---- telling ---- */

/* The calls of a story: how deep they are nested, and of which script. A SUB is recorded in its
 * caller's span, right before the callee's own events begin: the span that begins next is the
 * callee's. */
struct spans {
    uint32_t count;
    struct {
        uint64_t span, script; /* script: hash; 0: not known */
        uint32_t depth;
    } span[WHY_SPANS_MAX];
    uint64_t entry; /* the script of the request itself; 0: it did not enter here */
};

static void find_spans(struct spans *d, const struct why_story *s)
{
    struct {
        uint32_t depth;
        uint64_t script;
    } called[WHY_SPANS_MAX];
    uint32_t begin = 0, end = 0;

    d->count = 0;
    d->entry = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct trace_event *e = &s->event[i];
        bool is_known = e->span == 0;

        for (uint32_t k = 0; k < d->count && !is_known; k++)
            is_known = d->span[k].span == e->span;
        if (!is_known && d->count < WHY_SPANS_MAX) {
            bool is_called = begin < end;

            d->span[d->count].span = e->span;
            d->span[d->count].depth = is_called ? called[begin].depth : 1;
            d->span[d->count++].script = is_called ? called[begin++].script : 0;
        }
        if (e->kind == TRACE_REQUEST && e->span == 0)
            d->entry = e->value;
        if (e->kind == TRACE_SUB && end < WHY_SPANS_MAX) {
            called[end].depth = e->code > 1 ? e->code - 1u : 1;
            called[end++].script = e->value;
        }
    }
}

static uint32_t depth_of(const struct spans *d, uint64_t span)
{
    for (uint32_t i = 0; i < d->count; i++)
        if (d->span[i].span == span)
            return d->span[i].depth;
    return span ? 1 : 0;
}

static uint64_t script_of(const struct spans *d, uint64_t span)
{
    for (uint32_t i = 0; i < d->count; i++)
        if (d->span[i].span == span)
            return d->span[i].script;
    return span ? 0 : d->entry;
}

static bool is_wanted(const struct why_names *names, uint64_t script, const char *wanted)
{
    const char *id = script ? names->script(names->arg, script) : NULL;

    return id && script_id_is_of(id, wanted);
}

/* What a connection said before its request may be of another script of that host. */
static bool names_a_script(const struct trace_event *e)
{
    return (e->kind == TRACE_HELLO && e->value) || e->kind == TRACE_WARM_LOCAL ||
           e->kind == TRACE_WARM_REMOTE;
}

void why_keep(struct why_story *s, const struct why_names *names, const char *wanted)
{
    struct spans spans;
    uint32_t kept = 0;

    if (!*wanted)
        return;
    find_spans(&spans, s);
    for (uint32_t i = 0; i < s->count; i++) {
        const struct trace_event e = s->event[i];

        if (is_wanted(names, script_of(&spans, e.span), wanted) &&
            (!names_a_script(&e) || is_wanted(names, e.value, wanted)))
            s->event[kept++] = e;
    }
    s->count = kept;
}

static const char *kind_name(uint8_t kind)
{
    return kind < TRACE_KIND_COUNT ? trace_kind_name((enum trace_kind)kind) : "?";
}

json_t *why_json(const struct why_story *s, const struct why_names *names)
{
    json_t *events = json_array();
    struct spans spans;
    char id[17], span[17], text[256];

    find_spans(&spans, s);
    for (uint32_t i = 0; i < s->count; i++) {
        const struct trace_event *e = &s->event[i];

        snprintf(span, sizeof(span), "%016" PRIx64, e->span);
        why_tell(names, e, text, sizeof(text));
        json_array_append_new(
            events,
            json_pack("{s:f, s:s, s:o, s:s, s:s, s:i, s:i, s:I, s:s}", "us",
                      (double)(e->at_ns - s->event[0].at_ns) / 1e3, "node",
                      why_node_name(names, e->node), "core",
                      e->core == TRACE_CORE_UNKNOWN ? json_null() : json_integer(e->core), "kind",
                      kind_name(e->kind), "span", span, "depth", (int)depth_of(&spans, e->span),
                      "code", (int)e->code, "value", (json_int_t)e->value, "text", text));
    }
    snprintf(id, sizeof(id), "%016" PRIx64, s->request);
    return json_pack("{s:s, s:b, s:o}", "request", id, "cut", (int)s->is_cut, "events", events);
}

/* ---- asking ---- */

void why_answer(const struct why_story *s, uint64_t ticket, void (*send)(void *, json_t *),
                void *arg)
{
    uint32_t i = 0;

    do {
        json_t *events = json_array();

        for (uint32_t n = 0; n < WHY_NOTE_EVENTS && i < s->count; n++, i++) {
            const struct trace_event *e = &s->event[i];

            json_array_append_new(events,
                                  json_pack("[I, I, I, i, i, i, i]", (json_int_t)e->at_ns,
                                            (json_int_t)e->span, (json_int_t)e->value, (int)e->node,
                                            (int)e->code, (int)e->kind, (int)e->core));
        }
        send(arg, json_pack("{s:s, s:I, s:b, s:o}", "type", "because", "ticket", (json_int_t)ticket,
                            "is_last", i == s->count, "events", events));
    } while (i < s->count);
}

static bool read_event(struct trace_event *out, const json_t *j)
{
    json_int_t at_ns, span, value;
    int node, code, kind, core;

    if (json_unpack((json_t *)j, "[I, I, I, i, i, i, i!]", &at_ns, &span, &value, &node, &code,
                    &kind, &core))
        return false;
    if (at_ns < 0 || node < 0 || node > UINT16_MAX || code < 0 || code > UINT16_MAX || kind < 1 ||
        kind > UINT8_MAX || core < 0 || core > UINT8_MAX)
        return false;
    *out = (struct trace_event){
        .at_ns = (uint64_t)at_ns,
        .span = (uint64_t)span,
        .value = (uint64_t)value,
        .node = (uint16_t)node,
        .code = (uint16_t)code,
        .kind = (uint8_t)kind,
        .core = (uint8_t)core,
    };
    return true;
}

/* NULL: enough nodes have told their story already. */
static struct why_story *part_of(struct why_question *q, uint16_t from)
{
    for (uint32_t i = 0; i < WHY_PARTS_MAX; i++) {
        struct why_part *p = &q->part[i];

        if (p->is_used && p->from == from)
            return &p->story;
        if (p->is_used)
            continue;
        p->is_used = true;
        p->from = from;
        why_begin(&p->story, q->request);
        return &p->story;
    }
    return NULL;
}

bool why_take_answer(struct why_question *q, uint16_t from, const json_t *note)
{
    const json_t *events = json_object_get(note, "events"), *event;
    struct why_story *story;
    struct trace_event e;
    size_t i;

    if (!json_is_array(events))
        return false;
    story = json_array_size(events) ? part_of(q, from) : NULL;
    json_array_foreach(events, i, event)
    {
        if (!read_event(&e, event))
            return false;
        e.request = q->request;
        if (story)
            add(story, &e);
    }
    q->answers += json_is_true(json_object_get(note, "is_last"));
    return true;
}

struct why_story *why_best(struct why_question *q)
{
    struct why_story *best = NULL;

    for (uint32_t i = 0; i < WHY_PARTS_MAX && q->part[i].is_used; i++) {
        struct why_story *s = &q->part[i].story;
        int more = best ? (int)why_has_entry(s) - (int)why_has_entry(best) : 1;

        if (more > 0 || (!more && s->count > best->count))
            best = s;
    }
    if (best)
        why_sort(best); /* never believe that it is */
    return best;
}
