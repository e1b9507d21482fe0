/* age.h
 *
 * A list in order of age: who came last is at its end. Add, remove and the oldest are O(1).
 *
 *   oldest -> link -> link -> newest            a link is embedded in its owner, and in one list
 *
 * Single thread. Never allocates. All zero is an empty list, and a link in none.
 */
#ifndef HEARTH_AGE_H
#define HEARTH_AGE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct age_link {
    struct age_link *older, *newer;
    struct age_list *list; /* NULL: in none */
};

struct age_list {
    struct age_link *oldest, *newest;
    uint32_t count;
};

static inline bool age_is_in(const struct age_link *link)
{
    return link->list != NULL;
}

/* As its newest. */
static inline void age_add(struct age_list *list, struct age_link *link)
{
    assert(!link->list);
    *link = (struct age_link){.older = list->newest, .list = list};
    *(list->newest ? &list->newest->newer : &list->oldest) = link;
    list->newest = link;
    list->count++;
}

/* Nothing if it is in none. */
static inline void age_remove(struct age_link *link)
{
    struct age_list *list = link->list;
    if (!list)
        return;
    *(link->older ? &link->older->newer : &list->oldest) = link->newer;
    *(link->newer ? &link->newer->older : &list->newest) = link->older;
    list->count--;
    *link = (struct age_link){0};
}

#endif
