#include "control/cli/doctor.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "control/supervise/cgroup.h"
#include "drivers/port_dpdk.h"
#include "drivers/tls_library.h"

enum { RUNGS_MAX = 16, INTERFACES_MAX = 64 };

enum state { GOOD, ADVICE, BAD };

/* First line of a file, without its end; "" if it cannot be read. */
static void read_line(const char *path, char *out, size_t bytes)
{
    FILE *f = fopen(path, "re");

    *out = 0;
    if (!f)
        return;
    if (!fgets(out, (int)bytes, f))
        *out = 0;
    out[strcspn(out, "\n")] = 0;
    fclose(f);
}

static void report(json_t *checks, const char *name, enum state state, const char *advice,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));

static void report(json_t *checks, const char *name, enum state state, const char *advice,
                   const char *format, ...)
{
    static const char *const states[] = {"good", "advice", "bad"};
    char found[256];
    va_list args;

    va_start(args, format);
    vsnprintf(found, sizeof(found), format, args);
    va_end(args);
    json_array_append_new(checks,
                          json_pack("{s:s, s:s, s:s, s:s}", "name", name, "state", states[state],
                                    "found", found, "advice", state == GOOD ? "" : advice));
}

static void check_kernel(json_t *checks)
{
    struct utsname u;
    int major = 0, minor = 0;

    if (uname(&u))
        return;
    sscanf(u.release, "%d.%d", &major, &minor);
    report(checks, "kernel", major > 5 || (major == 5 && minor >= 9) ? GOOD : BAD,
           "hearth needs Linux 5.9 or newer (pidfd, close_range).", "Linux %s", u.release);
}

static void check_rights(json_t *checks)
{
    report(checks, "rights", geteuid() == 0 ? GOOD : ADVICE,
           "hearthd starts as root, or with the capabilities of deploy/hearth.service; with "
           "`user:` it keeps none.",
           "uid %d", (int)geteuid());
}

/* What `user:` needs, for the cells of a hearthd that is not root. */
static void check_namespaces(json_t *checks)
{
    static const struct {
        const char *path;
        bool is_refused_by_1; /* else by 0 */
    } switches[] = {
        {"/proc/sys/user/max_user_namespaces", false},
        {"/proc/sys/kernel/unprivileged_userns_clone", false},            /* Debian */
        {"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", true}, /* Ubuntu */
    };
    const char *refused = NULL;

    for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
        char value[32];

        read_line(switches[i].path, value, sizeof(value));
        if (value[0] && (atoi(value) != 0) == switches[i].is_refused_by_1)
            refused = switches[i].path;
    }
    report(checks, "user namespaces", refused ? ADVICE : GOOD,
           "With `user:` cells would have seccomp alone: let users make namespaces, or "
           "leave `user:` out.",
           "%s%s", refused ? "refused by " : "for every user", refused ? refused : "");
}

static void check_control_groups(json_t *checks)
{
    const enum cgroup_kind kind = cgroup_mounted("/proc/self");

    report(checks, "control groups", kind == CGROUP_NONE ? ADVICE : GOOD,
           "Accounts share the CPU by cgroups: without, one with many busy cells has more of it, "
           "and its memory is looked at four times a second only. Mount cgroup v2.",
           "%s%s", kind == CGROUP_NONE ? "no cgroup of cpu" : cgroup_kind_name(kind),
           kind == CGROUP_V2 ? ", of what the unit's Delegate= gives away" : "");
}

static bool has_cpu_flag(const char *flag)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[8192];
    bool is_found = false;

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

static void check_cpu(json_t *checks)
{
    char isolated[256], governor[64];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    report(checks, "cpus", cpus >= 4 ? GOOD : ADVICE,
           "Data-plane cores, cells and the system share CPUs: good for development only.",
           "%ld online", cpus);
    report(checks, "aes", has_cpu_flag("aes") ? GOOD : ADVICE,
           "Without AES-NI, TLS is encrypted by slow portable code.", "%s",
           has_cpu_flag("vaes")  ? "VAES"
           : has_cpu_flag("aes") ? "AES-NI"
                                 : "none");
    read_line("/sys/devices/system/cpu/isolated", isolated, sizeof(isolated));
    report(checks, "isolation", isolated[0] ? GOOD : ADVICE,
           "Boot with isolcpus=LIST nohz_full=LIST rcu_nocbs=LIST for the CPUs of cores:.", "%s",
           isolated[0] ? isolated : "no CPU is isolated");
    read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", governor, sizeof(governor));
    report(checks, "governor", !governor[0] || !strcmp(governor, "performance") ? GOOD : ADVICE,
           "Set the frequency governor to performance: cpupower frequency-set -g performance.",
           "%s", governor[0] ? governor : "not under the kernel's control");
}

static void check_clock(json_t *checks)
{
    char source[64];
    bool is_steady = has_cpu_flag("constant_tsc") && has_cpu_flag("nonstop_tsc");

    read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", source,
              sizeof(source));
    report(checks, "clock", is_steady ? GOOD : ADVICE,
           "The TSC may change its rate or stop on this machine: timers can be off.",
           "TSC %s, the kernel uses %s", is_steady ? "constant and nonstop" : "not steady", source);
}

static void check_hugepages(json_t *checks)
{
    FILE *f = fopen("/proc/meminfo", "re");
    unsigned long total = 0, left = 0, kib = 0;
    char line[256];

    while (f && fgets(line, sizeof(line), f)) {
        sscanf(line, "HugePages_Total: %lu", &total);
        sscanf(line, "HugePages_Free: %lu", &left);
        sscanf(line, "Hugepagesize: %lu", &kib);
    }
    if (f)
        fclose(f);
    report(checks, "hugepages", total ? GOOD : ADVICE,
           "Reserve some: sysctl vm.nr_hugepages=1024, or hugepages=1024 on the kernel command "
           "line. hearth runs without them, slower.",
           "%lu of %lu KiB, %lu free", total, kib, left);
}

static void check_iommu(json_t *checks)
{
    DIR *d = opendir("/sys/class/iommu");
    struct dirent *entry;
    unsigned count = 0;

    while (d && (entry = readdir(d)))
        count += entry->d_name[0] != '.';
    if (d)
        closedir(d);
    report(checks, "iommu", count ? GOOD : ADVICE,
           "PCI devices need it for vfio-pci: boot with intel_iommu=on (or amd_iommu=on) iommu=pt. "
           "Other ports do not.",
           count ? "%u active" : "none", count);
}

static void check_tls(json_t *checks)
{
    struct tls_library l = tls_library();

    report(checks, "tls", l.is_built ? GOOD : ADVICE,
           "Slower handshakes, 50 KB more for each connection: run tools/setup where the sources "
           "in tools/wolfssl.pins can be had, and build again.",
           "wolfSSL %s, %s (%s)", l.version, l.origin, l.why);
}

static json_t *examine_interface(const char *name)
{
    struct port_rung rung[RUNGS_MAX];
    json_t *rungs = json_array();
    int count = port_dpdk_ladder(name, rung, RUNGS_MAX);

    for (int i = 0; i < count; i++)
        json_array_append_new(rungs, json_pack("{s:s, s:b, s:s}", "name", rung[i].name, "possible",
                                               (int)rung[i].is_possible, "reason", rung[i].reason));
    return json_pack("{s:s, s:o}", "name", name, "rungs", rungs);
}

json_t *doctor_examine(const char *iface)
{
    json_t *checks = json_array(), *interfaces = json_array();
    DIR *d = iface ? NULL : opendir("/sys/class/net");
    struct dirent *entry;

    check_kernel(checks);
    check_rights(checks);
    check_namespaces(checks);
    check_control_groups(checks);
    check_cpu(checks);
    check_clock(checks);
    check_hugepages(checks);
    check_iommu(checks);
    check_tls(checks);
    if (iface)
        json_array_append_new(interfaces, examine_interface(iface));
    while (d && json_array_size(interfaces) < INTERFACES_MAX && (entry = readdir(d)))
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "lo") &&
            strcmp(entry->d_name, "bonding_masters"))
            json_array_append_new(interfaces, examine_interface(entry->d_name));
    if (d)
        closedir(d);
    return json_pack("{s:b, s:o, s:o}", "ok", 1, "checks", checks, "interfaces", interfaces);
}
