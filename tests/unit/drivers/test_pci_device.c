/* PCI functions, as a config names them, and as a /sys made for the test knows them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "drivers/pci_device.h"

static char sysfs[] = "/tmp/pci_device.XXXXXX";

static void run(const char *format, const char *argument)
{
    char command[512], line[400];
    snprintf(line, sizeof(line), format, argument);
    snprintf(command, sizeof(command), "cd %s && %s", sysfs, line);
    assert_int_equal(system(command), 0);
}

static void addresses_may_be_short(void **state)
{
    static const struct {
        const char *device, *address; /* NULL: none */
    } rows[] = {
        {"0000:01:10.0", "0000:01:10.0"},
        {"01:10.0", "0000:01:10.0"},
        {"AF:1f.7", "0000:af:1f.7"},
        {"10a0:01:10.2", "10a0:01:10.2"},
        {"01:10.0,representor=0", "0000:01:10.0"},
        {"", NULL},
        {"01:10", NULL},
        {"01:10.", NULL},
        {"01:10.0 ", NULL},
        {"01:10.00", NULL},
        {"000:01:10.0", NULL},
        {"0000:01:10.0:1", NULL},
        {"0g:10.0", NULL},
        {"net_tap0,iface=01:10.0", NULL},
        {"auto:eth1", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char address[PCI_ADDRESS_BYTES] = "";
        bool is_one = pci_device_address(rows[i].device, address);
        if (is_one != (rows[i].address != NULL))
            fail_msg("%s: is%s one", rows[i].device, is_one ? "" : " not");
        if (is_one)
            assert_string_equal(address, rows[i].address);
    }
}

static void the_driver_that_has_it_is_named(void **state)
{
    char driver[PCI_NAME_BYTES];
    run("mkdir -p bus/pci/devices/%s && ln -s ../../drivers/igbvf "
        "bus/pci/devices/0000:01:10.0/driver",
        "0000:01:10.0");
    assert_true(pci_device_driver(sysfs, "0000:01:10.0", driver));
    assert_string_equal(driver, "igbvf");
    run("mkdir -p bus/pci/devices/%s", "0000:01:10.2");
    assert_false(pci_device_driver(sysfs, "0000:01:10.2", driver));
    assert_false(pci_device_driver(sysfs, "0000:01:10.4", driver));
}

static void a_vf_knows_whether_its_pf_is_up(void **state)
{
    char iface[PCI_NAME_BYTES];
    assert_false(pci_device_is_vf(sysfs, "0000:01:10.0"));
    assert_false(pci_device_pf_is_down(sysfs, "0000:01:10.0", iface));
    run("mkdir -p pf/net/%s class/net/eth7 && ln -s ../../../../pf "
        "bus/pci/devices/0000:01:10.0/physfn",
        "eth7");
    assert_true(pci_device_is_vf(sysfs, "0000:01:10.0"));
    run("echo %s >class/net/eth7/flags", "0x1002");
    assert_true(pci_device_pf_is_down(sysfs, "0000:01:10.0", iface));
    assert_string_equal(iface, "eth7");
    run("echo %s >class/net/eth7/flags", "0x1003");
    assert_false(pci_device_pf_is_down(sysfs, "0000:01:10.0", iface));
    /* A PF that DPDK has is no interface: nobody can say. */
    run("rm -r pf/net/%s", "eth7");
    assert_false(pci_device_pf_is_down(sysfs, "0000:01:10.0", iface));
}

static int make_sysfs(void **state)
{
    return mkdtemp(sysfs) ? 0 : -1;
}

static int remove_sysfs(void **state)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", sysfs);
    return system(command);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_may_be_short),
        cmocka_unit_test(the_driver_that_has_it_is_named),
        cmocka_unit_test(a_vf_knows_whether_its_pf_is_up),
    };
    return cmocka_run_group_tests(tests, make_sysfs, remove_sysfs);
}
