#include "dataplane/call/budget.h"

#include <assert.h>

#include "dataplane/base/mutant.h"

void budget_trees_init(struct budget_trees *t, struct budget_tree *memory, uint32_t count)
{
    t->free = NULL;
    for (uint32_t i = count; i-- > 0;) {
        memory[i] = (struct budget_tree){.next_free = t->free};
        t->free = &memory[i];
    }
}

static struct budget_tree *take_tree(struct budget_trees *t, uint32_t subrequests)
{
    struct budget_tree *tree = t->free;
    assert(tree); /* as many as calls */
    t->free = tree->next_free;
    *tree = (struct budget_tree){.calls = 1, .total = subrequests, .left = subrequests};
    return tree;
}

static void leave_tree(struct budget_trees *t, struct budget_tree *tree)
{
    assert(tree->calls > 0);
    if (--tree->calls > 0)
        return;
    tree->next_free = t->free;
    t->free = tree;
}

static void begin(struct budget *b, struct budget_tree *tree, struct budget *parent,
                  uint32_t subrequests)
{
    assert(!b->tree);
    *b = (struct budget){.tree = tree,
                         .life = b->life + 1,
                         .parent = parent,
                         .parent_life = parent ? parent->life : 0,
                         .total = subrequests,
                         .left = subrequests};
}

void budget_begin(struct budget_trees *t, struct budget *b, uint32_t subrequests)
{
    begin(b, take_tree(t, subrequests), NULL, subrequests);
}

void budget_begin_sub(struct budget *b, struct budget *parent, uint32_t subrequests)
{
    assert(parent->tree);
    parent->tree->calls++;
    begin(b, parent->tree, parent, subrequests);
}

/* Whatever of it did not come back is spent. */
static void forget_grant(struct budget *b)
{
    b->tree->away -= b->granted > 0;
    b->granted = 0;
}

void budget_end(struct budget_trees *t, struct budget *b)
{
    assert(b->tree);
    forget_grant(b);
    leave_tree(t, b->tree);
    b->tree = NULL;
}

/* NULL: there is none, or it is over. */
static struct budget *above(const struct budget *b)
{
    struct budget *parent = b->parent;
    return parent && parent->tree && parent->life == b->parent_life ? parent : NULL;
}

/* Least of what b, all above it, and the tree have left. */
static uint32_t left_at(const struct budget *b)
{
    uint32_t left = b->tree->left;
    for (; b; b = above(b))
        left = b->left < left ? b->left : left;
    return left;
}

static void spend(struct budget *b, uint32_t count)
{
    if (MUTANT(TREE_UNCOUNTED))
        return;
    b->tree->left -= count;
    for (; b; b = above(b))
        b->left -= count;
}

bool budget_charge(struct budget *b)
{
    if (left_at(b) == 0)
        return false;
    spend(b, 1);
    return true;
}

/* A grant is the callee's: it is within the callee's own limit, and not taken from that, which its
 * next run may need. */
static uint32_t share_of(const struct budget *b)
{
    struct budget *parent = above(b);
    const struct budget_tree *tree = b->tree;
    uint32_t left = parent ? left_at(parent) : tree->left;
    if (!b->parent) /* nobody else is there to have any */
        return left;
    uint32_t share = left / (tree->away == 0 ? 2 : 4);
    if (left - share < tree->total / 8)
        return 0;
    return share < b->left ? share : b->left;
}

bool budget_may_travel(const struct budget *b, bool is_leaf)
{
    return is_leaf || !b->parent || share_of(b) >= BUDGET_GRANT_LEAST;
}

uint32_t budget_grant(struct budget *b, bool is_leaf)
{
    assert(b->granted == 0);
    if (is_leaf)
        return 0;
    b->granted = share_of(b);
    b->tree->away += b->granted > 0;
    b->tree->left -= b->granted;
    for (struct budget *p = above(b); p; p = above(p))
        p->left -= b->granted;
    return b->granted;
}

void budget_return(struct budget *b, uint32_t spent)
{
    uint32_t unspent = spent < b->granted ? b->granted - spent : 0;
    b->tree->left += unspent;
    for (struct budget *p = above(b); p; p = above(p))
        p->left += unspent;
    forget_grant(b);
}

void budget_again(struct budget_trees *t, struct budget *b)
{
    forget_grant(b);
    if (b->parent)
        return;
    leave_tree(t, b->tree);
    b->tree = take_tree(t, b->total);
    b->left = b->total;
    b->life++; /* what it called is not of it any more */
}

uint32_t budget_spent(const struct budget *b, bool lingers)
{
    const struct budget_tree *tree = b->tree;
    bool lives_on = lingers || tree->calls > 1;
    return lives_on ? tree->total : tree->total - tree->left;
}
