#include "tests/sim/tree_book.h"

#include "dataplane/base/least.h"
#include "dataplane/call/budget.h"
#include "tests/sim/sim.h"

/* NULL: long ago, or none. */
static struct tree_call *call_of(struct tree_book *b, uint32_t number)
{
    struct tree_call *c = &b->call[number % TREE_BOOK_ROWS];
    return number && c->number == number ? c : NULL;
}

static struct tree_run *run_of(struct tree_book *b, uint32_t number)
{
    struct tree_run *r = &b->run[number % TREE_BOOK_ROWS];
    return number && r->number == number ? r : NULL;
}

static uint32_t silence_us(const struct tree_run *r)
{
    return r->given_us / BUDGET_UNSAID_PART;
}

uint32_t tree_book_call(struct tree_book *b, uint32_t run, uint32_t said_us, bool is_still)
{
    uint32_t number = ++b->calls;
    struct tree_run *r = run_of(b, run);
    struct tree_call *c = &b->call[number % TREE_BOOK_ROWS];
    *c = (struct tree_call){.number = number, .most_us = UINT32_MAX, .most_wall_ms = UINT32_MAX};
    if (!r)
        return number;
    tree_book_said(b, run, said_us, false);
    uint32_t used_us = r->said_us + r->calls_us;
    uint32_t waited_ms = (uint32_t)((sim_now_ns - r->began_ns) / 1000000);
    c->caller_node = r->node;
    c->most_us = r->given_us - min_u32(used_us, r->given_us);
    if (is_still && waited_ms > TREE_WALL_SLACK_MS) {
        b->waited++;
        c->most_wall_ms = r->wall_ms - min_u32(waited_ms - TREE_WALL_SLACK_MS, r->wall_ms);
    }
    b->checked += r->calls_us > 0;
    return number;
}

uint32_t tree_book_run(struct tree_book *b, uint32_t call, uint32_t node, uint32_t given_us,
                       uint32_t wall_ms)
{
    uint32_t number = ++b->runs;
    struct tree_call *c = call_of(b, call);
    b->run[number % TREE_BOOK_ROWS] = (struct tree_run){.number = number,
                                                        .call = call,
                                                        .node = node,
                                                        .given_us = given_us,
                                                        .wall_ms = wall_ms,
                                                        .began_ns = sim_now_ns};
    if (!c)
        return number;
    CHECK(given_us <= c->most_us, "call %u may use %u us of CPU time, and is given %u", call,
          c->most_us, given_us);
    CHECK(wall_ms <= c->most_wall_ms, "call %u has %u ms left, and is given %u", call,
          c->most_wall_ms, wall_ms);
    c->runs++;
    c->last_run = number;
    return number;
}

/* What it has said does not become less, and counts up to what it might use. */
void tree_book_said(struct tree_book *b, uint32_t run, uint64_t us, bool is_answer)
{
    struct tree_run *r = run_of(b, run);
    if (!r)
        return;
    uint32_t said_us = (uint32_t)min_u64(us, r->given_us);
    r->has_said = true;
    if (r->said_us < said_us)
        r->said_us = said_us;
    if (!is_answer || r->has_answered) /* what it says while it lingers nobody was told */
        return;
    r->has_answered = true;
    r->cost_us = r->said_us + r->calls_us;
}

void tree_book_died(struct tree_book *b, uint32_t run)
{
    struct tree_run *r = run_of(b, run);
    struct tree_call *c = r ? call_of(b, r->call) : NULL;
    if (!c || r->has_said || r->node != c->caller_node)
        return;
    b->silent++;
    c->silent_us += silence_us(r);
}

/* A last word that crossed the loss may have been heard, or not. */
static uint32_t lost_us(const struct tree_run *r)
{
    return r->has_said ? min_u32(r->said_us, silence_us(r)) : silence_us(r);
}

void tree_book_heard(struct tree_book *b, uint32_t run, uint32_t call, uint32_t by,
                     enum job_error error)
{
    struct tree_run *caller = run_of(b, run);
    struct tree_call *c = call_of(b, call);
    if (!caller || !c)
        return;
    struct tree_run *r = run_of(b, by ? by : c->runs == 1 ? c->last_run : 0);
    bool is_lost = error == JOB_ERROR_LOST;
    if (is_lost && r)
        caller->calls_us += c->runs == 1 ? lost_us(r) : 0;
    else if (r && r->has_answered)
        caller->calls_us += r->cost_us + (c->runs > 1 ? c->silent_us : 0);
}
