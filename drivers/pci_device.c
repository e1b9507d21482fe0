#include "drivers/pci_device.h"

#include <ctype.h>
#include <dirent.h>
#include <libgen.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* x: a hexadecimal digit; the rest is itself. */
static bool has_form(const char *text, const char *form)
{
    for (; *form; form++, text++)
        if (*form == 'x' ? !isxdigit((unsigned char)*text) : *text != *form)
            return false;
    return *text == '\0' || *text == ',';
}

bool pci_device_address(const char *device, char address[PCI_ADDRESS_BYTES])
{
    if (has_form(device, "xxxx:xx:xx.x"))
        snprintf(address, PCI_ADDRESS_BYTES, "%.12s", device);
    else if (has_form(device, "xx:xx.x"))
        snprintf(address, PCI_ADDRESS_BYTES, "0000:%.7s", device);
    else
        return false;
    for (char *p = address; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return true;
}

static void path_of(char path[PATH_MAX], const char *sysfs, const char *address, const char *what)
{
    snprintf(path, PATH_MAX, "%s/bus/pci/devices/%s/%s", sysfs, address, what);
}

bool pci_device_driver(const char *sysfs, const char *address, char driver[PCI_NAME_BYTES])
{
    char path[PATH_MAX], target[PATH_MAX];
    path_of(path, sysfs, address, "driver");
    ssize_t bytes = readlink(path, target, sizeof(target) - 1);
    if (bytes < 0)
        return false;
    target[bytes] = '\0';
    snprintf(driver, PCI_NAME_BYTES, "%s", basename(target));
    return true;
}

bool pci_device_is_vf(const char *sysfs, const char *address)
{
    char path[PATH_MAX];
    path_of(path, sysfs, address, "physfn");
    return access(path, F_OK) == 0;
}

static bool is_up(const char *sysfs, const char *iface)
{
    char path[PATH_MAX], text[32] = "";
    snprintf(path, sizeof(path), "%s/class/net/%s/flags", sysfs, iface);
    FILE *f = fopen(path, "re");
    if (!f)
        return true; /* gone meanwhile */
    bool is_read = fgets(text, sizeof(text), f) != NULL;
    fclose(f);
    return !is_read || (strtoul(text, NULL, 16) & IFF_UP);
}

bool pci_device_pf_is_down(const char *sysfs, const char *address, char iface[PCI_NAME_BYTES])
{
    char path[PATH_MAX];
    bool is_down = false;
    path_of(path, sysfs, address, "physfn/net");
    DIR *dir = opendir(path);
    if (!dir)
        return false;
    for (struct dirent *e; !is_down && (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        is_down = !is_up(sysfs, e->d_name);
        snprintf(iface, PCI_NAME_BYTES, "%.*s", PCI_NAME_BYTES - 1, e->d_name);
    }
    closedir(dir);
    return is_down;
}
