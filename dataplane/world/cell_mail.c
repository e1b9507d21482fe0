#include "dataplane/world/cell_mail.h"

#include <assert.h>
#include <stdalign.h>
#include <unistd.h>

#include "dataplane/base/power.h"

/* A ring of either direction: the words of its two ends, then the slots. */
struct ends {
    alignas(64) _Atomic uint32_t tail; /* written by who puts */
    alignas(64) _Atomic uint32_t head; /* written by who takes */
};
static_assert(sizeof(struct ends) == 128 && offsetof(struct ends, head) == 64,
              "a line for each writer");

struct cell_mail {
    uint32_t links, news_mask, wishes_mask;
    int wake_fd;
    struct cell_pulse *pulse;
    struct cell_wish *wishes;
    struct ends news_ends, wishes_ends;
    alignas(64) bool has_wished; /* since the last ring: the core's */
    alignas(64) struct cell_news news[];
};
static_assert(offsetof(struct cell_mail, has_wished) ==
                      offsetof(struct cell_mail, wishes_ends) + sizeof(struct ends) &&
                  offsetof(struct cell_mail, news) % 64 == 0,
              "what both read is on no line that one writes");

enum {
    NEWS_OF_LINK = 3,  /* ATTACH, RETIRE, DETACH */
    MUSTS_OF_LINK = 2, /* SPENT, RELEASED */
};

static uint32_t news_slots(uint32_t links)
{
    return power_of_two(NEWS_OF_LINK * links);
}

/* What each must be able to say, and some for what may be said again. */
static uint32_t wish_slots(uint32_t links)
{
    return power_of_two((MUSTS_OF_LINK + 1) * links);
}

size_t cell_mail_bytes(uint32_t links)
{
    return sizeof(struct cell_mail) + news_slots(links) * sizeof(struct cell_news) +
           wish_slots(links) * sizeof(struct cell_wish) + links * sizeof(struct cell_pulse);
}

struct cell_mail *cell_mail_init(void *memory, uint32_t links, int wake_fd)
{
    struct cell_mail *m = memory;

    assert(links > 0);
    m->links = links;
    m->news_mask = news_slots(links) - 1;
    m->wishes_mask = wish_slots(links) - 1;
    m->wake_fd = wake_fd;
    m->wishes = (struct cell_wish *)&m->news[news_slots(links)];
    m->pulse = (struct cell_pulse *)&m->wishes[wish_slots(links)];
    return m;
}

uint32_t cell_mail_links(const struct cell_mail *m)
{
    return m->links;
}

static uint32_t used(const struct ends *e)
{
    return atomic_load_explicit(&e->tail, memory_order_acquire) -
           atomic_load_explicit(&e->head, memory_order_acquire);
}

/* The place of the next one, before `pass` lets the other end have it. */
static uint32_t at(_Atomic uint32_t *end, uint32_t mask)
{
    return atomic_load_explicit(end, memory_order_relaxed) & mask;
}

static void pass(_Atomic uint32_t *end)
{
    uint32_t next = atomic_load_explicit(end, memory_order_relaxed) + 1;

    atomic_store_explicit(end, next, memory_order_release);
}

/* ---- the control thread ---- */

void cell_mail_tell(struct cell_mail *m, const struct cell_news *news)
{
    assert(used(&m->news_ends) <= m->news_mask && news->link < m->links);
    m->news[at(&m->news_ends.tail, m->news_mask)] = *news;
    pass(&m->news_ends.tail);
}

bool cell_mail_hear(struct cell_mail *m, struct cell_wish *out)
{
    if (!used(&m->wishes_ends))
        return false;
    *out = m->wishes[at(&m->wishes_ends.head, m->wishes_mask)];
    pass(&m->wishes_ends.head);
    return true;
}

struct cell_count cell_mail_pulse(const struct cell_mail *m, uint32_t link)
{
    const struct cell_pulse *p = &m->pulse[link];

    assert(link < m->links);
    return (struct cell_count){
        .started = atomic_load_explicit(&p->started, memory_order_relaxed),
        .live = atomic_load_explicit(&p->live, memory_order_relaxed),
    };
}

/* ---- the core ---- */

bool cell_mail_next(struct cell_mail *m, struct cell_news *out)
{
    if (!used(&m->news_ends))
        return false;
    *out = m->news[at(&m->news_ends.head, m->news_mask)];
    pass(&m->news_ends.head);
    return true;
}

bool cell_mail_wish(struct cell_mail *m, const struct cell_wish *wish)
{
    uint32_t room = m->wishes_mask + 1 - used(&m->wishes_ends);

    assert(wish->type == CELL_WISH_START || wish->link < m->links);
    bool is_must = wish->type == CELL_SAID_SPENT || wish->type == CELL_RELEASED;

    if (!is_must && room <= MUSTS_OF_LINK * m->links)
        return false;
    assert(room > 0);
    m->wishes[at(&m->wishes_ends.tail, m->wishes_mask)] = *wish;
    pass(&m->wishes_ends.tail);
    m->has_wished = true;
    return true;
}

void cell_mail_ring(struct cell_mail *m)
{
    if (!m->has_wished)
        return;
    m->has_wished = false;
    if (m->wake_fd < 0)
        return;
    ssize_t ignored = write(m->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
    (void)ignored; /* full: it is awake */
}

void cell_mail_count(struct cell_mail *m, uint32_t link, int change)
{
    struct cell_pulse *p = &m->pulse[link];
    uint32_t live = atomic_load_explicit(&p->live, memory_order_relaxed);

    assert(link < m->links && (change > 0 || live > 0));
    if (change > 0)
        atomic_store_explicit(&p->started,
                              atomic_load_explicit(&p->started, memory_order_relaxed) + 1,
                              memory_order_relaxed);
    atomic_store_explicit(&p->live, live + (uint32_t)change, memory_order_relaxed);
}
