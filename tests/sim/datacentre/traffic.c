#include "tests/sim/datacentre/traffic.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double day_swing = 0.6, on_share = 0.1, on_factor = 6, timer_jitter = 0.02;

enum {
    STICKY_PERCENT = 30,
    ON_OFF_PERCENT = 20,
    TIMER_PERCENT = 10,
    PUBLISHED_PERCENT = 1, /* in the course of the day */
    WORLDWIDE_PERCENT = 20,
    FREQUENT = 200,     /* ranks below: too many callers to be anything but steady */
    RATE_SECONDS = 600, /* a rate counts as constant for so long */
};
static const double on_seconds = 600;

/* ---- draws ---- */

static double uniform(struct rng *r)
{
    return ((double)(rng_next(r) >> 11) + 0.5) * 0x1p-53;
}

static double exponential(struct rng *r, double mean)
{
    return -mean * log(uniform(r));
}

static double normal(struct rng *r)
{
    double radius = sqrt(-2 * log(uniform(r)));
    return radius * cos(2 * M_PI * uniform(r));
}

static double log_normal(struct rng *r, double median, double sigma)
{
    return median * exp(sigma * normal(r));
}

static double at_most(double x, double max)
{
    return x < max ? x : max;
}

static uint64_t poisson(struct rng *r, double mean)
{
    if (mean > 30) { /* by its normal limit */
        double x = mean + sqrt(mean) * normal(r) + 0.5;
        return x > 0 ? (uint64_t)x : 0;
    }
    uint64_t n = 0;
    for (double left = exponential(r, 1); left < mean; left += exponential(r, 1))
        n++;
    return n;
}

static uint64_t ns_of(double seconds)
{
    return (uint64_t)(at_most(seconds, 1e6) * 1e9);
}

/* ---- scripts ---- */

/* Code: median 200 kB, up to the 10 MB that a deploy may have. A start forks a cell, compiles the
 * code and runs its top level: quick for most, for one in twenty some work of 80 ms (median), up to
 * the limit of 400 ms. Warm it takes what a cell takes, its code four times over, and what it
 * keeps. */
static void draw_costs(const struct traffic_config *c, struct traffic_script *s)
{
    struct rng *r = &s->rng;
    double code_mb = at_most(log_normal(r, 0.2, 1.3), 10);
    double top_level_ms =
        rng_chance(r, 0.05) ? at_most(log_normal(r, 80, 0.8), 400) : log_normal(r, 0.5, 0.5);
    double kept_mb = log_normal(r, 1, 1);
    s->start_us = c->start_us + (uint32_t)(c->compile_us_per_mb * code_mb * log_normal(r, 1, 0.4) +
                                           1e3 * top_level_ms);
    s->bytes = (uint32_t)(1e6 * at_most(c->cell_mb + 4 * code_mb + kept_mb, 128));
    s->cpu_us = (uint32_t)(at_most(log_normal(r, 1.2, 1), 50) * 1e3) + 1;
}

static void draw_kind(struct traffic *t, uint32_t i)
{
    struct traffic_script *s = &t->script[i];
    uint32_t kind = (uint32_t)rng_below(&s->rng, 100);
    bool is_worldwide = rng_chance(&s->rng, WORLDWIDE_PERCENT / 100.0);
    s->phase = is_worldwide ? uniform(&s->rng) : (15 + 2 * normal(&s->rng)) / 24;
    s->kind = i < FREQUENT                            ? TRAFFIC_STEADY
              : kind < TIMER_PERCENT                  ? TRAFFIC_TIMER
              : kind < TIMER_PERCENT + ON_OFF_PERCENT ? TRAFFIC_ON_OFF
                                                      : TRAFFIC_STEADY;
    s->is_on = rng_chance(&s->rng, on_share);
    bool is_new = rng_chance(&s->rng, PUBLISHED_PERCENT / 100.0);
    double at = uniform(&s->rng);
    if (is_new && i >= FREQUENT)
        s->published_ns = t->config.start_ns + (uint64_t)(at * (double)TRAFFIC_DAY_NS) + 1;
    if (t->config.flash_factor > 0 && i == t->config.flash_script) {
        s->kind = TRAFFIC_STEADY;
        s->published_ns = 0;
    }
}

static double day_factor(const struct traffic_script *s, uint64_t at_ns)
{
    return 1 + day_swing * cos(2 * M_PI * ((double)at_ns / (double)TRAFFIC_DAY_NS - s->phase));
}

static bool has_crowd(const struct traffic *t, uint32_t i, uint64_t at_ns)
{
    const struct traffic_config *c = &t->config;
    return c->flash_factor > 0 && i == c->flash_script && at_ns >= c->flash_ns &&
           at_ns < c->flash_ns + c->flash_for_ns;
}

double traffic_rps(const struct traffic *t, uint32_t script, uint64_t at_ns)
{
    const struct traffic_script *s = &t->script[script];
    double factor = s->kind == TRAFFIC_TIMER ? 1 : day_factor(s, at_ns);
    return s->rps * factor * (has_crowd(t, script, at_ns) ? t->config.flash_factor : 1);
}

static double bursts_per_s(const struct traffic *t, uint32_t i, uint64_t at_ns)
{
    const struct traffic_script *s = &t->script[i];
    double state = s->kind != TRAFFIC_ON_OFF ? 1
                   : s->is_on                ? on_factor
                                             : (1 - on_share * on_factor) / (1 - on_share);
    return traffic_rps(t, i, at_ns) * state / TRAFFIC_BURST_MEAN;
}

/* ---- when ---- */

static void put_on_wheel(struct traffic *t, uint32_t i)
{
    struct traffic_script *s = &t->script[i];
    uint64_t at = s->due_ns > t->now_ns ? s->due_ns : t->now_ns;
    uint32_t *bucket = &t->wheel[at / TRAFFIC_TICK_NS % TRAFFIC_WHEEL];
    s->next = *bucket;
    *bucket = i + 1;
}

/* The end of the stretch in which its rate is what it is at `at_ns`. */
static uint64_t stretch_end(const struct traffic *t, uint32_t i, uint64_t at_ns)
{
    const struct traffic_script *s = &t->script[i];
    const struct traffic_config *c = &t->config;
    uint64_t end = at_ns + RATE_SECONDS * TRAFFIC_SECOND_NS;
    if (s->kind == TRAFFIC_ON_OFF && s->switch_ns < end)
        end = s->switch_ns;
    if (c->flash_factor > 0 && i == c->flash_script) {
        if (at_ns < c->flash_ns && c->flash_ns < end)
            end = c->flash_ns;
        if (has_crowd(t, i, at_ns) && c->flash_ns + c->flash_for_ns < end)
            end = c->flash_ns + c->flash_for_ns;
    }
    return end;
}

/* Its next burst after `at_ns`. A Poisson process has no memory: where the rate changes, the rest
 * is drawn anew. */
static void plan(struct traffic *t, uint32_t i, uint64_t at_ns)
{
    struct traffic_script *s = &t->script[i];
    if (at_ns < s->published_ns)
        at_ns = s->published_ns;
    if (s->kind == TRAFFIC_TIMER) {
        double period_s = TRAFFIC_BURST_MEAN / s->rps;
        s->due_ns = at_ns + ns_of(period_s * (1 + timer_jitter * (2 * uniform(&s->rng) - 1)));
        return;
    }
    while (at_ns < t->config.end_ns) {
        if (s->kind == TRAFFIC_ON_OFF && at_ns >= s->switch_ns) {
            s->is_on = !s->is_on;
            s->switch_ns =
                at_ns +
                ns_of(exponential(&s->rng,
                                  s->is_on ? on_seconds : on_seconds * (1 - on_share) / on_share));
        }
        uint64_t end = stretch_end(t, i, at_ns);
        uint64_t due = at_ns + ns_of(exponential(&s->rng, 1 / bursts_per_s(t, i, at_ns)));
        if (due < end) {
            s->due_ns = due;
            return;
        }
        at_ns = end > at_ns ? end : at_ns + 1;
    }
    s->due_ns = UINT64_MAX;
}

static uint16_t draw_requests(struct rng *r)
{
    double n = 1 + floor(log(uniform(r)) / log(1 - 1.0 / TRAFFIC_BURST_MEAN));
    return (uint16_t)at_most(n, 1000);
}

static void fill_burst(struct traffic *t, uint32_t i, struct traffic_burst *b)
{
    struct traffic_script *s = &t->script[i];
    bool is_sticky = rng_below(&s->rng, 100) < STICKY_PERCENT;
    uint16_t server = (uint16_t)rng_below(&s->rng, t->config.servers);
    if (!is_sticky)
        s->server = server;
    *b = (struct traffic_burst){
        .at_ns = t->now_ns,
        .script = i,
        .server = s->server,
        .requests = draw_requests(&s->rng),
        .has_handshake = !is_sticky,
        .rtt_us = (uint32_t)at_most(log_normal(&s->rng, 25e3, 0.7), 1e6),
    };
}

bool traffic_next(struct traffic *t, uint64_t until_ns, struct traffic_burst *b)
{
    if (until_ns > t->config.end_ns)
        until_ns = t->config.end_ns;
    for (; t->now_ns < until_ns; t->now_ns += TRAFFIC_TICK_NS) {
        uint32_t *bucket = &t->wheel[t->now_ns / TRAFFIC_TICK_NS % TRAFFIC_WHEEL], kept = 0;
        while (*bucket) {
            uint32_t i = *bucket - 1;
            struct traffic_script *s = &t->script[i];
            *bucket = s->next;
            if (s->due_ns >= t->now_ns + TRAFFIC_TICK_NS) { /* another turn of the wheel */
                s->next = kept;
                kept = i + 1;
                continue;
            }
            fill_burst(t, i, b);
            plan(t, i, s->due_ns > t->now_ns ? s->due_ns : t->now_ns);
            if (s->due_ns < t->config.end_ns)
                put_on_wheel(t, i);
            while (kept) { /* back to where they were */
                uint32_t k = kept - 1;
                kept = t->script[k].next;
                t->script[k].next = *bucket;
                *bucket = k + 1;
            }
            return true;
        }
        *bucket = kept;
    }
    return false;
}

uint64_t traffic_bulk(struct traffic *t, uint32_t script)
{
    struct traffic_script *s = &t->script[script];
    return poisson(&s->rng, traffic_rps(t, script, t->now_ns) * ((double)TRAFFIC_SLOT_NS / 1e9));
}

/* ---- start and end ---- */

void traffic_init(struct traffic *t, const struct traffic_config *config)
{
    assert(config->scripts > 0 && config->scripts <= TRAFFIC_SCRIPTS_MAX && config->servers > 0);
    *t = (struct traffic){.config = *config, .now_ns = config->start_ns};
    t->script = calloc(config->scripts, sizeof(*t->script));
    t->wheel = calloc(TRAFFIC_WHEEL, sizeof(*t->wheel));
    assert(t->script && t->wheel);
    for (uint32_t i = 0; i < config->scripts; i++)
        t->sum += pow(i + 1.0, -config->exponent);
    for (uint32_t i = 0; i < config->scripts; i++) {
        struct traffic_script *s = &t->script[i];
        s->rng.state = rng_mix(config->seed * 0x9e3779b97f4a7c15u + i);
        s->rps = config->requests_per_s * pow(i + 1.0, -config->exponent) / t->sum;
        draw_costs(config, s);
        draw_kind(t, i);
        bool is_bulk =
            i < FREQUENT && s->rps * (1 - day_swing) / config->servers >= config->bulk_rps;
        if (is_bulk && i == t->bulk_count) {
            s->is_bulk = true;
            t->bulk_count++;
            continue;
        }
        /* Where a timer's period stands, and when an on-off caller switches, is anywhere in it. */
        s->switch_ns = config->start_ns + ns_of(exponential(&s->rng, on_seconds));
        if (s->kind == TRAFFIC_TIMER && !s->published_ns)
            s->due_ns = config->start_ns + ns_of(uniform(&s->rng) * TRAFFIC_BURST_MEAN / s->rps);
        else
            plan(t, i, config->start_ns);
        if (s->due_ns < config->end_ns)
            put_on_wheel(t, i);
    }
}

void traffic_fini(struct traffic *t)
{
    free(t->script);
    free(t->wheel);
}
