/* doctor_kernel.c: the kernel, and what it allows to everyone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/cli/doctor_parts.h"
#include "control/supervise/cgroup.h"

static void check_kernel(struct doctor *d)
{
    char release[128];
    int major = 0, minor = 0;

    if (!doctor_line(d, release, sizeof(release), "/proc/sys/kernel/osrelease"))
        return;
    sscanf(release, "%d.%d", &major, &minor);
    doctor_report(d, "kernel", major > 5 || (major == 5 && minor >= 9) ? DOCTOR_GOOD : DOCTOR_BAD,
                  "hearth needs Linux 5.9 or newer (pidfd, close_range): apt install "
                  "linux-image-amd64, and reboot.",
                  "Linux %s", release);
}

static void check_rights(struct doctor *d)
{
    if (d->root[0])
        return;
    doctor_report(d, "rights", geteuid() == 0 ? DOCTOR_GOOD : DOCTOR_ADVICE,
                  "hearthd starts as root, or with the capabilities of deploy/hearth.service; with "
                  "`user:` it keeps none.",
                  "uid %d", (int)geteuid());
}

/* What `user:` needs, for the cells of a hearthd that is not root. */
static void check_namespaces(struct doctor *d)
{
    static const struct {
        const char *path, *mend;
        bool is_refused_by_1; /* else by 0 */
    } switches[] = {
        {"/proc/sys/user/max_user_namespaces", "sysctl -w user.max_user_namespaces=15000", false},
        {"/proc/sys/kernel/unprivileged_userns_clone",
         "sysctl -w kernel.unprivileged_userns_clone=1", false}, /* Debian */
        {"/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
         "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0", true}, /* Ubuntu */
    };
    const char *refused = NULL;
    char advice[DOCTOR_TEXT_BYTES] = "";

    for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
        char value[32];

        if (!doctor_line(d, value, sizeof(value), "%s", switches[i].path) ||
            (atoi(value) != 0) != switches[i].is_refused_by_1)
            continue;
        refused = switches[i].path;
        snprintf(advice, sizeof(advice),
                 "With `user:` cells would have seccomp alone: %s, or leave `user:` out.",
                 switches[i].mend);
    }
    doctor_report(d, "user namespaces", refused ? DOCTOR_ADVICE : DOCTOR_GOOD, advice, "%s%s",
                  refused ? "refused by " : "for every user", refused ? refused : "");
}

static void check_control_groups(struct doctor *d)
{
    char proc[PATH_MAX];
    enum cgroup_kind kind;

    doctor_path(d, proc, "/proc/self");
    kind = cgroup_mounted(proc);
    doctor_report(
        d, "control groups", kind == CGROUP_NONE ? DOCTOR_ADVICE : DOCTOR_GOOD,
        "Accounts share the CPU by cgroups: without, one with many busy cells has more of "
        "it, and its memory is looked at four times a second only: mount -t cgroup2 none "
        "/sys/fs/cgroup.",
        "%s%s", kind == CGROUP_NONE ? "no cgroup of cpu" : cgroup_kind_name(kind),
        kind == CGROUP_V2 ? ", of what the unit's Delegate= gives away" : "");
}

static bool has_cpu_flag(const struct doctor *d, const char *flag)
{
    char path[PATH_MAX], line[8192];
    bool is_found = false;
    FILE *f;

    doctor_path(d, path, "/proc/cpuinfo");
    f = fopen(path, "re");
    while (f && !is_found && fgets(line, sizeof(line), f)) {
        char *save, *word;

        if (strncmp(line, "flags", 5))
            continue;
        for (word = strtok_r(line, " \t\n", &save); word; word = strtok_r(NULL, " \t\n", &save))
            is_found |= !strcmp(word, flag);
        break;
    }
    if (f)
        fclose(f);
    return is_found;
}

static void check_aes(struct doctor *d)
{
    doctor_report(d, "aes", has_cpu_flag(d, "aes") ? DOCTOR_GOOD : DOCTOR_ADVICE,
                  "Without AES-NI, TLS is encrypted by slow portable code: switch it on in the "
                  "firmware, or let the virtual machine see it (-cpu host).",
                  "%s",
                  has_cpu_flag(d, "vaes")  ? "VAES"
                  : has_cpu_flag(d, "aes") ? "AES-NI"
                                           : "none");
}

static void check_clock(struct doctor *d)
{
    char source[64];
    bool is_steady = has_cpu_flag(d, "constant_tsc") && has_cpu_flag(d, "nonstop_tsc"), is_tsc;

    doctor_line(d, source, sizeof(source),
                "/sys/devices/system/clocksource/clocksource0/current_clocksource");
    is_tsc = !strcmp(source, "tsc") || !strcmp(source, "kvm-clock") || !source[0];
    doctor_report(d, "clock", is_steady && is_tsc ? DOCTOR_GOOD : DOCTOR_ADVICE,
                  is_steady
                      ? "The kernel has given the TSC up, or was told to; hearth counts by it: "
                        "dmesg | grep -i tsc says why; echo tsc > "
                        "/sys/devices/system/clocksource/clocksource0/current_clocksource."
                      : "The TSC may change its rate or stop on this machine: timers can be "
                        "off.",
                  "TSC %s, the kernel uses %s", is_steady ? "constant and nonstop" : "not steady",
                  source[0] ? source : "what it does not say");
}

/* Cells are strangers' code on CPUs that hearthd has too. */
static void check_speculation(struct doctor *d)
{
    char line[1024];

    doctor_line(d, line, sizeof(line), "/proc/cmdline");
    doctor_report(d, "speculation",
                  strstr(line, "mitigations=off") || strstr(line, "nopti") ? DOCTOR_BAD
                                                                           : DOCTOR_GOOD,
                  "A script can read other processes' memory by Meltdown and Spectre: take "
                  "mitigations=off and nopti from the kernel's command line, update-grub, reboot.",
                  "%s",
                  strstr(line, "mitigations=off") ? "mitigations=off"
                  : strstr(line, "nopti")         ? "nopti"
                                                  : "mitigations are on");
}

/* What cells.max processes take, two threads each: docs/operating.md, "How many scripts". */
static void check_bounds(struct doctor *d)
{
    const long cells = d->conf ? (long)d->conf->cells.max : 0;
    const struct {
        const char *key;
        long needed;
    } bounds[] = {
        {"kernel/pid_max", 2 * cells + 1024},
        {"kernel/threads-max", 2 * cells + 1024},
        {"vm/max_map_count", cells + 1400},
        {"fs/nr_open", 4 * cells + 4096},
    };
    bool is_low = false;

    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        long now = doctor_number(d, LONG_MAX, "/proc/sys/%s", bounds[i].key);
        char advice[DOCTOR_TEXT_BYTES];

        if (now >= bounds[i].needed)
            continue;
        is_low = true;
        snprintf(advice, sizeof(advice),
                 "Cells will not start before there are cells.max of them: sysctl -w %s=%ld.",
                 bounds[i].key, 2 * bounds[i].needed);
        doctor_report(d, "bounds", DOCTOR_ADVICE, advice, "%s is %ld, %ld cells want %ld",
                      bounds[i].key, now, cells, bounds[i].needed);
    }
    if (!is_low && cells)
        doctor_report(d, "bounds", DOCTOR_GOOD, "",
                      "enough processes, maps and files for %ld cells", cells);
}

void doctor_check_kernel(struct doctor *d)
{
    check_kernel(d);
    check_rights(d);
    check_namespaces(d);
    check_control_groups(d);
    check_aes(d);
    check_clock(d);
    check_speculation(d);
    check_bounds(d);
}
