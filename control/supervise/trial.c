#include "control/supervise/trial.h"

#include <stdio.h>
#include <string.h>

enum { MS = 1000 * 1000 };

void trials_init(struct trials *t, struct loop *loop, struct supervise *supervise,
                 void (*on_verdict)(void *, struct script *, uint64_t, const char *), void *arg)
{
    *t = (struct trials){
        .loop = loop,
        .supervise = supervise,
        .trial_ms = TRIAL_MS,
        .on_verdict = on_verdict,
        .arg = arg,
    };
}

void trials_fini(struct trials *t)
{
    if (t->loop)
        loop_timer_cancel(t->loop, &t->timer);
    for (uint32_t i = 0; i < TRIALS_MAX; i++) {
        if (t->trial[i].script)
            script_release(t->trial[i].script);
        t->trial[i].script = NULL;
    }
}

bool trials_have(const struct trials *t, const char *name)
{
    for (uint32_t i = 0; i < TRIALS_MAX; i++)
        if (t->trial[i].script && !strcmp(t->trial[i].script->name, name))
            return true;
    return false;
}

static void end(struct trials *t, struct trial *trial, const char *error)
{
    struct script *script = trial->script;

    trial->script = NULL; /* the verdict may begin another trial here */
    t->on_verdict(t->arg, script, trial->client, error);
}

void trial_take(struct trials *t, uint64_t handle, const char *error)
{
    for (uint32_t i = 0; i < TRIALS_MAX; i++) {
        struct trial *trial = &t->trial[i];

        if (!trial->script || trial->script->handle != handle)
            continue;
        end(t, trial, error);
        return;
    }
}

static void on_timer(void *arg);

static void await(struct trials *t, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;

    for (uint32_t i = 0; i < TRIALS_MAX; i++)
        if (t->trial[i].script && t->trial[i].deadline_ns < next_ns)
            next_ns = t->trial[i].deadline_ns;
    if (next_ns == UINT64_MAX)
        loop_timer_cancel(t->loop, &t->timer);
    else
        loop_timer_set(t->loop, &t->timer, next_ns > now_ns ? next_ns - now_ns : 0, on_timer, t);
}

static void on_timer(void *arg)
{
    struct trials *t = arg;
    uint64_t now_ns = loop_now_ns();
    char why[128];

    for (uint32_t i = 0; i < TRIALS_MAX; i++) {
        if (!t->trial[i].script || now_ns < t->trial[i].deadline_ns)
            continue;
        snprintf(why, sizeof(why),
                 "no cell has said whether it loads within %u ms; the version before stays",
                 t->trial_ms);
        end(t, &t->trial[i], why);
    }
    await(t, now_ns);
}

bool trial_begin(struct trials *t, struct script *script, uint64_t client, bool is_home)
{
    uint64_t now_ns = loop_now_ns();

    for (uint32_t i = 0; i < TRIALS_MAX; i++) {
        struct trial *trial = &t->trial[i];

        if (trial->script)
            continue;
        *trial = (struct trial){
            .script = script,
            .client = client,
            .deadline_ns = now_ns + (uint64_t)t->trial_ms * MS,
        };
        await(t, now_ns);
        supervise_try(t->supervise, script, is_home);
        return true;
    }
    return false;
}
