/* doctor_port.c: what port.device of hearth.yaml is on this machine, and what it needs. */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cli/doctor_parts.h"

#define PCI "/sys/bus/pci/devices/"

enum { VFS_MAX = 256, LISTENING = 0x0A };

/* ---- the IOMMU ---- */

static uint32_t count_entries(DIR *dir)
{
    uint32_t count = 0;

    while (doctor_next(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

static void check_iommu(struct doctor *d)
{
    const bool is_wanted = d->pci[0] || !d->conf;
    const uint32_t groups = count_entries(doctor_dir(d, "/sys/kernel/iommu_groups"));
    const enum doctor_state state = d->pci[0] ? DOCTOR_BAD : DOCTOR_ADVICE;
    char line[4096], unsafe[8];

    doctor_line(d, unsafe, sizeof(unsafe),
                "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
    doctor_line(d, line, sizeof(line), "/proc/cmdline");
    if (unsafe[0] == 'Y')
        doctor_report(d, "iommu", state,
                      "A card, and who is in hearthd, can write to all memory: echo N > "
                      "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode.",
                      "vfio is allowed to do without one");
    else if (groups || !is_wanted)
        doctor_report(d, "iommu", DOCTOR_GOOD, "",
                      groups ? "%u groups" : "none, and port.device needs none", groups);
    else if (strstr(line, "iommu=off"))
        doctor_report(d, "iommu", state,
                      "vfio-pci needs it: take iommu=off from the kernel's command line, boot with "
                      "intel_iommu=on (or amd_iommu=on) iommu=pt.",
                      "switched off on the kernel's command line");
    else if (doctor_has(d, "/sys/firmware/acpi/tables/DMAR") ||
             doctor_has(d, "/sys/firmware/acpi/tables/IVRS"))
        doctor_report(d, "iommu", state,
                      "vfio-pci needs it: boot with intel_iommu=on (or amd_iommu=on) iommu=pt.",
                      "the firmware offers one, and the kernel was not told to use it");
    else
        doctor_report(d, "iommu", state,
                      "PCI devices need it for vfio-pci: switch VT-d or AMD-Vi on in the firmware, "
                      "boot with intel_iommu=on (or amd_iommu=on) iommu=pt. Other ports do not.",
                      "none, the firmware offers none");
}

/* ---- a PCI function ---- */

static bool parse_address(const char *text, uint32_t *domain, uint32_t *routing)
{
    uint32_t bus, device, function;

    if (sscanf(text, "%x:%x:%x.%x", domain, &bus, &device, &function) != 4)
        return false;
    *routing = bus << 8 | device << 3 | function;
    return true;
}

/* The kernel's interface of a function. */
static bool interface_of(const struct doctor *d, const char *address, char out[IFNAMSIZ])
{
    DIR *dir = doctor_dir(d, PCI "%s/net", address);
    const char *name = doctor_next(dir);

    snprintf(out, IFNAMSIZ, "%.15s", name ? name : "");
    if (dir)
        closedir(dir);
    return out[0];
}

/* Whose it would be if that had functions: SR-IOV's offset and stride say (PCIe base, 9.3.3.9). */
static bool find_pf(const struct doctor *d, char pf[IFNAMSIZ], long *nth)
{
    DIR *dir = doctor_dir(d, "/sys/bus/pci/devices");
    uint32_t domain, routing, pf_domain, pf_routing;
    bool is_found = false;

    if (!parse_address(d->pci, &domain, &routing)) {
        if (dir)
            closedir(dir);
        return false;
    }
    for (const char *address; !is_found && (address = doctor_next(dir));) {
        long total = doctor_number(d, 0, PCI "%s/sriov_totalvfs", address);
        long first = doctor_number(d, 0, PCI "%s/sriov_offset", address);
        long stride = doctor_number(d, 1, PCI "%s/sriov_stride", address);

        if (total <= 0 || !parse_address(address, &pf_domain, &pf_routing) || pf_domain != domain ||
            !interface_of(d, address, pf))
            continue;
        for (*nth = 0; *nth < total && *nth < VFS_MAX; ++*nth)
            if (pf_routing + (uint32_t)(first + *nth * stride) == routing) {
                is_found = true;
                break;
            }
    }
    if (dir)
        closedir(dir);
    return is_found;
}

static void report_absent(struct doctor *d)
{
    char pf[IFNAMSIZ], advice[DOCTOR_TEXT_BYTES];
    long nth;

    if (!find_pf(d, pf, &nth)) {
        doctor_report(d, "function", DOCTOR_BAD,
                      "hearthd will not start: lspci -D names those that are there.",
                      "there is no PCI function %s here", d->pci);
        return;
    }
    snprintf(advice, sizeof(advice),
             "hearthd will not start; after each boot: tools/vfs %s %ld, or systemctl enable "
             "hearth-vfs@%s.",
             pf, nth + 1, pf);
    doctor_report(d, "function", DOCTOR_BAD, advice,
                  "%s would be virtual function %ld of %s, which has fewer", d->pci, nth, pf);
}

/* ---- what its PF lets a virtual function be ---- */

/* Of `ip -j link`; the PF's VFs are told by netlink only. NULL: it cannot be asked, or was not. */
static json_t *read_links(const struct doctor *d)
{
    char path[PATH_MAX];
    json_t *links;
    FILE *f;

    if (!d->root[0]) {
        f = popen("ip -j link 2>/dev/null", "re");
        links = f ? json_loadf(f, 0, NULL) : NULL;
        if (f)
            pclose(f);
        return links;
    }
    doctor_path(d, path, "/run/ip-link.json");
    f = fopen(path, "re");
    links = f ? json_loadf(f, 0, NULL) : NULL;
    if (f)
        fclose(f);
    return links;
}

static json_t *find_vf(json_t *links, const char *pf, long nth)
{
    json_t *link, *vf;
    size_t i, k;

    json_array_foreach(links, i, link)
    {
        const char *name = json_string_value(json_object_get(link, "ifname"));

        if (!name || strcmp(name, pf))
            continue;
        json_array_foreach(json_object_get(link, "vfinfo_list"), k, vf)
        {
            if (json_integer_value(json_object_get(vf, "vf")) == nth)
                return vf;
        }
    }
    return NULL;
}

static long vlan_of(const json_t *vf)
{
    const json_t *listed = json_array_get(json_object_get(vf, "vlan_list"), 0);

    return (long)json_integer_value(json_object_get(listed ? listed : vf, "vlan"));
}

static void report_vf(struct doctor *d, const json_t *vf, const char *pf, long nth)
{
    const char *mac = json_string_value(json_object_get(vf, "address"));
    const char *state = json_string_value(json_object_get(vf, "link_state"));
    const long vlan = vlan_of(vf);
    char advice[DOCTOR_TEXT_BYTES];

    if (mac && !strcmp(mac, "00:00:00:00:00:00")) {
        snprintf(
            advice, sizeof(advice),
            "It gets another one at each start, or none that hears anything: ip link set %s vf "
            "%ld mac 02:00:00:00:00:%02lx, or tools/vfs, which gives some.",
            pf, nth, nth + 1);
        doctor_report(d, "vf", DOCTOR_ADVICE, advice, "virtual function %ld of %s has no MAC", nth,
                      pf);
    } else if (state && !strcmp(state, "disable")) {
        snprintf(advice, sizeof(advice),
                 "Nothing is heard through it: ip link set %s vf %ld state "
                 "auto.",
                 pf, nth);
        doctor_report(d, "vf", DOCTOR_BAD, advice, "the link of virtual function %ld of %s is off",
                      nth, pf);
    } else if (state && !strcmp(state, "enable") && d->conf->port.devices_count > 0) {
        snprintf(advice, sizeof(advice),
                 "The other device would not take over when the cable is lost: ip link set %s vf "
                 "%ld state auto.",
                 pf, nth);
        doctor_report(d, "vf", DOCTOR_BAD, advice,
                      "the link of virtual function %ld of %s is always up", nth, pf);
    } else if (vlan && d->conf->port.vlan) {
        snprintf(advice, sizeof(advice),
                 "Frames would have two tags: port.vlan: 0, or ip link set %s vf %ld vlan 0.", pf,
                 nth);
        doctor_report(d, "vf", DOCTOR_BAD, advice,
                      "%s tags for virtual function %ld (VLAN %ld), and port.vlan is %u", pf, nth,
                      vlan, d->conf->port.vlan);
    } else {
        doctor_report(d, "vf", DOCTOR_GOOD, "", "number %ld of %s, %s%s", nth, pf, mac ? mac : "",
                      vlan ? ", which tags" : "");
    }
}

static void check_vf(struct doctor *d)
{
    char pf[IFNAMSIZ];
    long nth;
    json_t *links, *vf;

    if (!find_pf(d, pf, &nth))
        return;
    links = read_links(d);
    vf = find_vf(links, pf, nth);
    if (vf)
        report_vf(d, vf, pf, nth);
    json_decref(links);
}

static bool is_shared_driver(const char *driver)
{
    return !strncmp(driver, "mlx5_core", 9) || !strncmp(driver, "mlx4_core", 9);
}

static bool is_user_space_driver(const char *driver)
{
    return !strcmp(driver, "vfio-pci") || !strcmp(driver, "uio_pci_generic") ||
           !strcmp(driver, "igb_uio");
}

/* All of a group go to user space, or none (Documentation/driver-api/vfio.rst). */
static bool is_group_shared(const struct doctor *d, const char *group, char other[32],
                            char driver[PCI_NAME_BYTES])
{
    DIR *dir = doctor_dir(d, "/sys/kernel/iommu_groups/%s/devices", group);
    bool is_shared = false;

    for (const char *address; !is_shared && (address = doctor_next(dir));) {
        char class[16];

        doctor_line(d, class, sizeof(class), PCI "%s/class", address);
        if (!strcmp(address, d->pci) || !strncmp(class, "0x0604", 6) ||
            !doctor_link(d, driver, PCI_NAME_BYTES, PCI "%s/driver", address) ||
            is_user_space_driver(driver) || !strcmp(driver, "pci-stub"))
            continue;
        snprintf(other, 32, "%.31s", address);
        is_shared = true;
    }
    if (dir)
        closedir(dir);
    return is_shared;
}

static void check_function(struct doctor *d)
{
    char driver[PCI_NAME_BYTES], advice[2 * DOCTOR_TEXT_BYTES], group[16], other[32],
        others[PCI_NAME_BYTES];
    bool is_held;

    if (!doctor_has(d, PCI "%s", d->pci)) {
        report_absent(d);
        return;
    }
    is_held = doctor_link(d, driver, sizeof(driver), PCI "%s/driver", d->pci);
    snprintf(advice, sizeof(advice),
             "hearthd will not start: echo vfio-pci > " PCI "%s/driver_override; %s%s%secho %s > "
             "/sys/bus/pci/drivers_probe.",
             d->pci, is_held ? "echo " : "", is_held ? d->pci : "",
             is_held ? " > /sys/bus/pci/drivers/*/unbind; " : "", d->pci);
    if (is_held && is_shared_driver(driver)) {
        doctor_report(d, "function", DOCTOR_GOOD, "", "%s, shared with the kernel's %s", d->pci,
                      driver);
    } else if (!doctor_has(d, "/sys/bus/pci/drivers/vfio-pci") && !is_user_space_driver(driver)) {
        doctor_report(d, "function", DOCTOR_BAD,
                      "hearthd will not start: modprobe vfio-pci, and echo vfio-pci > "
                      "/etc/modules-load.d/vfio-pci.conf for the next boot.",
                      "the kernel has no vfio-pci loaded for %s", d->pci);
    } else if (!is_held) {
        doctor_report(d, "function", DOCTOR_BAD, advice, "no driver has %s", d->pci);
    } else if (!is_user_space_driver(driver)) {
        doctor_report(d, "function", DOCTOR_BAD, advice, "%s is held by the kernel's %s", d->pci,
                      driver);
    } else if (!strcmp(driver, "vfio-pci") && !doctor_has(d, "/dev/vfio/vfio")) {
        doctor_report(d, "function", DOCTOR_BAD,
                      "hearthd will not start: modprobe vfio-pci; in a container, let it see "
                      "/dev/vfio (--device /dev/vfio).",
                      "there is no /dev/vfio/vfio");
    } else if (doctor_link(d, group, sizeof(group), PCI "%s/iommu_group", d->pci) &&
               is_group_shared(d, group, other, others)) {
        snprintf(advice, sizeof(advice),
                 "vfio gives groups only: echo vfio-pci > " PCI "%s/driver_override and bind it as "
                 "well, or move the card to a slot whose port has ACS.",
                 other);
        doctor_report(d, "function", DOCTOR_BAD, advice,
                      "IOMMU group %s of %s has %s too, which the kernel's %s holds", group, d->pci,
                      other, others);
    } else {
        doctor_report(d, "function", DOCTOR_GOOD, "", "%s, by %s", d->pci, driver);
    }
}

static void check_lanes(struct doctor *d, const char *address)
{
    long width = doctor_number(d, 0, PCI "%s/current_link_width", address);
    long width_max = doctor_number(d, 0, PCI "%s/max_link_width", address);
    char speed[32], speed_max[32], advice[DOCTOR_TEXT_BYTES];

    if (!doctor_line(d, speed, sizeof(speed), PCI "%s/current_link_speed", address) || !width ||
        width == 255 || strstr(speed, "Unknown"))
        return;
    doctor_line(d, speed_max, sizeof(speed_max), PCI "%s/max_link_speed", address);
    snprintf(advice, sizeof(advice),
             "The slot is slower than the card: use another (lspci -vv -s %s, LnkSta).", address);
    doctor_report(d, "lanes",
                  width < width_max || strtod(speed, NULL) < strtod(speed_max, NULL) ? DOCTOR_ADVICE
                                                                                     : DOCTOR_GOOD,
                  advice, "%s has %ld lanes of %s, it can use %ld of %s", address, width, speed,
                  width_max, speed_max);
}

/* ---- an interface: the port's own, or that of a VF's PF ---- */

static void check_interface(struct doctor *d, const char *iface, const char *who)
{
    long flags = doctor_number(d, -1, "/sys/class/net/%s/flags", iface);
    long mtu = doctor_number(d, 0, "/sys/class/net/%s/mtu", iface);
    long wanted = d->conf->port.mtu;
    char advice[DOCTOR_TEXT_BYTES];

    if (flags < 0) {
        doctor_report(d, "link", DOCTOR_BAD,
                      "hearthd will not start: ip -br link names those that are there.",
                      "there is no interface %s here", iface);
        return;
    }
    if (!(flags & IFF_UP)) {
        snprintf(advice, sizeof(advice), "Nothing is heard through it: ip link set %s up.", iface);
        doctor_report(d, "link", DOCTOR_BAD, advice, "%s%s is down", who, iface);
    } else if (doctor_number(d, 1, "/sys/class/net/%s/carrier", iface) == 0) {
        snprintf(advice, sizeof(advice),
                 "Look at the cable, its plug and the switch: ethtool %s; ethtool -m %s.", iface,
                 iface);
        doctor_report(d, "link", DOCTOR_BAD, advice, "%s%s has no carrier", who, iface);
    } else {
        doctor_report(d, "link", DOCTOR_GOOD, "", "%s%s is up", who, iface);
    }
    if (!wanted || !mtu)
        return;
    snprintf(advice, sizeof(advice),
             "hearthd will not start, or lose large frames: ip link set %s "
             "mtu %ld, or port.mtu: %ld.",
             iface, wanted, mtu);
    doctor_report(d, "mtu", wanted > mtu ? DOCTOR_BAD : DOCTOR_GOOD, advice,
                  "port.mtu is %ld, and that of %s%s %ld", wanted, who, iface, mtu);
}

static void check_pf(struct doctor *d)
{
    char pf[IFNAMSIZ], address[32];

    if (!doctor_link(d, address, sizeof(address), PCI "%s/physfn", d->pci)) {
        check_lanes(d, d->pci);
        return;
    }
    if (interface_of(d, address, pf))
        check_interface(d, pf, "its PF ");
    check_vf(d);
    check_lanes(d, address);
}

/* ---- addresses that the kernel has as well ---- */

/* /proc/net/fib_trie: the address, and on the next line what it is. */
static bool kernel_has_ip4(const struct doctor *d, const char *ip)
{
    char path[PATH_MAX], line[256], wanted[80];
    bool is_next = false, is_found = false;
    FILE *f;

    snprintf(wanted, sizeof(wanted), "|-- %s\n", ip);
    doctor_path(d, path, "/proc/net/fib_trie");
    f = fopen(path, "re");
    while (f && !is_found && fgets(line, sizeof(line), f)) {
        is_found = is_next && strstr(line, "host LOCAL");
        is_next = strstr(line, wanted) != NULL;
    }
    if (f)
        fclose(f);
    return is_found;
}

static bool kernel_has_ip6(const struct doctor *d, const uint8_t ip[16])
{
    char path[PATH_MAX], line[256], wanted[33];
    bool is_found = false;
    FILE *f;

    for (int i = 0; i < 16; i++)
        snprintf(wanted + 2 * i, 3, "%02x", ip[i]);
    doctor_path(d, path, "/proc/net/if_inet6");
    f = fopen(path, "re");
    while (f && !is_found && fgets(line, sizeof(line), f))
        is_found = !strncmp(line, wanted, 32);
    if (f)
        fclose(f);
    return is_found;
}

/* Any address of this family: who listens on one in particular may as well listen on ours. */
static bool is_listened_at(const struct doctor *d, bool is_ip4, uint16_t port)
{
    char path[PATH_MAX], line[512];
    bool is_found = false;
    FILE *f;

    if (!port)
        return false;
    doctor_path(d, path, is_ip4 ? "/proc/net/tcp" : "/proc/net/tcp6");
    f = fopen(path, "re");
    while (f && !is_found && fgets(line, sizeof(line), f)) {
        unsigned local_port, state;

        is_found =
            sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x", &local_port, &state) == 2 &&
            local_port == port && state == LISTENING;
    }
    if (f)
        fclose(f);
    return is_found;
}

static void check_addresses(struct doctor *d)
{
    const struct conf_port *p = &d->conf->port;
    const struct conf_listen *l = &d->conf->listen;

    for (uint32_t i = 0; i < p->addresses_count; i++) {
        char ip[64], advice[2 * DOCTOR_TEXT_BYTES];
        uint8_t bytes[16];
        bool is_ip4;
        uint16_t port;

        snprintf(ip, sizeof(ip), "%.*s", (int)strcspn(p->addresses[i], "/"), p->addresses[i]);
        is_ip4 = !strchr(ip, ':');
        if (inet_pton(is_ip4 ? AF_INET : AF_INET6, ip, bytes) != 1 ||
            !(is_ip4 ? kernel_has_ip4(d, ip) : kernel_has_ip6(d, bytes)))
            continue;
        port = is_listened_at(d, is_ip4, l->https)  ? l->https
               : is_listened_at(d, is_ip4, l->http) ? l->http
                                                    : 0;
        snprintf(advice, sizeof(advice),
                 "The kernel answers as well, and ends hearth's connections: ip addr del %s dev "
                 "$(ip -o addr show to %s | awk '{print $2}').",
                 p->addresses[i], ip);
        if (port)
            doctor_report(d, "addresses", DOCTOR_BAD, advice,
                          "the kernel has %s too, and a program of it listens at port %u", ip,
                          port);
        else
            doctor_report(d, "addresses", DOCTOR_BAD, advice, "the kernel has %s too", ip);
        return;
    }
    doctor_report(d, "addresses", DOCTOR_GOOD, "", "hearth's own");
}

int doctor_port_node(const struct doctor *d)
{
    return (int)(d->pci[0] ? doctor_number(d, -1, PCI "%s/numa_node", d->pci)
                 : d->iface[0]
                     ? doctor_number(d, -1, "/sys/class/net/%s/device/numa_node", d->iface)
                     : -1);
}

void doctor_note_device(struct doctor *d, const char *device)
{
    const char *iface = strstr(device, "iface=");
    const bool is_kernels =
        !strncmp(device, "net_af_packet", 13) || !strncmp(device, "net_af_xdp", 10);

    d->iface[0] = 0;
    if (pci_device_address(device, d->pci))
        return;
    d->pci[0] = 0;
    if (!strncmp(device, "auto:", 5))
        snprintf(d->iface, sizeof(d->iface), "%.15s", device + 5);
    else if (is_kernels && iface)
        snprintf(d->iface,
                 strcspn(iface + 6, ",") + 1 < sizeof(d->iface) ? strcspn(iface + 6, ",") + 1
                                                                : sizeof(d->iface),
                 "%s", iface + 6);
}

static void check_device(struct doctor *d)
{
    if (d->pci[0]) {
        check_function(d);
        check_pf(d);
    } else if (d->iface[0]) {
        check_interface(d, d->iface, "");
    }
}

void doctor_check_port(struct doctor *d)
{
    const char *device[CONF_DEVICES_MAX];
    uint32_t count;

    if (!d->conf) {
        check_iommu(d);
        return;
    }
    count = conf_devices(&d->conf->port, device);
    for (uint32_t i = 0; i < count; i++) {
        doctor_note_device(d, device[i]);
        if (d->pci[0])
            break;
    }
    check_iommu(d);
    for (uint32_t i = 0; i < count; i++) {
        doctor_note_device(d, device[i]);
        check_device(d);
    }
    doctor_check_pair(d);
    doctor_note_device(d, device[0]); /* the others go by the first */
    check_addresses(d);
}
