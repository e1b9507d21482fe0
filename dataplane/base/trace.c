#include "dataplane/base/trace.h"

#include <assert.h>
#include <string.h>

#include "runtime/octets.h"

static_assert((TRACE_EVENTS & (TRACE_EVENTS - 1)) == 0, "a place is a mask away");

/* ---- the ring: a sequence lock per place. Events are copied in words by relaxed atomic accesses,
 * so that a reader that loses the race has read something stale and not something undefined (Boehm,
 * "Can seqlocks get along with programming language memory models?", 2012). ---- */

enum { EVENT_WORDS = sizeof(struct trace_event) / sizeof(uint64_t) };
static_assert(sizeof(struct trace_event) % sizeof(uint64_t) == 0, "whole words");
static_assert(offsetof(struct trace_event, request) == 0, "readers look at the first word first");

void trace_init(struct trace *t, uint16_t node, uint8_t core)
{
    memset(t, 0, sizeof(*t));
    t->node = node;
    t->core = core;
}

static void put(struct trace *t, const struct trace_event *event)
{
    uint64_t number = atomic_load_explicit(&t->next, memory_order_relaxed);
    uint64_t words[EVENT_WORDS];
    uint64_t *place = (uint64_t *)(void *)&t->place[number % TRACE_EVENTS].event;
    _Atomic uint64_t *sequence = &t->place[number % TRACE_EVENTS].number;

    memcpy(words, event, sizeof(words));
    atomic_store_explicit(sequence, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (int i = 0; i < EVENT_WORDS; i++)
        __atomic_store_n(&place[i], words[i], __ATOMIC_RELAXED);
    atomic_store_explicit(sequence, number + 1, memory_order_release);
    atomic_store_explicit(&t->next, number + 1, memory_order_release);
}

/* Copies event `number` if it is of that request and still whole. */
static bool get(const struct trace *t, uint64_t number, uint64_t request, struct trace_event *out)
{
    const uint64_t *place = (const uint64_t *)(const void *)&t->place[number % TRACE_EVENTS].event;
    const _Atomic uint64_t *sequence = &t->place[number % TRACE_EVENTS].number;
    uint64_t words[EVENT_WORDS];

    if (atomic_load_explicit(sequence, memory_order_acquire) != number + 1 ||
        __atomic_load_n(&place[0], __ATOMIC_RELAXED) != request)
        return false;
    for (int i = 0; i < EVENT_WORDS; i++)
        words[i] = __atomic_load_n(&place[i], __ATOMIC_RELAXED);
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(sequence, memory_order_relaxed) != number + 1)
        return false;
    memcpy(out, words, sizeof(words));
    return true;
}

void trace_write(struct trace *t, uint64_t request, uint64_t span, enum trace_kind kind,
                 uint16_t code, uint64_t value, uint64_t at_ns)
{
    assert(kind > TRACE_NONE && kind < TRACE_KIND_COUNT);
    put(t, &(struct trace_event){
               .request = request,
               .span = span,
               .at_ns = at_ns,
               .value = value,
               .node = t->node,
               .code = code,
               .kind = (uint8_t)kind,
               .core = t->core,
           });
}

uint32_t trace_read(const struct trace *t, uint64_t request, trace_visit visit, void *arg)
{
    uint64_t end = atomic_load_explicit(&t->next, memory_order_acquire);
    uint32_t visited = 0;

    for (uint64_t number = end > TRACE_EVENTS ? end - TRACE_EVENTS : 0; number < end; number++) {
        struct trace_event event;
        if (!get(t, number, request, &event))
            continue;
        visit(arg, &event);
        visited++;
    }
    return visited;
}

/* ---- spans of other nodes ---- */

void trace_span_init(struct trace_span *s, uint64_t request, uint64_t span, uint64_t now_ns)
{
    *s = (struct trace_span){.request = request, .span = span, .started_ns = now_ns};
}

void trace_span_add(struct trace_span *s, enum trace_kind kind, uint16_t code, uint64_t value,
                    uint64_t now_ns)
{
    assert(kind > TRACE_NONE && kind < TRACE_KIND_COUNT && now_ns >= s->started_ns);
    uint64_t at_us = (now_ns - s->started_ns) / 1000;
    uint8_t index = s->count < TRACE_REMOTE_EVENTS_MAX ? s->count++ : TRACE_REMOTE_EVENTS_MAX - 1;

    s->event[index].kind = (uint8_t)kind;
    s->event[index].code = code;
    s->event[index].value = value;
    s->event[index].at_us = at_us < UINT32_MAX ? (uint32_t)at_us : UINT32_MAX;
}

size_t trace_span_write(const struct trace_span *s, uint8_t out[TRACE_WIRE_BYTES_MAX])
{
    struct octets_writer w = octets_writer(out, TRACE_WIRE_BYTES_MAX);

    if (s->count == 0)
        return 0;
    octets_put_u64(&w, s->request);
    octets_put_u64(&w, s->span);
    octets_put_u8(&w, s->count);
    for (uint8_t i = 0; i < s->count; i++) {
        octets_put_u8(&w, s->event[i].kind);
        octets_put_zero(&w, 1);
        octets_put_u16(&w, s->event[i].code);
        octets_put_u32(&w, s->event[i].at_us);
        octets_put_u64(&w, s->event[i].value);
    }
    assert(!w.bad);
    return octets_written(&w);
}

static void read_event(struct octets_reader *r, struct trace_event *e, uint64_t base_ns,
                       uint64_t now_ns)
{
    e->kind = octets_get_u8(r);
    r->bad |= e->kind == TRACE_NONE || e->kind >= TRACE_KIND_COUNT;
    octets_get_zero(r, 1);
    e->code = octets_get_u16(r);
    e->at_ns = base_ns + (uint64_t)octets_get_u32(r) * 1000;
    if (e->at_ns > now_ns)
        e->at_ns = now_ns;
    e->value = octets_get_u64(r);
}

bool trace_take(struct trace *t, uint16_t node, uint64_t request, uint64_t base_ns, uint64_t now_ns,
                const uint8_t *payload, size_t len)
{
    struct octets_reader r = octets_reader(payload, len);
    struct trace_event event[TRACE_REMOTE_EVENTS_MAX];
    uint64_t of_request = octets_get_u64(&r), span = octets_get_u64(&r);
    uint8_t count = octets_get_u8(&r);

    if (r.bad || of_request != request || count == 0 || count > TRACE_REMOTE_EVENTS_MAX)
        return false;
    for (uint8_t i = 0; i < count; i++) {
        event[i] = (struct trace_event){
            .request = request, .span = span, .node = node, .core = TRACE_CORE_UNKNOWN};
        read_event(&r, &event[i], base_ns, now_ns);
    }
    if (!octets_end(&r))
        return false;
    for (uint8_t i = 0; i < count; i++)
        put(t, &event[i]);
    return true;
}

const char *trace_kind_name(enum trace_kind kind)
{
    static const char *const names[TRACE_KIND_COUNT] = {[TRACE_NONE] = "?",
#define TRACE_NAME(name, text) [TRACE_##name] = #name,
                                                        TRACE_KINDS(TRACE_NAME)
#undef TRACE_NAME
    };

    return (unsigned)kind < TRACE_KIND_COUNT ? names[kind] : "?";
}
