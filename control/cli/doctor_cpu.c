/* doctor_cpu.c: the CPUs of the data-plane cores, and who else wants them. Of a machine without a
 * configuration little can be said: which CPUs are meant is written there. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cli/doctor_parts.h"

enum { CPUS_ALONE = 4, LATENCY_US_MAX = 50, INTERRUPTS_NAMED = 4 };

static void check_count(struct doctor *d)
{
    struct doctor_cpus online, missing;
    char text[DOCTOR_TEXT_BYTES], advice[2 * DOCTOR_TEXT_BYTES];
    uint32_t count = 0;

    if (!doctor_cpus_read(d, &online, "/sys/devices/system/cpu/online"))
        return;
    for (uint32_t cpu = 0; cpu < DOCTOR_CPUS_MAX; cpu++)
        count += doctor_cpus_has(&online, cpu);
    missing = doctor_cpus_less(d->cores, &online);
    if (doctor_cpus_any(&missing)) {
        doctor_cpus_text(&online, text);
        snprintf(advice, sizeof(advice), "hearthd will not start: choose `cores:` among %s.", text);
        doctor_report(d, "cpus", DOCTOR_BAD, advice, "there is no CPU %s here",
                      doctor_cpus_text(&missing, text));
        return;
    }
    doctor_report(d, "cpus", count >= CPUS_ALONE ? DOCTOR_GOOD : DOCTOR_ADVICE,
                  "Data-plane cores, cells and the system share CPUs: good for development only.",
                  "%u online", count);
}

/* The value of "name=" on the kernel's command line. */
static bool boot_cpus(const struct doctor *d, const char *name, struct doctor_cpus *out)
{
    char line[4096], *word, *save;
    size_t len = strlen(name);

    *out = (struct doctor_cpus){0};
    doctor_line(d, line, sizeof(line), "/proc/cmdline");
    for (word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        const char *list = word + len + 1;

        if (strncmp(word, name, len) || word[len] != '=')
            continue;
        while (isalpha((unsigned char)*list)) /* isolcpus=managed_irq,domain,2-5 */
            list += strcspn(list, ",") + (list[strcspn(list, ",")] == ',');
        doctor_cpus_parse(out, list);
        return true;
    }
    return false;
}

/* One finding for the three words of the command line that make a CPU a core's own. */
static void check_isolation(struct doctor *d)
{
    static const char *const names[] = {"isolcpus", "nohz_full", "rcu_nocbs"};
    struct doctor_cpus has[3], missing;
    char cores[DOCTOR_TEXT_BYTES], advice[4 * DOCTOR_TEXT_BYTES], text[DOCTOR_TEXT_BYTES];
    const char *lacking = NULL;

    if (!doctor_cpus_read(d, &has[0], "/sys/devices/system/cpu/isolated"))
        return;
    if (!doctor_cpus_read(d, &has[1], "/sys/devices/system/cpu/nohz_full"))
        boot_cpus(d, names[1], &has[1]);
    boot_cpus(d, names[2], &has[2]);
    for (size_t i = 0; i < 3 && !lacking; i++) {
        missing = doctor_cpus_less(d->cores, &has[i]);
        if (doctor_cpus_any(&missing) || (!d->conf && !i && !doctor_cpus_any(&has[0])))
            lacking = names[i];
    }
    if (d->conf)
        doctor_cpus_text(&d->cores, cores);
    else
        snprintf(cores, sizeof(cores), "LIST");
    snprintf(advice, sizeof(advice),
             "The kernel runs others, its tick or its callbacks there; for the CPUs of cores: boot "
             "with isolcpus=%s nohz_full=%s rcu_nocbs=%s.",
             cores, cores, cores);
    if (!lacking)
        doctor_report(d, "isolation", DOCTOR_GOOD, "", "%s", doctor_cpus_text(&has[0], text));
    else if (!d->conf)
        doctor_report(d, "isolation", DOCTOR_ADVICE, advice, "no CPU is isolated");
    else
        doctor_report(d, "isolation", DOCTOR_ADVICE, advice, "CPU %s of cores: is not in %s",
                      doctor_cpus_text(&missing, text), lacking);
}

static void check_governor(struct doctor *d)
{
    char governor[64] = "", slow[64] = "", advice[DOCTOR_TEXT_BYTES];
    uint32_t slow_cpu = 0;

    for (uint32_t cpu = 0; cpu < DOCTOR_CPUS_MAX && !slow[0]; cpu++) {
        if (d->conf ? !doctor_cpus_has(&d->cores, cpu) : cpu > 0)
            continue;
        doctor_line(d, governor, sizeof(governor),
                    "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", cpu);
        if (governor[0] && strcmp(governor, "performance")) {
            memcpy(slow, governor, sizeof(slow));
            slow_cpu = cpu;
        }
    }
    snprintf(advice, sizeof(advice),
             "CPU %u is slow when a burst comes: cpupower frequency-set -g performance.", slow_cpu);
    doctor_report(d, "governor", slow[0] ? DOCTOR_ADVICE : DOCTOR_GOOD, advice, "%s",
                  slow[0]       ? slow
                  : governor[0] ? governor
                                : "not under the kernel's control");
}

/* A core that sleeps pays for the depth of it with its first frame; one that polls never sleeps. */
static void check_idle_states(struct doctor *d)
{
    if (!d->conf || d->conf->idle == CONF_IDLE_POLL)
        return;
    for (uint32_t cpu = 0; cpu < DOCTOR_CPUS_MAX; cpu++) {
        if (!doctor_cpus_has(&d->cores, cpu))
            continue;
        for (int state = 1; state < 16; state++) {
            static const char where[] = "/sys/devices/system/cpu/cpu%u/cpuidle/state%d/%s";
            char name[32], path[128], advice[DOCTOR_TEXT_BYTES], cores[DOCTOR_TEXT_BYTES];
            long latency_us, is_off;

            snprintf(path, sizeof(path), where, cpu, state, "latency");
            latency_us = doctor_number(d, 0, "%s", path);
            snprintf(path, sizeof(path), where, cpu, state, "disable");
            is_off = doctor_number(d, 0, "%s", path);
            if (latency_us <= LATENCY_US_MAX || is_off)
                continue;
            snprintf(path, sizeof(path), where, cpu, state, "name");
            doctor_line(d, name, sizeof(name), "%s", path);
            snprintf(advice, sizeof(advice),
                     "The first frame after a pause waits for it: cpupower -c %.100s idle-set -D "
                     "%d, or idle: poll.",
                     doctor_cpus_text(&d->cores, cores), LATENCY_US_MAX);
            doctor_report(d, "idle states", DOCTOR_ADVICE, advice,
                          "CPU %u sleeps as deep as %s, %ld us from waking", cpu, name, latency_us);
            return;
        }
    }
    doctor_report(d, "idle states", DOCTOR_GOOD, "", "none is more than %d us from waking",
                  LATENCY_US_MAX);
}

static bool is_cells_cpu(const struct conf *c, uint32_t cpu)
{
    for (uint32_t i = 0; i < c->cells.cpus_count; i++)
        if (c->cells.cpus[i] == cpu)
            return true;
    return false;
}

/* Who runs on the other thread of a core's CPU, or on that CPU itself. On small machines they have
 * to share. */
static void check_sharing(struct doctor *d)
{
    struct doctor_cpus online;

    if (!d->conf || !doctor_cpus_read(d, &online, "/sys/devices/system/cpu/online") ||
        !doctor_cpus_has(&online, CPUS_ALONE - 1))
        return;
    for (uint32_t cpu = 0; cpu < DOCTOR_CPUS_MAX; cpu++) {
        struct doctor_cpus siblings;

        if (!doctor_cpus_has(&d->cores, cpu))
            continue;
        if (is_cells_cpu(d->conf, cpu)) {
            doctor_report(d, "sharing", DOCTOR_ADVICE,
                          "Scripts take the core's time: give `cells: cpus:` and `cores:` CPUs of "
                          "their own.",
                          "CPU %u is in cores: and in cells.cpus", cpu);
            return;
        }
        doctor_cpus_read(d, &siblings,
                         "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu);
        for (uint32_t other = 0; other < DOCTOR_CPUS_MAX; other++) {
            char advice[DOCTOR_TEXT_BYTES];

            if (other == cpu || !doctor_cpus_has(&siblings, other) ||
                !(is_cells_cpu(d->conf, other) || doctor_cpus_has(&d->cores, other)))
                continue;
            snprintf(advice, sizeof(advice),
                     "Each slows the other down: choose another CPU in hearth.yaml, or echo 0 > "
                     "/sys/devices/system/cpu/cpu%u/online.",
                     other);
            doctor_report(d, "sharing", DOCTOR_ADVICE, advice,
                          "CPU %u, in %s, is the other thread of CPU %u, in cores:", other,
                          is_cells_cpu(d->conf, other) ? "cells.cpus" : "cores:", cpu);
            return;
        }
    }
    doctor_report(d, "sharing", DOCTOR_GOOD, "", "no cell and no other core beside a core");
}

/* irqbalance leaves isolated CPUs and those of the ban list alone. */
static bool is_irqbalance_kept_off(const struct doctor *d)
{
    struct doctor_cpus isolated, left;
    char path[PATH_MAX], line[256];
    bool is_banned = false;
    FILE *f;

    doctor_cpus_read(d, &isolated, "/sys/devices/system/cpu/isolated");
    left = doctor_cpus_less(d->cores, &isolated);
    doctor_path(d, path, "/etc/default/irqbalance");
    f = fopen(path, "re");
    while (f && fgets(line, sizeof(line), f))
        is_banned |= !strncmp(line, "IRQBALANCE_BANNED_CPU", 21);
    if (f)
        fclose(f);
    return is_banned || !doctor_cpus_any(&left);
}

static bool runs(const struct doctor *d, const char *program)
{
    DIR *dir = doctor_dir(d, "/proc");
    bool is_found = false;
    char comm[64];

    for (const char *pid; !is_found && (pid = doctor_next(dir));)
        if (isdigit((unsigned char)*pid))
            is_found =
                doctor_line(d, comm, sizeof(comm), "/proc/%s/comm", pid) && !strcmp(comm, program);
    if (dir)
        closedir(dir);
    return is_found;
}

static bool is_in_use(const struct doctor *d, const char *irq)
{
    char actions[128];
    DIR *dir;
    bool has_action = false, has_dir;

    /* A directory of its handler's name: /proc/irq/30/enp3s0f0. */
    dir = doctor_dir(d, "/proc/irq/%s", irq);
    has_dir = dir != NULL;
    for (const char *name; !has_action && (name = doctor_next(dir));) {
        DIR *inner = doctor_dir(d, "/proc/irq/%s/%s", irq, name);

        has_action = inner != NULL;
        if (inner)
            closedir(inner);
    }
    if (dir)
        closedir(dir);
    if (!has_dir)
        return false;
    return has_action ||
           (doctor_line(d, actions, sizeof(actions), "/sys/kernel/irq/%s/actions", irq) &&
            actions[0]);
}

static void check_interrupts(struct doctor *d)
{
    DIR *dir = doctor_dir(d, "/proc/irq");
    char irqs[DOCTOR_TEXT_BYTES] = "", advice[2 * DOCTOR_TEXT_BYTES], text[DOCTOR_TEXT_BYTES];
    struct doctor_cpus online, others;
    uint32_t count = 0;
    size_t at = 0;

    for (const char *irq; (irq = doctor_next(dir));) {
        struct doctor_cpus where;

        if (!isdigit((unsigned char)*irq) ||
            !doctor_cpus_read(d, &where, "/proc/irq/%s/effective_affinity_list", irq))
            continue;
        where = doctor_cpus_both(where, &d->cores);
        if (!doctor_cpus_any(&where) || !is_in_use(d, irq))
            continue;
        if (count++ < INTERRUPTS_NAMED)
            at += (size_t)snprintf(irqs + at, sizeof(irqs) - at, "%s%.10s", at ? ", " : "", irq);
    }
    if (dir)
        closedir(dir);
    if (!dir || !d->conf)
        return;
    doctor_cpus_read(d, &online, "/sys/devices/system/cpu/online");
    others = doctor_cpus_less(online, &d->cores);
    if (count) {
        snprintf(advice, sizeof(advice),
                 "They stop the core each time: echo %s > /proc/irq/NUMBER/smp_affinity_list, or "
                 "boot with irqaffinity=%s.",
                 doctor_cpus_text(&others, text), text);
        doctor_report(d, "interrupts", DOCTOR_ADVICE, advice, "%u on CPUs of cores:: %s%s", count,
                      irqs, count > INTERRUPTS_NAMED ? ", ..." : "");
    } else if (runs(d, "irqbalance") && !is_irqbalance_kept_off(d)) {
        snprintf(advice, sizeof(advice),
                 "It moves interrupts to them at any time: echo IRQBALANCE_BANNED_CPULIST=%s >> "
                 "/etc/default/irqbalance; systemctl restart irqbalance.",
                 doctor_cpus_text(&d->cores, text));
        doctor_report(d, "interrupts", DOCTOR_ADVICE, advice,
                      "irqbalance runs, and may use the CPUs of cores:");
    } else {
        doctor_report(d, "interrupts", DOCTOR_GOOD, "", "none on the CPUs of cores:");
    }
}

static void check_numa(struct doctor *d)
{
    int node = doctor_port_node(d);
    struct doctor_cpus near, far;
    char text[DOCTOR_TEXT_BYTES], advice[2 * DOCTOR_TEXT_BYTES];

    if (node < 0 || !doctor_cpus_read(d, &near, "/sys/devices/system/node/node%d/cpulist", node))
        return;
    far = doctor_cpus_less(d->cores, &near);
    snprintf(advice, sizeof(advice), "Each frame crosses between nodes: choose `cores:` among %s.",
             doctor_cpus_text(&near, text));
    if (doctor_cpus_any(&far))
        doctor_report(d, "numa", DOCTOR_ADVICE, advice,
                      "CPU %s of cores: is not on node %d, where the card is",
                      doctor_cpus_text(&far, text), node);
    else
        doctor_report(d, "numa", DOCTOR_GOOD, "", "cores and card are on node %d", node);
}

void doctor_check_cpu(struct doctor *d)
{
    check_count(d);
    check_isolation(d);
    check_governor(d);
    check_idle_states(d);
    check_sharing(d);
    check_interrupts(d);
    check_numa(d);
}
