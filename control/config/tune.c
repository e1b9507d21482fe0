#include "control/config/tune.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/job.h"

#define KEY(field, min, max, text)                                                                 \
    {                                                                                              \
#field, offsetof(struct world_tune, field), min, max, text                                 \
    }
const struct tune_key tune_keys[TUNE_KEYS] = {
    KEY(hot_enter_rpm, 1, 1000000000,
        "requests a minute for one script at this node: it runs here from then on"),
    KEY(hot_leave_rpm, 0, 1000000000, "below, its requests go home again"),
    KEY(widen_rps, 1, 10000000, "for one script at its home: it gets twice as many homes"),
    KEY(narrow_rps, 0, 5000000, "below, half as many"),
    KEY(bound_percent, 0, 1000, "load of one of several homes over the mean before it is spared"),
    KEY(shed_target_us, 1, 60000000, "queueing delay of a cell that is fine"),
    KEY(shed_interval_ms, 1, 60000, "over the target for so long: overloaded"),
    KEY(shed_jobs_percent, 0, 100, "of the job table in use: overloaded; 0: always"),
    KEY(shed_chunks_percent, 0, 100, "of the stream buffers in use: overloaded; 0: always"),
    KEY(shed_share_percent, 1, 100, "of the jobs that one script may have while they are tight"),
    KEY(source_share_percent, 1, 100, "of scarce connections, for one source; 100: no limit"),
    KEY(warm_per_s, 0, 1000000, "cells that one core asks for ahead of requests; 0: none"),
    KEY(optimistic_bytes, 0, JOB_CREDIT_INITIAL, "body bytes sent to a home before it accepts"),
    KEY(trace_one_in, 0, 1000000, "one request in so many is recorded for `why`; 1: all, 0: none"),
};
#undef KEY

_Static_assert(sizeof(struct world_tune) == TUNE_KEYS * sizeof(uint32_t),
               "every field of struct world_tune has a row here");

uint32_t tune_get(const struct world_tune *t, const struct tune_key *k)
{
    uint32_t value;

    memcpy(&value, (const char *)t + k->offset, sizeof(value));
    return value;
}

void tune_set(struct world_tune *t, const struct tune_key *k, uint32_t value)
{
    memcpy((char *)t + k->offset, &value, sizeof(value));
}

const struct tune_key *tune_find(const char *name)
{
    for (size_t i = 0; i < TUNE_KEYS; i++)
        if (!strcmp(tune_keys[i].name, name))
            return &tune_keys[i];
    return NULL;
}

const struct tune_key *tune_conflict(const struct world_tune *t, char *error, size_t error_bytes)
{
    if (t->hot_leave_rpm > t->hot_enter_rpm) {
        snprintf(error, error_bytes, "%u is more than hot_enter_rpm, %u: scripts would not stay",
                 t->hot_leave_rpm, t->hot_enter_rpm);
        return tune_find("hot_leave_rpm");
    }
    /* With twice the homes each of them sees half the rate. */
    if ((uint64_t)t->narrow_rps * 2 > t->widen_rps) {
        snprintf(error, error_bytes,
                 "%u is more than half of widen_rps, %u: what widens would narrow at once",
                 t->narrow_rps, t->widen_rps);
        return tune_find("narrow_rps");
    }
    return NULL;
}

int tune_assign(struct world_tune *t, const char *text, char *error, size_t error_bytes)
{
    char name[64];
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : 0;
    const struct tune_key *k;
    unsigned long long value;
    char *end;

    if (!equals || len >= sizeof(name)) {
        snprintf(error, error_bytes, "\"%.64s\" is not KEY=VALUE", text);
        return -1;
    }
    memcpy(name, text, len);
    name[len] = 0;
    k = tune_find(name);
    if (!k) {
        snprintf(error, error_bytes, "there is no key \"%s\"; hearthctl tune lists them", name);
        return -1;
    }
    errno = 0;
    value = strtoull(equals + 1, &end, 10);
    if (!isdigit((unsigned char)equals[1]) || *end) {
        snprintf(error, error_bytes, "%s: \"%.40s\" is not a whole number", name, equals + 1);
        return -1;
    }
    if (errno || value < k->min || value > k->max) {
        snprintf(error, error_bytes, "%s: %.40s is out of range (%u to %u)", name, equals + 1,
                 k->min, k->max);
        return -1;
    }
    tune_set(t, k, (uint32_t)value);
    return 0;
}
