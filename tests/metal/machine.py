"""machine.py - the virtual machine: started, given commands, ended. Everything is emulated (TCG), so it needs neither KVM nor a card.

There is no image: an initramfs mounts this machine's / over 9p, read-only, under an overlay in memory, so guest and host have the same libraries and the
same hearth. A second 9p share, ctl, has no cache and carries commands in and results out. What is in it is this run's only.

Memory is below 2816 MB on purpose: then all PCI windows lie below 4 GiB. QEMU 10.0 forgets the upper half of a virtual function's BAR; with it above 4 GiB,
where SeaBIOS puts it as soon as any memory is there, no register write arrives, and the function never hears from its PF.

Seconds of patience are for a busy machine: nothing here takes a tenth of them on a quiet one.
"""

import glob
import os
import shlex
import shutil
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", ".."))
MEMORY_MB, HUGEPAGES = 2800, 480
BOOT_SECONDS_MAX = 300
PAUSE = 0.02  # between two looks for something that another process does

# Each on a root port of its own and behind the tap mN: the kernel's net N is 10.99.N.0/24 and fd99:N::/64, here .1.
CARDS = ("igb", "e1000e", "virtio-net-pci", "vmxnet3", "igb")
EXTRA = {"virtio-net-pci": ",disable-legacy=on,iommu_platform=on,mq=on,vectors=6"}
QUEUES = {"virtio-net-pci": 2}

INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc; $b mount -t sysfs sys /sys; $b mount -t devtmpfs dev /dev
for m in $($b cat /modules/order); do $b insmod /modules/$m; done
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro host /lower
$b mount -t tmpfs -o size=1g tmpfs /upper; $b mkdir /upper/u /upper/w
$b mount -t overlay -o lowerdir=/lower,upperdir=/upper/u,workdir=/upper/w overlay /root
$b mount --move /dev /root/dev; $b umount /proc /sys
exec $b switch_root /root /bin/bash {init} {packages} {release}
"""


class Gone(Exception):
    """The virtual machine has ended."""


class Machine:
    def __init__(self, packages, work):
        self.packages, self.work = packages, work
        self.ctl = os.path.join(work, "ctl")
        self.commands = 0
        self.process = None

    # ---- start and end ----

    def start(self):
        """In a network namespace of its own. Returns when the guest takes commands."""
        shutil.rmtree(self.ctl, ignore_errors=True)
        os.makedirs(self.ctl)
        self.put("lib", f"TREE={shlex.quote(ROOT)}\n" + read(os.path.join(HERE, "guest.sh")))
        self._make_initramfs()
        for net, card in enumerate(CARDS):
            self._make_tap(net, QUEUES.get(card, 1))
        with open(self.file("qemu.log"), "w") as log:
            self.process = subprocess.Popen(self._command(), env=self.packages.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self._await("up", BOOT_SECONDS_MAX, "the guest to come up")
        except (Gone, AssertionError) as error:
            raise AssertionError(f"{error}\n" + read(self.file("qemu.log")) + read(self.file("console"))) from None

    def stop(self):
        """Nothing in the guest is worth an orderly end: what it wrote is in memory."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def _make_tap(self, net, queues):
        name = f"m{net}"
        for command in (f"ip tuntap add {name} mode tap" + (" multi_queue" if queues > 1 else ""), f"ip link set {name} up",
                        f"ip addr add 10.99.{net}.1/24 dev {name}", f"ip addr add fd99:{net}::1/64 dev {name} nodad",
                        f"ethtool -K {name} tso off gso off gro off"):
            subprocess.run(command.split(), check=True, stdout=subprocess.DEVNULL)

    def _make_initramfs(self):
        folder, root, release = self.file("initramfs"), self.packages.root, self.packages.release
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("bin", "dev", "proc", "sys", "modules", "lower", "upper", "root"):
            os.makedirs(os.path.join(folder, name))
        shutil.copy(glob.glob(f"{root}/**/bin/busybox", recursive=True)[0], f"{folder}/bin/busybox")
        needed = []
        for module in ("virtio_pci", "9pnet_virtio", "9p", "overlay"):
            shown = self.packages.run("bin/modprobe", "-d", root, "-S", release, "--show-depends", module)
            needed += [line.split()[1] for line in shown.splitlines() if line.startswith("insmod ")]
        needed = list(dict.fromkeys(needed))
        for path in needed:
            shutil.copy(path, f"{folder}/modules/")
        write(f"{folder}/modules/order", "".join(os.path.basename(path) + "\n" for path in needed))
        write(f"{folder}/init", INIT.format(init=os.path.join(HERE, "guest-init"), packages=root, release=release))
        os.chmod(f"{folder}/init", 0o755)
        subprocess.run(f"find . | ./bin/busybox cpio -o -H newc 2>/dev/null | gzip -1 >{self.file('initramfs.gz')}", shell=True, check=True, cwd=folder)

    def _command(self):
        root, release = self.packages.root, self.packages.release
        command = [
            f"{root}/usr/bin/qemu-system-x86_64", "-L", f"{root}/usr/share/qemu", "-L", f"{root}/usr/share/seabios",
            "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MB),
            "-nodefaults", "-no-reboot", "-display", "none", "-device", "intel-iommu,intremap=on,caching-mode=on",
            "-kernel", f"{root}/boot/vmlinuz-{release}", "-initrd", self.file("initramfs.gz"), "-append",
            f"console=ttyS0 quiet intel_iommu=on iommu=pt hugepages={HUGEPAGES} mitigations=off tsc=reliable",
            "-serial", f"file:{self.file('console')}", "-monitor", f"unix:{self.file('monitor')},server,nowait",
            "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
            "-virtfs", f"local,path={self.ctl},mount_tag=ctl,security_model=none"]
        for net, card in enumerate(CARDS):
            queues = f",queues={QUEUES[card]}" if card in QUEUES else ""
            # No boot ROMs: ten seconds less.
            command += ["-netdev", f"tap,id=n{net},ifname=m{net},script=no,downscript=no{queues}",
                        "-device", f"pcie-root-port,id=p{net},slot={net + 1}",
                        "-device", f"{card},bus=p{net},netdev=n{net},romfile=,mac=52:54:00:00:{net:02x}:10{EXTRA.get(card, '')}"]
        return command

    # ---- while it runs ----

    def file(self, name):
        return os.path.join(self.work, name)

    def put(self, name, text):
        """A file that the guest sees as /run/ctl/NAME, whole."""
        write(os.path.join(self.ctl, f".{name}"), text)
        os.rename(os.path.join(self.ctl, f".{name}"), os.path.join(self.ctl, name))

    def guest(self, commands, patience=60):
        """Runs them there in a shell, with guest.sh; their output. Fails as they do."""
        self.commands += 1
        name = f"{self.commands:03d}"
        self.put(f"{name}.sh", f". /run/ctl/lib\n{commands}\n")
        self._await(f"{name}.rc", patience, f"`{commands}` in the guest")
        said = read(os.path.join(self.ctl, f"{name}.out"))
        status = read(os.path.join(self.ctl, f"{name}.rc")).strip()
        assert status == "0", f"`{commands}` in the guest: exit {status}: {said.strip()}"
        return said

    def monitor(self, command):
        """One line to QEMU's monitor, and its answer waited for."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(30)
            peer.connect(self.file("monitor"))
            until_prompt(peer)
            peer.sendall(command.encode() + b"\n")
            until_prompt(peer)

    def _await(self, name, patience, what):
        deadline = time.monotonic() + patience
        while not os.path.exists(os.path.join(self.ctl, name)):
            if self.process.poll() is not None:
                raise Gone("the virtual machine has ended: build/metal/qemu.log, build/metal/console")
            assert time.monotonic() < deadline, f"waited {patience} s for {what}"
            time.sleep(PAUSE)


def until_prompt(peer):
    said = b""
    while b"(qemu) " not in said:
        more = peer.recv(4096)
        if not more:
            raise Gone("QEMU has closed its monitor")
        said += more


def read(path):
    with open(path, errors="replace") as file:
        return file.read()


def write(path, text):
    with open(path, "w") as file:
        file.write(text)
