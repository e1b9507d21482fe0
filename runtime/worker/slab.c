#include "runtime/worker/slab.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void slab_init(struct slab *s, size_t item_bytes, uint32_t max)
{
    *s = (struct slab){.item_bytes = item_bytes, .max = max};
}

void slab_fini(struct slab *s)
{
    for (uint32_t i = 0; i < s->made; i += SLAB_BLOCK)
        free(s->block[i / SLAB_BLOCK]);
    free(s->block);
    *s = (struct slab){0};
}

static void add_block(struct slab *s)
{
    uint32_t count = s->made / SLAB_BLOCK;
    if ((count & (count - 1)) == 0) { /* full: 0, 1, 2, 4, ... have room for twice as many */
        s->block = realloc(s->block, (count ? 2 * count : 1) * sizeof(*s->block));
        assert(s->block);
    }
    s->block[count] = malloc(SLAB_BLOCK * s->item_bytes);
    assert(s->block[count]);
}

void *slab_more(struct slab *s, uint32_t *index)
{
    if (s->made == s->max)
        return NULL;
    if (s->made % SLAB_BLOCK == 0)
        add_block(s);
    *index = s->made++;
    return memset(slab_at(s, *index), 0, s->item_bytes);
}

void *slab_at(const struct slab *s, uint64_t index)
{
    if (index >= s->made)
        return NULL;
    return s->block[index / SLAB_BLOCK] + index % SLAB_BLOCK * s->item_bytes;
}
