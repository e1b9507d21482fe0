/* CPU time and time of jobs, as their request's tree allows them: what of it is used, what is said
 * of it, and who answered. */
#include <string.h>

#include "dataplane/base/least.h"
#include "dataplane/base/limits.h"
#include "runtime/context.h"
#include "tests/sim/model_runtime_parts.h"

enum { RUN_DIGITS = 10, LITTLE_US = 1000 };

/* ---- what it may use ---- */

static uint32_t least(uint32_t limit, uint64_t said)
{
    return said ? (uint32_t)min_u64(limit, said) : limit;
}

void model_begin_run(struct model_runtime *m, struct model_job *j, uint32_t call,
                     const struct head_request *request)
{
    struct context stack;
    struct context_limits limits = {0};
    const struct model_manner *manner = m->manner;
    if (!manner->book)
        return;
    if (request->context.len > 0) {
        bool is_good =
            context_read(&stack, (const uint8_t *)request->context.p, request->context.len);
        CHECK(is_good, "a malformed context");
        limits = context_limits(&stack);
    }
    uint32_t given_us = least(manner->cpu_ms * 1000, limits.cpu_us);
    uint32_t wall_ms = least(manner->wall_ms, limits.wall_ms);
    j->run = tree_book_run(manner->book, call, m->owner, given_us, wall_ms);
    j->wall_ns = sim_now_ns + wall_ms * 1000000ull;
    j->wants_us = chance(60)   ? below(LITTLE_US)
                  : chance(60) ? below(given_us / 4 + 1)
                               : given_us - below(given_us / 8 + 1);
    j->wants_us = min_u32(j->wants_us, given_us);
}

/* ---- what it says ---- */

static uint64_t said_of(const struct model_runtime *m, uint32_t cpu_us)
{
    switch ((enum model_words)m->words) {
    case MODEL_HONEST:
        break;
    case MODEL_MODEST:
        return 0;
    case MODEL_BOASTFUL:
        return UINT32_MAX;
    case MODEL_FICKLE:
        return below(2) * cpu_us;
    }
    return cpu_us;
}

uint32_t model_cpu_said(struct model_runtime *m, struct model_job *j)
{
    j->cpu_us += below(j->wants_us - j->cpu_us + 1);
    return (uint32_t)said_of(m, j->cpu_us);
}

uint64_t model_cpu_answered(struct model_runtime *m, struct model_job *j)
{
    j->cpu_us = j->wants_us;
    uint64_t us = said_of(m, j->cpu_us);
    if (m->manner->book)
        tree_book_said(m->manner->book, j->run, us, true);
    return us;
}

uint32_t model_make_call(struct model_runtime *m, struct model_job *j, uint32_t said_us)
{
    bool is_still = j->depth == 0 && j->received == 0 && j->sent == 0 && !j->lingers;
    return m->manner->book ? tree_book_call(m->manner->book, j->run, said_us, is_still) : 0;
}

void model_heard(struct model_runtime *m, const struct model_job *j, uint32_t call, uint32_t by,
                 enum job_error error)
{
    if (m->manner->book)
        tree_book_heard(m->manner->book, j->run, call, by, error);
}

/* ---- who answered: the first field of a head ---- */

static char *digits_of(uint8_t *head, uint32_t bytes)
{
    char *at = memmem(head, bytes, "x-run", 5);
    CHECK(at && at + 5 + 2 + RUN_DIGITS <= (char *)head + bytes, "a head without its run");
    return at + 5 + 2;
}

void model_write_run(struct head_writer *w, uint32_t run)
{
    char digits[RUN_DIGITS + 1];
    snprintf(digits, sizeof(digits), "%010u", run);
    head_write_field(w, (struct head_view){"x-run", 5}, (struct head_view){digits, RUN_DIGITS});
}

uint32_t model_read_run(uint8_t *head, uint32_t bytes)
{
    return (uint32_t)strtoul(digits_of(head, bytes), NULL, 10);
}

void model_replace_run(uint8_t *head, uint32_t bytes, uint32_t run)
{
    char digits[RUN_DIGITS + 1];
    snprintf(digits, sizeof(digits), "%010u", run);
    memcpy(digits_of(head, bytes), digits, RUN_DIGITS);
}
