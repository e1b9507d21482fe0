/* port_dpdk_watch.c: the link, resets and the removal of a device, while cores use it.
 *
 *             a VF's link was lost and is back, INTR_RESET, the kernel wants the device back
 *   RUNNING ---------------------------------------------------------------------> PAUSING
 *      ^                                                                             |
 *      |        started anew (not: again after RETRY_NS)          all lanes have seen it
 *      +-----------------------------------------------------------------------------+---> GONE
 *
 * The link is asked for. Rejected: INTR_LSC; where its interrupt does not come, as rx interrupts do
 * not with some, the link never changes, and a VF's PF says nothing when it goes down.
 */
#define ALLOW_EXPERIMENTAL_API /* rte_dev_event_callback_register */

#include "drivers/port_dpdk_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "drivers/log_capture.h"
#include "drivers/pci_device.h"

/* A VF that is not up after so long has been forgotten, or was never known. */
#define LOST_AFTER_NS (5ull * 1000 * 1000 * 1000)
/* A PF that goes down resets its VFs while it still says that it is up, and for a moment so does
 * their link; a VF that is started anew just then hears nothing, and does not know. */
#define SETTLED_NS (500ull * 1000 * 1000)
/* From one restart to the next, so that a device that answers each with a reset does not keep the
 * cores from everything else. */
#define RETRY_NS (1000ull * 1000 * 1000)

static void say(char *error, size_t error_bytes, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, error_bytes, format, args);
    va_end(args);
}

/* ---- DPDK's interrupt thread ---- */

static int on_reset(uint16_t port_id, enum rte_eth_event_type event, void *arg, void *ignored)
{
    struct port_dpdk *p = arg;
    atomic_store(&p->watch.wants_reset, true);
    return 0;
}

static int on_removal(uint16_t port_id, enum rte_eth_event_type event, void *arg, void *ignored)
{
    struct port_dpdk *p = arg;
    atomic_store(&p->watch.wants_release, true);
    return 0;
}

/* vfio-pci's request: who unbinds the device, or takes its VFs away, waits until it is closed. */
static void on_device_event(const char *name, enum rte_dev_event_type type, void *arg)
{
    struct port_dpdk *p = arg;
    if (type == RTE_DEV_EVENT_REMOVE)
        atomic_store(&p->watch.wants_release, true);
}

/* ---- control ---- */

/* As its PF's host tells, or, in a virtual machine, its driver's name. */
static bool is_vf(const struct port_dpdk *p)
{
    return p->is_pci &&
           (strstr(p->base.caps.driver, "vf") ||
            (p->info.device && pci_device_is_vf("/sys", rte_dev_name(p->info.device))));
}

/* A VF may say that its link is up while its PF is down, and answers nothing. */
static bool is_pf_down(const struct port_dpdk *p)
{
    char iface[PCI_NAME_BYTES];
    return p->watch.is_vf && p->info.device &&
           pci_device_pf_is_down("/sys", rte_dev_name(p->info.device), iface);
}

int port_dpdk_watch(struct port_dpdk *p)
{
    p->watch.is_vf = is_vf(p);
    if (!p->is_pci)
        return 0;
    int err = rte_eth_dev_callback_register(p->port_id, RTE_ETH_EVENT_INTR_RESET, on_reset, p);
    if (err == 0)
        err = rte_eth_dev_callback_register(p->port_id, RTE_ETH_EVENT_INTR_RMV, on_removal, p);
    if (err == 0 && p->info.device)
        err = rte_dev_event_callback_register(rte_dev_name(p->info.device), on_device_event, p);
    return err;
}

void port_dpdk_unwatch(struct port_dpdk *p)
{
    if (!p->is_pci || !rte_eth_dev_is_valid_port(p->port_id))
        return;
    rte_eth_dev_callback_unregister(p->port_id, RTE_ETH_EVENT_INTR_RESET, on_reset, p);
    rte_eth_dev_callback_unregister(p->port_id, RTE_ETH_EVENT_INTR_RMV, on_removal, p);
    if (p->info.device)
        rte_dev_event_callback_unregister(rte_dev_name(p->info.device), on_device_event, p);
}

static void pause_lanes(struct port_dpdk *p)
{
    atomic_fetch_add(&p->pause, 1);
    p->watch.state = WATCH_PAUSING;
    for (uint16_t q = 0; q < p->lanes; q++) {
        uint64_t one = 1;
        ssize_t ignored = p->lane[q].wake_fd >= 0 ? write(p->lane[q].wake_fd, &one, 8) : 0;
        (void)ignored; /* without one it looks by itself */
    }
}

static bool are_paused(struct port_dpdk *p)
{
    uint32_t pause = atomic_load(&p->pause);
    for (uint16_t q = 0; q < p->lanes; q++)
        if (atomic_load_explicit(&p->lane[q].paused, memory_order_acquire) != pause)
            return false;
    return true;
}

/* Lanes may go on: to them the new start and its address are there at once. */
static void resume_lanes(struct port_dpdk *p)
{
    atomic_fetch_add(&p->base.epoch, 1);
    p->watch.state = WATCH_RUNNING;
    atomic_fetch_add(&p->pause, 1);
}

static enum port_news release(struct port_dpdk *p)
{
    port_dpdk_unwatch(p);
    port_dpdk_close_device(p);
    p->watch.state = WATCH_GONE;
    p->base.link.is_up = false;
    p->base.link.is_released = true;
    return PORT_RELEASED;
}

/* Its PF may have another address for it now. */
static void read_mac(struct port_dpdk *p)
{
    struct rte_ether_addr mac;
    if (rte_eth_macaddr_get(p->port_id, &mac) == 0)
        memcpy(p->base.caps.mac, mac.addr_bytes, sizeof(p->base.caps.mac));
}

static enum port_news restart(struct port_dpdk *p, uint64_t now_ns, char *error, size_t error_bytes)
{
    struct watch *w = &p->watch;
    struct log_capture capture;
    const char *step = "";
    char pmd_says[256];

    if (now_ns < w->not_before_ns)
        return PORT_NO_NEWS;
    log_capture_begin(&capture);
    int err = port_dpdk_restart(p, atomic_exchange(&w->wants_reset, false), &step);
    log_capture_end(&capture, pmd_says, sizeof(pmd_says));
    w->not_before_ns = now_ns + RETRY_NS;
    w->started_ns = now_ns;
    w->was_up = w->was_lost = false;
    if (err) {
        p->base.link.restarts_failed++;
        p->base.link.is_up = false;
        say(error, error_bytes, "%s failed: %s%s%s%s", step, rte_strerror(-err),
            pmd_says[0] ? " (" : "", pmd_says, pmd_says[0] ? ")" : "");
        return PORT_RESTART_FAILED;
    }
    p->base.link.restarts++;
    read_mac(p);
    resume_lanes(p);
    return PORT_RESTARTED;
}

/* The PMDs of kernel interfaces say "up" for ever. */
static bool read_link(const struct port_dpdk *p, struct rte_eth_link *link)
{
    if (!p->iface[0])
        return rte_eth_link_get_nowait(p->port_id, link) == 0;
    *link = (struct rte_eth_link){
        .link_status =
            port_dpdk_netdev_is_running(p->link_fd, p->iface) ? RTE_ETH_LINK_UP : RTE_ETH_LINK_DOWN,
        .link_speed = RTE_ETH_SPEED_NUM_UNKNOWN,
    };
    return true;
}

static enum port_news look_at_link(struct port_dpdk *p, uint64_t now_ns)
{
    struct watch *w = &p->watch;
    struct port_link *link = &p->base.link;
    struct rte_eth_link now;

    if (!read_link(p, &now))
        return PORT_NO_NEWS;
    bool was_up = link->is_up, is_first = w->started_ns == 0;
    bool is_pf_gone = is_pf_down(p);
    link->is_up = now.link_status == RTE_ETH_LINK_UP && !is_pf_gone;
    if (!link->is_up)
        w->up_since_ns = 0;
    else if (w->up_since_ns == 0)
        w->up_since_ns = now_ns;
    bool has_speed = link->is_up && p->base.caps.has_link;
    link->speed_mbps =
        has_speed && now.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN ? now.link_speed : 0;
    if (is_first)
        w->started_ns = now_ns;
    /* Links need a moment to come up, behind a restart too: only who was up can be lost. */
    w->was_lost |=
        is_pf_gone || (!link->is_up && (w->was_up || now_ns - w->started_ns >= LOST_AFTER_NS));
    w->was_up |= link->is_up;
    if (link->is_up == was_up && !is_first)
        return PORT_NO_NEWS;
    if (!link->is_up) {
        link->downs += was_up;
        return PORT_LINK_DOWN;
    }
    atomic_fetch_add(&p->base.epoch, 1);
    return PORT_LINK_UP;
}

/* Lanes that have given up on interrupts. */
static enum port_news look_at_silence(struct port_dpdk *p)
{
    if (p->watch.is_told_deaf)
        return PORT_NO_NEWS;
    for (uint16_t q = 0; q < p->lanes; q++) {
        if (!atomic_load_explicit(&p->lane[q].is_deaf, memory_order_relaxed))
            continue;
        p->watch.is_told_deaf = true;
        p->base.link.is_silent = true;
        return PORT_SILENT;
    }
    return PORT_NO_NEWS;
}

/* A VF whose PF was reset has lost its queues, filters and interrupts; others keep them. */
static bool wants_restart(struct port_dpdk *p, uint64_t now_ns)
{
    struct watch *w = &p->watch;
    return p->base.link.is_up && now_ns >= w->not_before_ns &&
           now_ns - w->up_since_ns >= SETTLED_NS &&
           (atomic_load(&w->wants_reset) || (w->is_vf && w->was_lost));
}

enum port_news port_dpdk_look(struct port *port, uint64_t now_ns, char *error, size_t error_bytes)
{
    struct port_dpdk *p = (struct port_dpdk *)port;
    struct watch *w = &p->watch;
    enum port_news news = PORT_NO_NEWS;

    say(error, error_bytes, "%s", "");
    switch (w->state) {
    case WATCH_GONE:
        break;
    case WATCH_PAUSING:
        if (are_paused(p))
            news = atomic_load(&w->wants_release) ? release(p)
                                                  : restart(p, now_ns, error, error_bytes);
        break;
    case WATCH_RUNNING:
        news = look_at_link(p, now_ns);
        if (news == PORT_NO_NEWS)
            news = look_at_silence(p);
        if (atomic_load(&w->wants_release) || wants_restart(p, now_ns))
            pause_lanes(p);
    }
    return news;
}

void port_dpdk_xstats(struct port *port, void (*visit)(void *arg, const char *name, uint64_t value),
                      void *arg)
{
    static struct rte_eth_xstat value[PORT_XSTATS_MAX];
    static struct rte_eth_xstat_name name[PORT_XSTATS_MAX];
    const struct port_dpdk *p = (struct port_dpdk *)port;

    if (p->watch.state != WATCH_RUNNING)
        return;
    int names = rte_eth_xstats_get_names(p->port_id, name, PORT_XSTATS_MAX);
    int values = rte_eth_xstats_get(p->port_id, value, PORT_XSTATS_MAX);
    if (names > PORT_XSTATS_MAX || values > PORT_XSTATS_MAX)
        return; /* none of them is written then */
    for (int i = 0; i < values; i++)
        if (value[i].value != 0 && value[i].id < (uint64_t)RTE_MAX(names, 0))
            visit(arg, name[value[i].id].name, value[i].value);
}
