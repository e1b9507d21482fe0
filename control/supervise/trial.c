#include "control/supervise/trial.h"

#include <stdio.h>
#include <string.h>

#include "control/base/name_hash.h"

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

/* The process that the cores will ask (steer_link), or the next one that is up. */
static void ask(struct trials *t, struct trial *trial, uint64_t now_ns)
{
    uint32_t count = supervise_count(t->supervise);
    uint64_t first = name_hash(trial->script->name) >> 32;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t runtime = (uint32_t)((first + i) % count);
        struct supervise_status status;

        if (!supervise_try(t->supervise, runtime, trial->script->handle, trial->is_home))
            continue;
        supervise_status(t->supervise, runtime, &status);
        trial->runtime = runtime;
        trial->life = status.life;
        trial->asked_ns = now_ns;
        return;
    }
}

/* Has the process that was asked ended meanwhile? Then why. */
static bool is_lost(const struct trials *t, const struct trial *trial, char *why, size_t bytes)
{
    struct supervise_status status;

    if (!trial->life)
        return false;
    supervise_status(t->supervise, trial->runtime, &status);
    if (status.life == trial->life && status.state == SUPERVISE_UP)
        return false;
    snprintf(why, bytes, "its runtime process ended while it was started: %s",
             status.last_exit[0] ? status.last_exit : "it is being killed");
    return true;
}

static void look_at(struct trials *t, struct trial *trial, uint64_t now_ns)
{
    char why[192];

    if (is_lost(t, trial, why, sizeof(why))) {
        end(t, trial, why);
    } else if (now_ns >= trial->deadline_ns) {
        snprintf(why, sizeof(why), "%s within %u ms; the version before stays",
                 trial->life ? "its runtime process does not say whether it loads"
                             : "no runtime process is there to start it",
                 t->trial_ms);
        end(t, trial, why);
    } else if (!trial->life || now_ns >= trial->asked_ns + (uint64_t)TRIAL_ASK_MS * MS) {
        ask(t, trial, now_ns);
    }
}

static void on_timer(void *arg)
{
    trials_look(arg);
}

static void await(struct trials *t, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;

    for (uint32_t i = 0; i < TRIALS_MAX; i++)
        if (t->trial[i].script && t->trial[i].deadline_ns < next_ns)
            next_ns = t->trial[i].deadline_ns;
    if (next_ns == UINT64_MAX) {
        loop_timer_cancel(t->loop, &t->timer);
        return;
    }
    next_ns = next_ns > now_ns ? next_ns - now_ns : 0;
    if (next_ns > (uint64_t)TRIAL_ASK_MS * MS)
        next_ns = (uint64_t)TRIAL_ASK_MS * MS;
    loop_timer_set(t->loop, &t->timer, next_ns, on_timer, t);
}

void trials_look(struct trials *t)
{
    uint64_t now_ns = loop_now_ns();

    for (uint32_t i = 0; i < TRIALS_MAX; i++)
        if (t->trial[i].script)
            look_at(t, &t->trial[i], now_ns);
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
            .is_home = is_home,
            .client = client,
            .deadline_ns = now_ns + (uint64_t)t->trial_ms * MS,
        };
        ask(t, trial, now_ns);
        await(t, now_ns);
        return true;
    }
    return false;
}
