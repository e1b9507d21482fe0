/* pci_device.h
 *
 * A PCI function, as a config names it and /sys knows it.
 *
 *   0000:01:10.2   domain : bus : device . function; without a domain it is 0000
 *
 * sysfs: where /sys is, "/sys" but for tests. Setup only; any thread; touches nothing.
 */
#ifndef HEARTH_PCI_DEVICE_H
#define HEARTH_PCI_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

enum { PCI_ADDRESS_BYTES = 13, PCI_NAME_BYTES = 32 };

/* The address at the start of a port's device string, in full; arguments may follow behind a comma.
 * False: it is none. */
bool pci_device_address(const char *device, char address[PCI_ADDRESS_BYTES]);

/* The kernel's driver that has it. False: none has. */
bool pci_device_driver(const char *sysfs, const char *address, char driver[PCI_NAME_BYTES]);

/* The kernel of this machine has its physical function. */
bool pci_device_is_vf(const char *sysfs, const char *address);

/* A VF whose PF is an interface of this kernel, and that is not up; which one. */
bool pci_device_pf_is_down(const char *sysfs, const char *address, char iface[PCI_NAME_BYTES]);

#endif
