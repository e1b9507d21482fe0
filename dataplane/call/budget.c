#include "dataplane/call/budget.h"

#include <assert.h>

#include "dataplane/base/least.h"
#include "dataplane/base/mutant.h"

void budget_trees_init(struct budget_trees *t, struct budget_tree *memory, uint32_t count)
{
    t->free = NULL;
    for (uint32_t i = count; i-- > 0;) {
        memory[i] = (struct budget_tree){.next_free = t->free};
        t->free = &memory[i];
    }
}

static struct budget_tree *take_tree(struct budget_trees *t, struct budget_sum total,
                                     uint64_t wall_ns, uint64_t now_ns)
{
    struct budget_tree *tree = t->free;
    assert(tree); /* as many as calls */
    t->free = tree->next_free;
    *tree = (struct budget_tree){
        .calls = 1, .total = total, .left = total, .wall_ns = wall_ns, .moved_ns = now_ns};
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
                  struct budget_sum total)
{
    assert(!b->tree);
    *b = (struct budget){.tree = tree,
                         .life = b->life + 1,
                         .parent = parent,
                         .parent_life = parent ? parent->life : 0,
                         .total = total,
                         .left = total};
}

void budget_begin(struct budget_trees *t, struct budget *b, struct budget_sum total,
                  uint64_t wall_ns, uint64_t now_ns)
{
    begin(b, take_tree(t, total, wall_ns, now_ns), NULL, total);
}

void budget_begin_sub(struct budget *b, struct budget *parent, struct budget_sum total)
{
    assert(parent->tree);
    parent->tree->calls++;
    begin(b, parent->tree, parent, total);
}

/* NULL: there is none, or it is over. */
static struct budget *above(const struct budget *b)
{
    struct budget *parent = b->parent;
    return parent && parent->tree && parent->life == b->parent_life ? parent : NULL;
}

/* ---- CPU time ---- */

static uint32_t take_at_most(uint32_t from, uint32_t amount)
{
    return from - min_u32(from, amount);
}

static void charge_cpu(struct budget *b, uint64_t us)
{
    struct budget_tree *tree = b->tree;
    uint32_t cpu_us = (uint32_t)min_u64(us, UINT32_MAX);
    tree->left.cpu_us = take_at_most(tree->left.cpu_us, cpu_us);
    tree->cpu_used_us += min_u32(cpu_us, UINT32_MAX - tree->cpu_used_us);
    for (; b; b = above(b))
        b->left.cpu_us = take_at_most(b->left.cpu_us, cpu_us);
}

uint32_t budget_cpu_left(const struct budget *b)
{
    uint32_t left = b->tree->left.cpu_us;
    for (; b; b = above(b))
        left = min_u32(left, b->left.cpu_us);
    return left;
}

void budget_runs(struct budget *b)
{
    b->is_unheard = true;
    b->cpu_said_us = 0;
}

void budget_ran(struct budget *b, uint64_t cpu_us)
{
    uint32_t said_us = (uint32_t)min_u64(cpu_us, b->total.cpu_us);
    b->is_unheard = false;
    if (said_us <= b->cpu_said_us)
        return;
    charge_cpu(b, said_us - b->cpu_said_us);
    b->cpu_said_us = said_us;
}

uint32_t budget_cpu_used(const struct budget *b)
{
    return b->tree->cpu_used_us;
}

static uint32_t unsaid_us(const struct budget *b)
{
    return (b->total.cpu_us + BUDGET_UNSAID_PART - 1) / BUDGET_UNSAID_PART;
}

/* It runs no more, or where nobody will tell. */
static void stop(struct budget *b)
{
    if (b->is_unheard && !MUTANT(SILENCE_FREE))
        budget_ran(b, unsaid_us(b));
}

/* ---- its end ---- */

/* Whatever of it did not come back is spent. */
static void forget_grant(struct budget *b)
{
    b->tree->away -= b->granted > 0;
    b->granted = 0;
}

void budget_end(struct budget_trees *t, struct budget *b)
{
    assert(b->tree);
    stop(b);
    forget_grant(b);
    leave_tree(t, b->tree);
    b->tree = NULL;
}

/* ---- sub-requests ---- */

/* Least of what b, all above it, and the tree have left. */
static uint32_t left_at(const struct budget *b)
{
    uint32_t left = b->tree->left.subrequests;
    for (; b; b = above(b))
        left = min_u32(left, b->left.subrequests);
    return left;
}

static void spend(struct budget *b, uint32_t count)
{
    if (MUTANT(TREE_UNCOUNTED))
        return;
    b->tree->left.subrequests -= count;
    for (; b; b = above(b))
        b->left.subrequests -= count;
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
    uint32_t left = parent ? left_at(parent) : tree->left.subrequests;
    if (!b->parent) /* nobody else is there to have any */
        return left;
    uint32_t share = left / (tree->away == 0 ? 2 : 4);
    if (left - share < tree->total.subrequests / 8)
        return 0;
    return min_u32(share, b->left.subrequests);
}

bool budget_may_travel(const struct budget *b, enum budget_reach reach)
{
    return reach == BUDGET_CALLS_NOTHING || !b->parent || share_of(b) >= BUDGET_GRANT_LEAST;
}

uint32_t budget_grant(struct budget *b, enum budget_reach reach)
{
    assert(b->granted == 0);
    if (reach == BUDGET_CALLS_NOTHING)
        return 0;
    b->granted = share_of(b);
    if (reach == BUDGET_CALLS_WORLD && b->parent)
        b->granted = min_u32(b->granted, BUDGET_GRANT_LEAST);
    b->tree->away += b->granted > 0;
    b->tree->left.subrequests -= b->granted;
    for (struct budget *p = above(b); p; p = above(p))
        p->left.subrequests -= b->granted;
    return b->granted;
}

void budget_return(struct budget *b, struct budget_sum spent)
{
    uint32_t calls = min_u32(spent.subrequests, b->granted), unspent = b->granted - calls;
    b->tree->left.subrequests += unspent;
    for (struct budget *p = above(b); p; p = above(p))
        p->left.subrequests += unspent;
    forget_grant(b);
    if (!MUTANT(CPU_UNTOLD))
        charge_cpu(b, min_u64(spent.cpu_us, b->total.cpu_us * (1ull + calls)));
    b->is_unheard = false;
}

void budget_again(struct budget_trees *t, struct budget *b, uint64_t now_ns)
{
    stop(b);
    forget_grant(b);
    if (b->parent)
        return;
    uint64_t wall_ns = b->tree->wall_ns;
    leave_tree(t, b->tree);
    b->tree = take_tree(t, b->total, wall_ns, now_ns);
    b->left = b->total;
    b->life++; /* what it called is not of it any more */
}

struct budget_sum budget_spent(const struct budget *b, bool lingers)
{
    const struct budget_tree *tree = b->tree;
    bool lives_on = lingers || tree->calls > 1;
    struct budget_sum spent = {tree->total.subrequests - tree->left.subrequests, tree->cpu_used_us};
    if (!lives_on)
        return spent;
    spent.subrequests = tree->total.subrequests;
    if (spent.cpu_us < unsaid_us(b))
        spent.cpu_us = unsaid_us(b);
    return spent;
}

/* ---- time ---- */

void budget_moved(struct budget *b, uint64_t now_ns)
{
    if (!b->parent)
        b->tree->moved_ns = now_ns;
}

void budget_lingers(struct budget *b, uint64_t wall_ns, uint64_t now_ns)
{
    budget_moved(b, now_ns);
    if (!b->parent)
        b->tree->wall_ns = wall_ns;
}

uint64_t budget_wall_left_ns(const struct budget *b, uint64_t now_ns)
{
    const struct budget_tree *tree = b->tree;
    uint64_t until_ns = tree->moved_ns + tree->wall_ns;
    if (MUTANT(WALL_ANEW))
        return tree->wall_ns;
    return now_ns < until_ns ? until_ns - now_ns : 0;
}
