/* The watch over a port's device, against a device that is only these functions: what follows from
 * its link and its events, and that nothing touches it before every lane has seen the pause. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ALLOW_EXPERIMENTAL_API
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "drivers/log_capture.h"
#include "drivers/pci_device.h"
#include "drivers/port_dpdk_impl.h"

enum { LANES = 2, PORT_ID = 3 };
#define SECOND_NS 1000000000ull

static struct device {
    bool is_up, is_vf, is_pf_down;
    int restart_fails;
    uint8_t mac[6];
    uint32_t restarts, resets, closes;
    int xstats; /* how many it says that it has */
    rte_eth_dev_cb_fn on_reset;
    void *arg;
    rte_dev_event_cb_fn on_event;
} device;

static struct port_dpdk port;
static uint64_t now_ns;

int rte_eth_link_get_nowait(uint16_t port_id, struct rte_eth_link *link)
{
    assert_int_equal(port_id, PORT_ID);
    *link = (struct rte_eth_link){.link_status = device.is_up, .link_speed = 1000};
    return 0;
}

bool port_dpdk_netdev_is_running(int fd, const char *iface)
{
    assert_string_equal(iface, "eth1");
    return device.is_up;
}

int rte_eth_xstats_get_names(uint16_t port_id, struct rte_eth_xstat_name *name, unsigned int size)
{
    static const char *const names[] = {"rx_good_packets", "rx_crc_errors", "tx_pause"};
    assert_true(size >= 3);
    for (int i = 0; i < 3; i++)
        snprintf(name[i].name, sizeof(name[i].name), "%s", names[i]);
    return device.xstats;
}

int rte_eth_xstats_get(uint16_t port_id, struct rte_eth_xstat *value, unsigned int size)
{
    for (uint64_t i = 0; i < 3; i++)
        value[i] = (struct rte_eth_xstat){.id = i, .value = i};
    return device.xstats;
}

bool pci_device_is_vf(const char *sysfs, const char *address)
{
    return device.is_vf;
}

bool pci_device_pf_is_down(const char *sysfs, const char *address, char iface[PCI_NAME_BYTES])
{
    return device.is_pf_down;
}

int rte_eth_macaddr_get(uint16_t port_id, struct rte_ether_addr *mac)
{
    memcpy(mac->addr_bytes, device.mac, 6);
    return 0;
}

int rte_eth_dev_is_valid_port(uint16_t port_id)
{
    return port_id == PORT_ID;
}

int rte_eth_dev_callback_register(uint16_t port_id, enum rte_eth_event_type event,
                                  rte_eth_dev_cb_fn fn, void *arg)
{
    if (event == RTE_ETH_EVENT_INTR_RESET)
        device.on_reset = fn;
    device.arg = arg;
    return 0;
}

int rte_eth_dev_callback_unregister(uint16_t port_id, enum rte_eth_event_type event,
                                    rte_eth_dev_cb_fn fn, void *arg)
{
    return 0;
}

int rte_dev_event_callback_register(const char *name, rte_dev_event_cb_fn fn, void *arg)
{
    device.on_event = fn;
    return 0;
}

int rte_dev_event_callback_unregister(const char *name, rte_dev_event_cb_fn fn, void *arg)
{
    return 0;
}

const char *rte_dev_name(const struct rte_device *d)
{
    return "0000:00:00.0";
}

int port_dpdk_restart(struct port_dpdk *p, bool is_reset, const char **step)
{
    assert_true(atomic_load(&p->pause) & 1);
    for (int q = 0; q < LANES; q++)
        assert_int_equal(atomic_load(&p->lane[q].paused), atomic_load(&p->pause));
    *step = "starting it";
    device.resets += is_reset;
    if (device.restart_fails > 0) {
        device.restart_fails--;
        return -EIO;
    }
    device.restarts++;
    return 0;
}

void port_dpdk_close_device(struct port_dpdk *p)
{
    assert_true(atomic_load(&p->pause) & 1);
    device.closes++;
    p->port_id = RTE_MAX_ETHPORTS;
}

static enum port_news look(void)
{
    char error[128];
    now_ns += PORT_LOOK_MS * 1000000ull;
    return port_dpdk_look(&port.base, now_ns, error, sizeof(error));
}

/* As a lane does when it next asks for frames. */
static void lane_looks(int q)
{
    uint32_t pause = atomic_load(&port.pause);
    if (pause & 1)
        atomic_store(&port.lane[q].paused, pause);
}

/* Until there is news, with lanes that run; at most for so long. */
static enum port_news next_news(uint64_t within_ns)
{
    for (uint64_t until = now_ns + within_ns; now_ns < until;) {
        enum port_news news = look();
        lane_looks(0);
        lane_looks(1);
        if (news != PORT_NO_NEWS)
            return news;
    }
    return PORT_NO_NEWS;
}

static int open_port(const char *driver, bool is_up)
{
    static char some_device;
    memset(&port, 0, sizeof(port));
    device = (struct device){.is_up = is_up, .mac = {2, 0, 0, 0, 0, 1}};
    port.port_id = PORT_ID;
    port.lanes = LANES;
    port.is_pci = port.base.caps.has_link = true;
    port.info.device = (struct rte_device *)&some_device;
    for (int q = 0; q < LANES; q++)
        port.lane[q].wake_fd = -1;
    snprintf(port.base.caps.driver, sizeof(port.base.caps.driver), "%s", driver);
    now_ns = SECOND_NS;
    return port_dpdk_watch(&port);
}

static void a_link_is_told_and_announced_each_time_it_comes_up(void **state)
{
    assert_int_equal(open_port("net_e1000_igb", false), 0);
    assert_false(port_is_usable(&port.base));
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_DOWN);
    assert_false(port_is_usable(&port.base));
    device.is_up = true;
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_UP);
    assert_true(port_is_usable(&port.base));
    assert_int_equal(port.base.link.speed_mbps, 1000);
    assert_int_equal(port_epoch(&port.base), 1);
    device.is_up = false;
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_DOWN);
    assert_false(port_is_usable(&port.base));
    device.is_up = true;
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_UP);
    assert_int_equal(port_epoch(&port.base), 2);
    assert_int_equal(port.base.link.downs, 1);
    /* A physical function has forgotten nothing, and a restart would take its link down. */
    assert_int_equal(next_news(20 * SECOND_NS), PORT_NO_NEWS);
    assert_int_equal(device.restarts, 0);
}

static void the_link_of_a_kernels_interface_is_its_carrier(void **state)
{
    assert_int_equal(open_port("net_af_packet", true), 0);
    port.is_pci = port.base.caps.has_link = false;
    snprintf(port.iface, sizeof(port.iface), "eth1");
    assert_int_equal(look(), PORT_LINK_UP);
    device.is_up = false;
    assert_int_equal(look(), PORT_LINK_DOWN);
    assert_int_equal(port.base.link.downs, 1);
    assert_true(port_is_usable(&port.base)); /* alone, it is believed to work */
    device.is_up = true;
    assert_int_equal(look(), PORT_LINK_UP);
    assert_int_equal(port.base.link.speed_mbps, 0);
}

static void a_vf_starts_anew_when_its_link_is_back(void **state)
{
    open_port("net_e1000_igb_vf", true);
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_UP);
    device.is_up = false;
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_DOWN);
    assert_int_equal(next_news(30 * SECOND_NS), PORT_NO_NEWS); /* nobody would answer */
    device.is_up = true;
    device.mac[5] = 9;
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_UP);
    uint32_t epoch = port_epoch(&port.base);
    assert_int_equal(next_news(SECOND_NS), PORT_RESTARTED);
    assert_int_equal(port_epoch(&port.base), epoch + 1);
    assert_int_equal(port.base.caps.mac[5], 9);
    assert_int_equal(atomic_load(&port.pause) & 1, 0);
    /* Once: its link may need a moment after that, which is no loss. */
    device.is_up = false;
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_DOWN);
    device.is_up = true;
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_UP);
    assert_int_equal(next_news(30 * SECOND_NS), PORT_NO_NEWS);
    assert_int_equal(device.restarts, 1);
    assert_int_equal(device.resets, 0);
}

/* As igb's do: what they read of the link is the PF's, which does not come up with it. */
static void a_vf_whose_pf_is_down_is_not_up_whatever_it_says(void **state)
{
    open_port("net_e1000_igb_vf", true);
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_UP);
    device.is_pf_down = true;
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_DOWN);
    assert_false(port_is_usable(&port.base));
    assert_int_equal(next_news(30 * SECOND_NS), PORT_NO_NEWS);
    device.is_pf_down = false;
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_UP);
    assert_int_equal(next_news(SECOND_NS), PORT_RESTARTED);
    assert_int_equal(next_news(2 * SECOND_NS), PORT_NO_NEWS);

    /* Down again right behind the restart, before the link was ever seen to be up. */
    device.on_reset(PORT_ID, RTE_ETH_EVENT_INTR_RESET, device.arg, NULL);
    assert_int_equal(next_news(SECOND_NS), PORT_RESTARTED);
    device.is_pf_down = true;
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_DOWN);
    device.is_pf_down = false;
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_UP);
    assert_int_equal(next_news(2 * SECOND_NS), PORT_RESTARTED);
}

static void a_vf_is_not_started_anew_while_its_pf_goes_down(void **state)
{
    open_port("net_e1000_igb_vf", true);
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_UP);
    device.is_up = false;
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_DOWN);
    device.is_up = true; /* for 300 ms: then the kernel says that the PF is down */
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_UP);
    assert_int_equal(next_news(SECOND_NS / 5), PORT_NO_NEWS);
    device.is_pf_down = true;
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_DOWN);
    assert_int_equal(device.restarts, 0);
    device.is_pf_down = false;
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_UP);
    assert_int_equal(next_news(SECOND_NS), PORT_RESTARTED);
}

static void a_vf_that_was_never_up_starts_anew_when_it_is(void **state)
{
    open_port("net_e1000_igb_vf", false);
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_DOWN);
    assert_int_equal(next_news(30 * SECOND_NS), PORT_NO_NEWS);
    device.is_up = true;
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_UP);
    assert_int_equal(next_news(SECOND_NS), PORT_RESTARTED);
    assert_int_equal(next_news(30 * SECOND_NS), PORT_NO_NEWS);
}

static void nothing_is_touched_before_every_lane_has_seen_the_pause(void **state)
{
    open_port("net_iavf", true);
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_UP);
    device.on_reset(PORT_ID, RTE_ETH_EVENT_INTR_RESET, device.arg, NULL);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(look(), PORT_NO_NEWS);
        lane_looks(0);
    }
    assert_int_equal(device.restarts, 0);
    lane_looks(1);
    assert_int_equal(look(), PORT_RESTARTED);
    assert_int_equal(device.resets, 1);
}

static void a_restart_that_fails_is_tried_again_in_a_second(void **state)
{
    open_port("net_iavf", true);
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_UP);
    device.on_reset(PORT_ID, RTE_ETH_EVENT_INTR_RESET, device.arg, NULL);
    device.restart_fails = 2;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(next_news(2 * SECOND_NS), PORT_RESTART_FAILED);
        assert_false(port_is_usable(&port.base));
        assert_int_equal(next_news(SECOND_NS * 8 / 10), PORT_NO_NEWS);
    }
    assert_int_equal(next_news(SECOND_NS), PORT_RESTARTED);
    assert_int_equal(port.base.link.restarts, 1);
    assert_int_equal(port.base.link.restarts_failed, 2);
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_UP);
    assert_true(port_is_usable(&port.base));
}

static void resets_that_do_not_end_leave_a_second_between_two(void **state)
{
    open_port("net_iavf", true);
    uint64_t until = now_ns + 10 * SECOND_NS;
    while (now_ns < until) {
        device.on_reset(PORT_ID, RTE_ETH_EVENT_INTR_RESET, device.arg, NULL);
        next_news(PORT_LOOK_MS * 1000000ull);
    }
    assert_in_range(device.restarts, 5, 10);
}

static void what_the_kernel_wants_back_it_gets(void **state)
{
    open_port("net_e1000_igb_vf", true);
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_UP);
    device.on_event("0000:00:00.0", RTE_DEV_EVENT_ADD, device.arg);
    assert_int_equal(next_news(SECOND_NS), PORT_NO_NEWS);
    device.on_event("0000:00:00.0", RTE_DEV_EVENT_REMOVE, device.arg);
    assert_int_equal(next_news(SECOND_NS), PORT_RELEASED);
    assert_int_equal(device.closes, 1);
    assert_false(port_is_usable(&port.base));
    assert_int_equal(next_news(SECOND_NS), PORT_NO_NEWS);
    assert_int_equal(atomic_load(&port.pause) & 1, 1);
}

/* Also while a restart is awaited that does not succeed. */
static void a_device_that_does_not_start_is_given_back_too(void **state)
{
    open_port("net_iavf", true);
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_UP);
    device.on_reset(PORT_ID, RTE_ETH_EVENT_INTR_RESET, device.arg, NULL);
    device.restart_fails = 1000;
    assert_int_equal(next_news(2 * SECOND_NS), PORT_RESTART_FAILED);
    device.on_event("0000:00:00.0", RTE_DEV_EVENT_REMOVE, device.arg);
    assert_int_equal(next_news(SECOND_NS), PORT_RELEASED);
}

static void interrupts_that_do_not_come_are_told_once(void **state)
{
    open_port("net_e1000_em", true);
    assert_int_equal(next_news(SECOND_NS), PORT_LINK_UP);
    atomic_store(&port.lane[1].is_deaf, true);
    assert_int_equal(next_news(SECOND_NS), PORT_SILENT);
    assert_true(port.base.link.is_silent);
    assert_int_equal(next_news(SECOND_NS), PORT_NO_NEWS);
}

static void add_xstat(void *arg, const char *name, uint64_t value)
{
    char *text = arg;
    snprintf(text + strlen(text), 64, "%s=%lu ", name, (unsigned long)value);
}

static void what_the_device_counts_is_told_by_name(void **state)
{
    char text[256] = "";
    open_port("net_e1000_em", true);
    device.xstats = 3;
    port_dpdk_xstats(&port.base, add_xstat, text);
    assert_string_equal(text, "rx_crc_errors=1 tx_pause=2 ");
    text[0] = '\0';
    for (int i = 0; i < 2; i++) {
        device.xstats = i ? -ENOTSUP : PORT_XSTATS_MAX + 1;
        port_dpdk_xstats(&port.base, add_xstat, text);
    }
    assert_string_equal(text, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_is_told_and_announced_each_time_it_comes_up),
        cmocka_unit_test(the_link_of_a_kernels_interface_is_its_carrier),
        cmocka_unit_test(a_vf_starts_anew_when_its_link_is_back),
        cmocka_unit_test(a_vf_whose_pf_is_down_is_not_up_whatever_it_says),
        cmocka_unit_test(a_vf_is_not_started_anew_while_its_pf_goes_down),
        cmocka_unit_test(a_vf_that_was_never_up_starts_anew_when_it_is),
        cmocka_unit_test(nothing_is_touched_before_every_lane_has_seen_the_pause),
        cmocka_unit_test(a_restart_that_fails_is_tried_again_in_a_second),
        cmocka_unit_test(resets_that_do_not_end_leave_a_second_between_two),
        cmocka_unit_test(what_the_kernel_wants_back_it_gets),
        cmocka_unit_test(a_device_that_does_not_start_is_given_back_too),
        cmocka_unit_test(interrupts_that_do_not_come_are_told_once),
        cmocka_unit_test(what_the_device_counts_is_told_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
