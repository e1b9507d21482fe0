/* part.h
 *
 * A piece of a world that several worlds share: certificates, scripts with their routes. Counted by
 * the control thread only; destroyed when neither a published world nor its maker holds it.
 */
#ifndef HEARTH_PART_H
#define HEARTH_PART_H

#include <assert.h>
#include <stdint.h>

struct part {
    uint32_t holds;
    void (*destroy)(struct part *);
};

static inline void part_init(struct part *p, void (*destroy)(struct part *))
{
    p->holds = 1;
    p->destroy = destroy;
}

static inline void part_hold(struct part *p)
{
    assert(p->holds);
    p->holds++;
}

/* NULL is nothing. */
static inline void part_release(struct part *p)
{
    assert(!p || p->holds);
    if (p && --p->holds == 0)
        p->destroy(p);
}

#endif
