/* doctor.c: all checks in their order, and the ladder of each interface. */
#include "control/cli/doctor.h"

#include <string.h>

#include "control/cli/doctor_parts.h"
#include "drivers/port_dpdk.h"
#include "drivers/tls_library.h"

enum { RUNGS_MAX = 16, INTERFACES_MAX = 64 };

static void check_tls(struct doctor *d)
{
    struct tls_library l = tls_library();

    doctor_report(d, "tls", l.is_built ? DOCTOR_GOOD : DOCTOR_ADVICE,
                  "Slower handshakes, 50 KB more for each connection: run tools/setup where the "
                  "sources in tools/wolfssl.pins can be had, and build again.",
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

/* By system calls: of this machine only. */
static json_t *examine_interfaces(const struct doctor *d, const char *iface)
{
    json_t *interfaces = json_array();
    DIR *dir = iface || d->root[0] ? NULL : doctor_dir(d, "/sys/class/net");

    if (iface && !d->root[0])
        json_array_append_new(interfaces, examine_interface(iface));
    for (const char *name;
         json_array_size(interfaces) < INTERFACES_MAX && (name = doctor_next(dir));)
        if (strcmp(name, "lo") && strcmp(name, "bonding_masters"))
            json_array_append_new(interfaces, examine_interface(name));
    if (dir)
        closedir(dir);
    return interfaces;
}

json_t *doctor_examine(const struct doctor_question *q)
{
    struct doctor d = {.root = q->root, .config = q->config, .checks = json_array()};
    json_t *interfaces;

    doctor_check_config(&d);
    doctor_check_kernel(&d);
    doctor_check_cpu(&d);
    doctor_check_memory(&d);
    doctor_check_port(&d);
    doctor_check_files(&d);
    check_tls(&d);
    interfaces = examine_interfaces(&d, q->iface);
    conf_free(d.conf);
    return json_pack("{s:b, s:o, s:o}", "ok", 1, "checks", d.checks, "interfaces", interfaces);
}
