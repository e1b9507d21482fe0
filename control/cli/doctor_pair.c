/* doctor_pair.c: what the two devices of port.devices should not share, what they should, and,
 * while hearthd runs, whether the switch agrees to LACP. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/cli/ctl_client.h"
#include "control/cli/doctor_parts.h"

#define PCI "/sys/bus/pci/devices/"

/* One of the two. */
struct side {
    const char *device;
    char function[32];    /* its PCI function, or that behind its interface; empty: there is none */
    char pf[32];          /* of a VF its PF's, else the same */
    char iface[IFNAMSIZ]; /* of the kernel: its own, or its PF's; empty: none tells its speed */
    bool is_vf;
};

static struct side side_of(struct doctor *d, const char *device)
{
    struct side s = {.device = device};
    const char *name;
    DIR *dir;

    doctor_note_device(d, device);
    if (d->pci[0])
        snprintf(s.function, sizeof(s.function), "%.31s", d->pci);
    else if (!d->iface[0] ||
             !doctor_link(d, s.function, sizeof(s.function), "/sys/class/net/%s/device", d->iface))
        s.function[0] = 0;
    snprintf(s.iface, sizeof(s.iface), "%s", d->iface);
    s.is_vf = s.function[0] && doctor_link(d, s.pf, sizeof(s.pf), PCI "%s/physfn", s.function);
    if (!s.is_vf)
        snprintf(s.pf, sizeof(s.pf), "%s", s.function);
    if (s.iface[0] || !s.pf[0])
        return s;
    dir = doctor_dir(d, PCI "%s/net", s.pf);
    name = doctor_next(dir);
    snprintf(s.iface, sizeof(s.iface), "%.15s", name ? name : "");
    if (dir)
        closedir(dir);
    return s;
}

/* Functions of one card differ behind the dot only. */
static bool is_one_card(const struct side *a, const struct side *b)
{
    const size_t len = strcspn(a->pf, ".");

    return a->pf[0] && b->pf[0] && len == strcspn(b->pf, ".") && !strncmp(a->pf, b->pf, len);
}

static void check_cards(struct doctor *d, const struct side *a, const struct side *b)
{
    if (a->pf[0] && !strcmp(a->pf, b->pf))
        doctor_report(d, "devices", DOCTOR_BAD,
                      "They have one cable and lose it together: take a function of another card.",
                      "%.80s and %.80s are both of %s", a->device, b->device, a->pf);
    else if (a->iface[0] && !strcmp(a->iface, b->iface))
        doctor_report(d, "devices", DOCTOR_BAD, "Name two interfaces.",
                      "%.80s and %.80s are both of %s", a->device, b->device, a->iface);
    else if (is_one_card(a, b))
        doctor_report(d, "devices", DOCTOR_ADVICE,
                      "A card that fails takes both: take a function of another one, if there is.",
                      "%s and %s are of one card", a->pf, b->pf);
    else
        doctor_report(d, "devices", DOCTOR_GOOD, "", "two, which share no card that shows");
}

static void check_speeds(struct doctor *d, const struct side *a, const struct side *b)
{
    const bool is_lacp = d->conf->port.mode == CONF_PORT_LACP;
    long speed[2] = {-1, -1};

    if (a->iface[0])
        speed[0] = doctor_number(d, -1, "/sys/class/net/%s/speed", a->iface);
    if (b->iface[0])
        speed[1] = doctor_number(d, -1, "/sys/class/net/%s/speed", b->iface);
    if (speed[0] <= 0 || speed[1] <= 0)
        return;
    doctor_report(d, "speeds",
                  speed[0] == speed[1] ? DOCTOR_GOOD
                  : is_lacp            ? DOCTOR_BAD
                                       : DOCTOR_ADVICE,
                  is_lacp ? "LACP takes links of one speed together: only one of these is used."
                          : "The node must do with the slower one when that is active: name the "
                            "faster one first, which takes over again after failback_s.",
                  "%s has %ld Mb/s, %s has %ld", a->iface, speed[0], b->iface, speed[1]);
}

/* ---- LACP ---- */

/* Of a hearthd that runs; of a tree it is a file. NULL: nobody knows. */
static json_t *read_status(const struct doctor *d)
{
    json_t *request, *status = NULL;
    char path[PATH_MAX];
    int fd;

    doctor_path(d, path, "/run/status.json");
    if (d->root[0])
        return json_load_file(path, 0, NULL);
    fd = ctl_connect(d->conf->ctl);
    if (fd < 0)
        return NULL;
    request = json_pack("{s:s}", "command", "status");
    if (!ctl_send(fd, request, NULL, 0))
        status = ctl_receive(fd);
    json_decref(request);
    close(fd);
    return status;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static void report_partner(struct doctor *d, const json_t *member)
{
    const json_t *lacp = json_object_get(member, "lacp");
    const char *state = text_of(lacp, "state"), *device = text_of(member, "device");

    if (!strcmp(state, "no partner"))
        doctor_report(d, "lacp", DOCTOR_BAD,
                      "Let the switch's port be in a LAG with LACP, active; or mode: failover.",
                      "%.80s: the switch does not speak LACP", device);
    else if (!strcmp(state, "another partner"))
        doctor_report(d, "lacp", DOCTOR_BAD,
                      "Both cables must end in one LAG, of one switch or of two that are stacked "
                      "(MLAG); or mode: failover.",
                      "%.80s: its partner is %s key %lld, not that of the other", device,
                      text_of(lacp, "partner"),
                      (long long)json_integer_value(json_object_get(lacp, "key")));
    else if (!strcmp(state, "distributing"))
        doctor_report(d, "lacp", DOCTOR_GOOD, "", "%.80s: with %s", device,
                      text_of(lacp, "partner"));
}

static void check_lacp(struct doctor *d, const struct side *a, const struct side *b)
{
    const struct side *vf = a->is_vf ? a : b->is_vf ? b : NULL;
    json_t *status, *member;
    size_t i;

    if (d->conf->port.mode != CONF_PORT_LACP)
        return;
    if (vf) {
        doctor_report(d, "lacp", DOCTOR_BAD,
                      "A PF keeps LACP's frames from its virtual functions: give whole cards, or "
                      "mode: failover.",
                      "%s is a virtual function", vf->function);
        return;
    }
    status = read_status(d);
    json_array_foreach(json_object_get(json_object_get(status, "port"), "members"), i, member)
    {
        report_partner(d, member);
    }
    json_decref(status);
}

void doctor_check_pair(struct doctor *d)
{
    const char *device[CONF_DEVICES_MAX];
    struct side a, b;

    if (conf_devices(&d->conf->port, device) < 2)
        return;
    a = side_of(d, device[0]);
    b = side_of(d, device[1]);
    check_cards(d, &a, &b);
    check_speeds(d, &a, &b);
    check_lacp(d, &a, &b);
}
