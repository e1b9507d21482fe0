#!/usr/bin/env python3
"""test_doctor.py HEARTHCTL: machines as trees of files. On a healthy one the doctor complains of nothing; each row below changes a few files of it, and
exactly one check must name that, with what mends it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

HEARTHCTL = os.path.abspath(sys.argv[1])
VF, PF, NIC = "0000:03:10.0", "0000:03:00.0", "enp3s0f0"
PCI = "sys/bus/pci/devices"
CPU = "sys/devices/system/cpu"
YAML = """node: n1
port:
  device: "{device}"
  addresses: [192.0.2.10/24, "2001:db8::10/64"]
cores: [2, 3]
control_cpu: 0
memory_mb: 512
certificates:
  - {{chain: /etc/hearth/site.pem, key: /etc/hearth/site.key, default: true}}
zones: [hearth.test]
cells: {{cpus: [4, 5]}}
user: hearth
"""
UNIT = """[Service]
LimitNOFILE=1048576
LimitMEMLOCK=infinity
Delegate=cpu memory pids
ProtectHome=yes
ProtectSystem=full
"""


class Tree:
    """A machine below a directory."""

    def __init__(self, root):
        self.root = root

    def at(self, path):
        return os.path.join(self.root, path)

    def write(self, path, text="", mode=0o644):
        self.take(path)
        os.makedirs(os.path.dirname(self.at(path)), exist_ok=True)
        with open(self.at(path), "w") as file:
            file.write(text)
        os.chmod(self.at(path), mode)

    def dir(self, path):
        os.makedirs(self.at(path), exist_ok=True)

    def link(self, path, target):
        self.take(path)
        os.makedirs(os.path.dirname(self.at(path)), exist_ok=True)
        os.symlink(target, self.at(path))

    def take(self, path):
        if os.path.islink(self.at(path)) or os.path.isfile(self.at(path)):
            os.unlink(self.at(path))
        elif os.path.isdir(self.at(path)):
            shutil.rmtree(self.at(path))

    def replace(self, path, old, new):
        with open(self.at(path)) as file:
            text = file.read()
        assert old in text, f"{path}: no {old!r}"
        self.write(path, text.replace(old, new))

    def config(self, old, new):
        self.replace("etc/hearth/hearth.yaml", old, new)

    def examine(self):
        """{name of a check that is not good: [(state, found, advice)...]}"""
        done = subprocess.run([HEARTHCTL, "doctor", "--root", self.root, "--json"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        ill = {}
        for check in json.loads(done.stdout)["checks"]:
            if check["state"] == "good":
                assert not check["advice"], check
            elif check["name"] != "tls":  # of this program, not of the machine
                ill.setdefault(check["name"], []).append((check["state"], check["found"], check["advice"]))
        return ill


def certificate(tree, name, alternatives, start, end):
    """A self-signed one, by `openssl ca`, for which an end in the past is as good as any."""
    at = tree.at("etc/hearth/" + name)
    with tempfile.TemporaryDirectory() as work:
        for file, text in (("index", ""), ("serial", "01"), ("ext", f"subjectAltName={alternatives}\n"),
                           ("cnf", f"[ca]\ndefault_ca=c\n[c]\ndatabase={work}/index\nserial={work}/serial\nnew_certs_dir={work}\n"
                                   "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")):
            with open(f"{work}/{file}", "w") as out:
                out.write(text)
        for command in (["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", at + ".key"],
                        ["openssl", "req", "-new", "-key", at + ".key", "-subj", "/CN=common.test", "-out", f"{work}/csr"],
                        ["openssl", "ca", "-batch", "-notext", "-selfsign", "-config", f"{work}/cnf", "-keyfile", at + ".key", "-in", f"{work}/csr",
                         "-out", at + ".pem", "-startdate", start, "-enddate", end, "-extfile", f"{work}/ext"]):
            subprocess.run(command, check=True, capture_output=True)
    os.chmod(at + ".key", 0o640)


def make_function(t, address, driver, class_="0x020000", group=None):
    t.dir(f"sys/bus/pci/drivers/{driver}")
    t.write(f"{PCI}/{address}/class", class_ + "\n")
    t.write(f"{PCI}/{address}/numa_node", "0\n")
    t.link(f"{PCI}/{address}/driver", f"../../../../bus/pci/drivers/{driver}")
    if group:
        t.link(f"{PCI}/{address}/iommu_group", f"../../../../kernel/iommu_groups/{group}")
        t.dir(f"sys/kernel/iommu_groups/{group}/devices/{address}")


def make_machine(t):
    """Eight CPUs on two nodes, an 82576 with its VFs on the first, booted and set up as docs/bare-metal.md says."""
    for key, value in {"kernel/osrelease": "6.1.0-28-amd64", "kernel/pid_max": "4194304", "kernel/threads-max": "256000", "vm/max_map_count": "65530",
                       "fs/nr_open": "1073741816", "user/max_user_namespaces": "127000", "kernel/unprivileged_userns_clone": "1"}.items():
        t.write(f"proc/sys/{key}", value + "\n")
    t.write("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro intel_iommu=on iommu=pt hugepages=1024 isolcpus=2-3 nohz_full=2-3 rcu_nocbs=2-3\n")
    t.write("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu aes vaes constant_tsc nonstop_tsc\n")
    t.write("proc/meminfo", "MemTotal:       16384000 kB\nSwapTotal:             0 kB\nHugePages_Total:    1024\nHugePages_Free:     1024\nHugepagesize:       2048 kB\n")
    t.write("proc/self/mounts", "/dev/sda1 / ext4 rw,relatime 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\nnone /dev/hugepages hugetlbfs rw 0 0\n")
    t.write("proc/self/mountinfo", f"24 1 0:22 / {t.at('sys/fs/cgroup')} rw,nosuid - cgroup2 cgroup2 rw\n")
    t.write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")
    t.write("proc/1/comm", "systemd\n")
    t.write("proc/irq/30/effective_affinity_list", "1\n")
    t.dir(f"proc/irq/30/{NIC}")
    t.write("proc/irq/31/effective_affinity_list", "2\n")  # nobody's
    t.write("proc/net/fib_trie", "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 198.51.100.7\n        /32 host LOCAL\n     |-- 192.0.2.10\n        /32 link UNICAST\n")
    t.write("proc/net/if_inet6", "00000000000000000000000000000001 01 80 10 80       lo\n")
    t.write("proc/net/tcp", "  sl  local_address rem_address   st\n   0: 00000000:0016 00000000:0000 0A 00000000:00000000\n")
    t.write("proc/net/tcp6", "  sl  local_address rem_address   st\n")

    t.write(f"{CPU}/online", "0-7\n")
    t.write(f"{CPU}/isolated", "2-3\n")
    t.write(f"{CPU}/nohz_full", "2-3\n")
    for cpu in range(8):
        t.write(f"{CPU}/cpu{cpu}/cpufreq/scaling_governor", "performance\n")
        t.write(f"{CPU}/cpu{cpu}/topology/thread_siblings_list", f"{cpu}\n")
        for state, (name, latency) in enumerate((("POLL", 0), ("C1", 2), ("C6", 133))):
            t.write(f"{CPU}/cpu{cpu}/cpuidle/state{state}/name", name + "\n")
            t.write(f"{CPU}/cpu{cpu}/cpuidle/state{state}/latency", f"{latency}\n")
            t.write(f"{CPU}/cpu{cpu}/cpuidle/state{state}/disable", f"{int(latency > 50)}\n")
    for node, cpus in enumerate(("0-3", "4-7")):
        t.write(f"sys/devices/system/node/node{node}/cpulist", cpus + "\n")
        t.write(f"sys/devices/system/node/node{node}/hugepages/hugepages-2048kB/nr_hugepages", "512\n")
    t.write("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n")
    t.write("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n")

    t.dir("sys/firmware/acpi/tables")
    t.write("sys/firmware/acpi/tables/DMAR", "DMAR")
    t.write("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n")
    t.write("dev/vfio/vfio")
    make_function(t, PF, "igb", group=6)
    for key, value in {"sriov_totalvfs": 7, "sriov_numvfs": 2, "sriov_offset": 128, "sriov_stride": 2, "current_link_width": 4, "max_link_width": 4,
                       "current_link_speed": "5.0 GT/s PCIe", "max_link_speed": "5.0 GT/s PCIe"}.items():
        t.write(f"{PCI}/{PF}/{key}", f"{value}\n")
    t.dir(f"{PCI}/{PF}/net/{NIC}")
    make_function(t, VF, "vfio-pci", group=7)
    t.link(f"{PCI}/{VF}/physfn", f"../{PF}")
    for iface in (NIC, "eth9"):
        t.write(f"sys/class/net/{iface}/flags", "0x1003\n")
        t.write(f"sys/class/net/{iface}/carrier", "1\n")
        t.write(f"sys/class/net/{iface}/mtu", "1500\n")

    t.write("run/ip-link.json", json.dumps([{"ifname": "lo"}, {"ifname": NIC, "vfinfo_list": [
        {"vf": 0, "address": "02:9c:4e:11:d2:00", "vlan_list": [{"vlan": 0}], "link_state": "auto", "trust": True},
        {"vf": 1, "address": "00:00:00:00:00:00", "link_state": "disable"}]}]))

    t.write("etc/hearth/hearth.yaml", YAML.format(device=VF))
    t.write("etc/passwd", "root:x:0:0::/root:/bin/sh\nhearth:x:998:998::/:/bin/false\n")
    t.write("etc/systemd/system/hearth.service", UNIT)
    t.dir("var/lib/hearth")
    certificate(t, "site", "DNS:hearth.test,DNS:*.hearth.test", "20200101000000Z", "20491231235959Z")
    certificate(t, "old", "DNS:hearth.test,DNS:*.hearth.test", "20200101000000Z", "20210101000000Z")
    certificate(t, "other", "DNS:other.test,DNS:*.other.test", "20200101000000Z", "20491231235959Z")


def all_cores(path, text):
    def change(t):
        for cpu in (2, 3):
            t.write(f"{CPU}/cpu{cpu}/{path}", text)
    return change


def no_iommu(t, cmdline=("intel_iommu=on iommu=pt ", "")):
    t.take("sys/kernel/iommu_groups")
    t.take(f"{PCI}/{VF}/iommu_group")
    t.replace("proc/cmdline", *cmdline)


def no_firmware_iommu(t):
    no_iommu(t)
    t.take("sys/firmware/acpi/tables/DMAR")


def no_driver(t):
    t.take(f"{PCI}/{VF}/driver")


def no_vfio(t):
    no_driver(t)
    t.take("sys/bus/pci/drivers/vfio-pci")


def no_functions(t):
    t.take(f"{PCI}/{VF}")
    t.write(f"{PCI}/{PF}/sriov_numvfs", "0\n")


def shared_group(t):
    make_function(t, "0000:03:11.0", "e1000e", group=7)


def kernel_address(t):
    t.replace("proc/net/fib_trie", "/32 link UNICAST", "/32 host LOCAL")


def kernel_listens(t):
    kernel_address(t)
    t.replace("proc/net/tcp", ":0016", ":01BB")


def kernel_has_v6(t):
    t.write("proc/net/if_inet6", "20010db8000000000000000000000010 02 40 00 80   enp4s0\n")


def on_interface(*changes):
    def change(t):
        t.config(VF, "auto:eth9")
        for path, text in changes:
            t.write(path, text)
    return change


def large_mtu(t):
    t.config("  addresses", "  mtu: 9000\n  addresses")


def twice_a_name(t):
    key = "q1dM9rZpA0Z2eR4yE4c1oWm3zqXv1kq4b1v5m4o2Yms="
    t.config("zones:", "cluster:\n  key: /etc/hearth/site.key\n  secret: /etc/hearth/site.key\n  members:\n"
             f"    - {{name: n1, address: 192.0.2.10, key: {key}, cores: 2}}\n    - {{name: n1, address: 192.0.2.11, key: {key[1:-1]}A=, cores: 2}}\nzones:")


def irqbalance(t):
    t.write("proc/812/comm", "irqbalance\n")
    t.write(f"{CPU}/isolated", "\n")


def shared_threads(t):
    t.write(f"{CPU}/cpu2/topology/thread_siblings_list", "2,4\n")


def home_key(t):
    t.config("/etc/hearth/site.key", "/root/site.key")
    t.dir("root")
    shutil.copy(t.at("etc/hearth/site.key"), t.at("root/site.key"))



OTHER = "0000:05:00.0"  # a card of its own


def two_devices(second, more=lambda t: None):
    """The VF of the first card, and that one."""
    def change(t):
        if second == "0000:03:10.2":
            make_function(t, second, "vfio-pci", group=8)
            t.link(f"{PCI}/{second}/physfn", f"../{PF}")
        t.config(f'device: "{VF}"', f'devices: ["{VF}", "{second}"]')
        more(t)
    return change


def speeds(first, second):
    return lambda t: (t.write(f"sys/class/net/{NIC}/speed", f"{first}\n"), t.write("sys/class/net/eth9/speed", f"{second}\n"))


def on_lacp(more):
    """Two interfaces of the kernel."""
    def change(t):
        shutil.copytree(t.at("sys/class/net/eth9"), t.at("sys/class/net/eth8"))
        t.config(f'device: "{VF}"', 'mode: lacp\n  devices: ["auto:eth9", "auto:eth8"]')
        more(t)
    return change


def partners(*states):
    """What hearthd would say of them."""
    return lambda t: t.write("run/status.json", json.dumps({"port": {"members": [
        {"device": device, "lacp": {"state": state, "partner": f"02:00:00:00:00:0{i + 1}", "key": 7}}
        for i, (device, state) in enumerate(zip(("one", "two"), states))]}}))


# What is wrong, what changes in the healthy machine, the check that must tell, its state, a part of what it found and of what mends it.
SEEDS = [
    ("a kernel that is too old", lambda t: t.write("proc/sys/kernel/osrelease", "5.4.0\n"), "kernel", "bad", "5.4.0", "linux-image"),
    ("users may make no namespaces", lambda t: t.write("proc/sys/kernel/unprivileged_userns_clone", "0\n"), "user namespaces", "advice",
     "unprivileged_userns_clone", "sysctl -w kernel.unprivileged_userns_clone=1"),
    ("no cgroup shares CPUs", lambda t: t.write("proc/self/mountinfo", ""), "control groups", "advice", "no cgroup", "mount -t cgroup2"),
    ("the kernel has given the TSC up", lambda t: t.write("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n"), "clock", "advice",
     "hpet", "echo tsc"),
    ("no AES in the CPU", lambda t: t.replace("proc/cpuinfo", " aes vaes", ""), "aes", "advice", "none", "firmware"),
    ("scripts can read other processes", lambda t: t.replace("proc/cmdline", " ro ", " ro mitigations=off "), "speculation", "bad", "mitigations=off",
     "update-grub"),
    ("too few processes for the cells", lambda t: t.write("proc/sys/kernel/pid_max", "2048\n"), "bounds", "advice", "kernel/pid_max is 2048",
     "sysctl -w kernel/pid_max="),
    ("too few maps for the cells", lambda t: t.write("proc/sys/vm/max_map_count", "2000\n"), "bounds", "advice", "max_map_count", "sysctl -w vm/max_map_count="),
    ("a core on a CPU that is not there", lambda t: t.config("cores: [2, 3]", "cores: [2, 9]"), "cpus", "bad", "no CPU 9", "among 0-7"),
    ("cores that are not isolated", lambda t: t.write(f"{CPU}/isolated", "3\n"), "isolation", "advice", "CPU 2 of cores: is not in isolcpus", "isolcpus=2-3"),
    ("a tick on the cores", lambda t: t.write(f"{CPU}/nohz_full", "\n"), "isolation", "advice", "nohz_full", "nohz_full=2-3"),
    ("RCU's callbacks on the cores", lambda t: t.replace("proc/cmdline", " rcu_nocbs=2-3", ""), "isolation", "advice", "rcu_nocbs", "rcu_nocbs=2-3"),
    ("a governor that saves power", all_cores("cpufreq/scaling_governor", "powersave\n"), "governor", "advice", "powersave", "cpupower frequency-set"),
    ("deep sleep", all_cores("cpuidle/state2/disable", "0\n"), "idle states", "advice", "C6, 133 us", "idle-set -D"),
    ("cells on the other thread of a core's CPU", shared_threads, "sharing", "advice", "CPU 4, in cells.cpus, is the other thread of CPU 2", "cpu4/online"),
    ("cells on a core's CPU", lambda t: t.config("cpus: [4, 5]", "cpus: [3, 5]"), "sharing", "advice", "CPU 3", "of their own"),
    ("interrupts on a core", lambda t: t.write("proc/irq/30/effective_affinity_list", "3\n"), "interrupts", "advice", "30", "echo 0-1,4-7 > /proc/irq"),
    ("irqbalance may use the cores", irqbalance, "interrupts", "advice", "irqbalance", "IRQBALANCE_BANNED_CPULIST=2-3"),
    ("cores away from the card", lambda t: [t.write(f"{PCI}/{VF}/numa_node", "1\n")], "numa", "advice", "CPU 2-3 of cores: is not on node 1", "among 4-7"),
    ("no hugepages", lambda t: t.replace("proc/meminfo", "1024", "0"), "hugepages", "advice", "0 of 2048 KiB", "vm.nr_hugepages=256"),
    ("too few hugepages", lambda t: t.replace("proc/meminfo", "1024", "100"), "hugepages", "advice", "wants 256", "vm.nr_hugepages=256"),
    ("hugepages on the other node", lambda t: t.write("sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "0\n"), "hugepages of nodes",
     "advice", "0 on node 0", "node0/hugepages"),
    ("memif without hugetlbfs", lambda t: (t.config(VF, "net_memif0,role=server,socket=/run/x"), t.replace("proc/self/mounts", "hugetlbfs", "tmpfs")),
     "hugetlbfs", "advice", "memif", "mount -t hugetlbfs"),
    ("swap", lambda t: t.replace("proc/meminfo", "SwapTotal:             0", "SwapTotal:       8388608"), "swap", "advice", "8192 MB", "swapoff -a"),
    ("large pages for everybody", lambda t: t.write("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"), "large pages", "advice",
     "everybody", "echo madvise"),
    ("cells that have more memory than there is", lambda t: t.config("cells: {cpus", "cells: {memory_mb: 15000, cpus"), "memory", "bad", "15000",
     "memory_mb: 13"),
    ("the IOMMU is off at boot", lambda t: no_iommu(t, ("intel_iommu=on", "intel_iommu=off")), "iommu", "bad", "switched off", "intel_iommu=on"),
    ("the kernel was not told of the IOMMU", no_iommu, "iommu", "bad", "not told", "intel_iommu=on"),
    ("no IOMMU in the firmware", no_firmware_iommu, "iommu", "bad", "firmware offers none", "VT-d"),
    ("vfio without an IOMMU", lambda t: t.write("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n"), "iommu", "bad", "do without",
     "enable_unsafe_noiommu_mode"),
    ("a function that is not there", lambda t: t.config(VF, "0000:05:00.0"), "function", "bad", "no PCI function 0000:05:00.0", "lspci -D"),
    ("no VFs after a reboot", no_functions, "function", "bad", f"virtual function 0 of {NIC}", f"tools/vfs {NIC} 1"),
    ("a function that the kernel's driver has", lambda t: make_function(t, VF, "igbvf", group=7), "function", "bad", "igbvf", f"echo {VF} > /sys/bus/pci/drivers"),
    ("a function that no driver has", no_driver, "function", "bad", "no driver", "driver_override"),
    ("vfio-pci is not loaded", no_vfio, "function", "bad", "vfio-pci", "modprobe vfio-pci"),
    ("a container without /dev/vfio", lambda t: t.take("dev/vfio"), "function", "bad", "/dev/vfio/vfio", "--device /dev/vfio"),
    ("a group shared with another device", shared_group, "function", "bad", "group 7", "0000:03:11.0/driver_override"),
    ("a narrow slot", lambda t: t.write(f"{PCI}/{PF}/current_link_width", "1\n"), "lanes", "advice", "1 lanes of 5.0 GT/s", "lspci -vv -s 0000:03:00.0"),
    ("a PF that is down", lambda t: t.write(f"sys/class/net/{NIC}/flags", "0x1002\n"), "link", "bad", f"its PF {NIC} is down", f"ip link set {NIC} up"),
    ("no cable", lambda t: t.write(f"sys/class/net/{NIC}/carrier", "0\n"), "link", "bad", "no carrier", f"ethtool {NIC}"),
    ("a VF without a MAC", lambda t: t.replace("run/ip-link.json", "02:9c:4e:11:d2:00", "00:00:00:00:00:00"), "vf", "advice", f"function 0 of {NIC} has no MAC",
     f"ip link set {NIC} vf 0 mac"),
    ("a VF whose link is off", lambda t: t.replace("run/ip-link.json", '"auto"', '"disable"'), "vf", "bad", "is off", f"ip link set {NIC} vf 0 state auto"),
    ("two tags", lambda t: (t.replace("run/ip-link.json", '"vlan": 0', '"vlan": 100'), t.config("  addresses", "  vlan: 100\n  addresses")), "vf", "bad",
     "VLAN 100", f"ip link set {NIC} vf 0 vlan 0"),
    ("two functions of one PF", two_devices("0000:03:10.2"), "devices", "bad", f"both of {PF}", "another card"),
    ("two ports of one card", two_devices("0000:03:00.1", lambda t: make_function(t, "0000:03:00.1", "vfio-pci", group=8)), "devices", "advice", "of one card",
     "A card that fails"),
    ("the second device is held by the kernel", two_devices(OTHER, lambda t: make_function(t, OTHER, "igb", group=8)), "function", "bad", f"{OTHER} is held",
     f"echo {OTHER} > /sys/bus/pci/drivers"),
    ("a VF of two devices whose link is always up", two_devices("auto:eth9", lambda t: t.replace("run/ip-link.json", '"auto"', '"enable"')), "vf", "bad",
     f"function 0 of {NIC} is always up", f"ip link set {NIC} vf 0 state auto"),
    ("the second device has no cable", two_devices("auto:eth9", lambda t: t.write("sys/class/net/eth9/carrier", "0\n")), "link", "bad", "eth9 has no carrier",
     "ethtool eth9"),
    ("an interface twice", lambda t: t.config(f'device: "{VF}"', 'devices: ["auto:eth9", "net_af_packet1,iface=eth9"]'), "devices", "bad", "both of eth9",
     "two interfaces"),
    ("two devices of different speed", two_devices("auto:eth9", speeds(25000, 10000)), "speeds", "advice", f"{NIC} has 25000 Mb/s, eth9 has 10000", "faster one"),
    ("LACP over links of different speed", on_lacp(lambda t: (t.write("sys/class/net/eth9/speed", "1000\n"), t.write("sys/class/net/eth8/speed", "100\n"))),
     "speeds", "bad", "eth8 has 100", "one speed"),
    ("LACP over a virtual function", two_devices("auto:eth9", lambda t: t.config("devices:", "mode: lacp\n  devices:")), "lacp", "bad", f"{VF} is a virtual",
     "failover"),
    ("LACP without a partner", on_lacp(partners("distributing", "no partner")), "lacp", "bad", "two: the switch does not speak", "LAG with LACP"),
    ("LACP with two partners", on_lacp(partners("distributing", "another partner")), "lacp", "bad", "02:00:00:00:00:02 key 7", "MLAG"),
    ("an interface that is not there", lambda t: t.config(VF, "auto:eth8"), "link", "bad", "no interface eth8", "ip -br link"),
    ("an interface that is down", on_interface(("sys/class/net/eth9/flags", "0x1002\n")), "link", "bad", "eth9 is down", "ip link set eth9 up"),
    ("an MTU above the PF's", large_mtu, "mtu", "bad", "port.mtu is 9000", f"ip link set {NIC} mtu 9000"),
    ("the kernel has the address as well", kernel_address, "addresses", "bad", "192.0.2.10", "ip addr del 192.0.2.10/24"),
    ("and a program listens there", kernel_listens, "addresses", "bad", "listens at port 443", "ip addr del"),
    ("the kernel has the IPv6 address", kernel_has_v6, "addresses", "bad", "2001:db8::10", "ip addr del 2001:db8::10/64"),
    ("a certificate that has expired", lambda t: t.config("site", "old"), "certificates", "bad", "expired on 2021-01-01", "systemctl reload hearth"),
    ("a zone that no certificate is for", lambda t: t.config("site", "other"), "certificates", "bad", "*.hearth.test", "certbot certonly -d '*.hearth.test'"),
    ("a certificate that is not there", lambda t: t.take("etc/hearth/site.pem"), "certificates", "bad", "site.pem", "hearthctl check"),
    ("a key that all may read", lambda t: os.chmod(t.at("etc/hearth/site.key"), 0o644), "keys", "bad", "mode 0644", "chmod 640 /etc/hearth/site.key"),
    ("a store that is no directory", lambda t: t.write("var/lib/hearth", "x"), "store", "bad", "no directory", "mkdir"),
    ("a store on a read-only file system",
     lambda t: t.write("proc/self/mounts", "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /var/lib ext4 ro,relatime 0 0\n"), "store", "bad", "read-only", "remount,rw"),
    ("a user that is not there", lambda t: t.config("user: hearth", "user: edge"), "user", "bad", "no user edge", "useradd --system edge"),
    ("a unit with User=", lambda t: t.write("etc/systemd/system/hearth.service", UNIT + "User=hearth\n"), "unit", "bad", "User=", "user:"),
    ("a unit without Delegate=", lambda t: t.replace("etc/systemd/system/hearth.service", "Delegate=cpu memory pids\n", ""), "unit", "advice", "Delegate=",
     "systemctl edit hearth"),
    ("a unit that locks too little memory", lambda t: t.replace("etc/systemd/system/hearth.service", "=infinity", "=8M"), "unit", "advice", "LimitMEMLOCK= is 8M",
     "LimitMEMLOCK=infinity"),
    ("a unit with few descriptors", lambda t: t.replace("etc/systemd/system/hearth.service", "1048576", "1024"), "unit", "advice", "LimitNOFILE= is 1024",
     "LimitNOFILE="),
    ("a key that the unit hides", home_key, "unit", "bad", "/root/site.key", "mv /root/site.key"),
    ("a word that hearth.yaml does not have", lambda t: t.config("memory_mb:", "memroy_mb:"), "configuration", "bad", 'hearth.yaml:7: memroy_mb: unknown key', "hearthctl check"),
    ("two members of one name", twice_a_name, "configuration", "bad", '"n1" is the name of members[0] too', "hearthctl check"),
]

# Machines that are all right, though not the usual one.
HEALTHY = [
    ("two functions of two cards", two_devices(OTHER, lambda t: make_function(t, OTHER, "vfio-pci", group=8))),
    ("two interfaces and LACP, and a switch that agrees", on_lacp(partners("distributing", "distributing"))),
    ("as docs/bare-metal.md says", lambda t: None),
    ("an interface of the kernel, and no IOMMU", lambda t: (on_interface()(t), t.take("sys/kernel/iommu_groups"))),
    ("mlx5, whose card the kernel has too", lambda t: make_function(t, VF, "mlx5_core", group=7)),
    ("cores that poll may sleep as deep as they like", lambda t: (t.config("user:", "idle: poll\nuser:"), all_cores("cpuidle/state2/disable", "0\n")(t))),
    ("irqbalance, which leaves isolated CPUs alone", lambda t: t.write("proc/812/comm", "irqbalance\n")),
    ("a bridge in the group", lambda t: make_function(t, "0000:00:01.0", "pcieport", "0x060400", group=7)),
    ("a drop-in that mends the unit", lambda t: (t.replace("etc/systemd/system/hearth.service", "Delegate=cpu memory pids\n", ""),
                                                 t.write("etc/systemd/system/hearth.service.d/own.conf", "[Service]\nDelegate=yes\n"))),
    ("a PF that tags, and a port that does not", lambda t: t.replace("run/ip-link.json", '"vlan": 0', '"vlan": 100')),
    ("a VF alone whose link is always up", lambda t: t.replace("run/ip-link.json", '"auto"', '"enable"')),
    ("nobody has asked for the PF's VFs", lambda t: t.take("run/ip-link.json")),
    ("jumbo frames, and a PF that takes them", lambda t: (large_mtu(t), t.write(f"sys/class/net/{NIC}/mtu", "9000\n"))),
    ("one that shows nothing of itself", lambda t: [t.take(path) for path in ("sys/devices", "proc/irq", "proc/net", "etc/systemd")]),
]


def main():
    assert len(SEEDS) >= 25
    with tempfile.TemporaryDirectory(prefix="hearth-test-doctor-") as work:
        machine = os.path.join(work, "machine")
        make_machine(Tree(machine))
        for description, change in HEALTHY:
            with tempfile.TemporaryDirectory(dir=work) as copy:
                tree = copy_of(machine, copy)
                change(tree)
                ill = tree.examine()
                assert not ill, f"{description}: {ill}"
                print(f"ok - healthy: {description}")
        for description, change, name, state, found, advice in SEEDS:
            with tempfile.TemporaryDirectory(dir=work) as copy:
                tree = copy_of(machine, copy)
                change(tree)
                ill = tree.examine()
                whats = set(ill) - allowed_beside(description)
                assert whats == {name}, f"{description}: {ill}"
                said = ill[name]
                assert len(said) == 1, f"{description}: {said}"
                assert said[0][0] == state and found in said[0][1] and advice in said[0][2], f"{description}: {said}"
                print(f"ok - {description}")


def allowed_beside(description):
    """What cannot be wrong alone."""
    return {
        "irqbalance may use the cores": {"isolation"},
        "a core on a CPU that is not there": {"isolation", "numa"},
        "cores away from the card": set(),
        "a function that is not there": set(),
        "two functions of one PF": {"vf"},
    }.get(description, set())


def copy_of(machine, copy):
    shutil.copytree(machine, copy, symlinks=True, dirs_exist_ok=True)
    tree = Tree(copy)
    tree.replace("proc/self/mountinfo", machine, copy)  # where cgroups are mounted is a path of the whole machine's
    return tree


if __name__ == "__main__":
    main()
