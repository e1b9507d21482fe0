"""checks.py - what is asked of hearth on PCI, in this order. A check passes if it returns, what it returns is told beside it, and fails by an exception.

A group begins with nothing running, and its checks go on from where the one before left the node. One that left it badly lets the others fail too: the
first is the one to read.
"""

import json
import os
import shutil
import subprocess
import sys
import time

from client import Client, Load, make_certificates, narrow_link
from machine import HERE, PAUSE, ROOT

VFS = ("0000:01:10.0", "0000:01:10.2", "0000:01:10.4")
VLAN = 100
START_SECONDS_MAX = 300

# Known to fail, by their names: why. One that passes all the same fails the run, so that this list tells the truth.
KNOWN = {}

all_checks = []  # (group, description, function)


def check(group, description):
    def register(function):
        all_checks.append((group, description, function))
        return function

    return register


class Bench:
    """A machine, and whoever asks it."""

    def __init__(self, machine):
        self.machine, self.guest = machine, machine.guest
        make_certificates(machine.ctl)
        for script in ("examples/hello", "tests/metal/big"):
            shutil.copytree(os.path.join(ROOT, script), os.path.join(machine.ctl, os.path.basename(script)), dirs_exist_ok=True)
        shutil.copy(os.path.join(HERE, "kept.py"), machine.ctl)
        self.ca = f"{machine.ctl}/ca.pem"
        self.client = Client(self.ca)
        self.ask, self.download = self.client.ask, self.client.download

    def configure(self, device, net=0, host=2, node="m1", cores="1", port="", memory_mb=384, extra=""):
        """What launch, start and await_ready (guest.sh) take: host of net N is 10.99.N.host and fd99:N::host. port: more of `port:`."""
        devices = f'device: "{device}"' if isinstance(device, str) else f"devices: {json.dumps(device)}"
        self.machine.put(f"{node}.yaml", f"""node: {node}
port: {{{devices}, addresses: [10.99.{net}.{host}/24, "fd99:{net}::{host}/64"]{port and ", " + port}}}
cores: [{cores}]
memory_mb: {memory_mb}
listen: {{https: 443}}
certificates: [{{chain: /run/ctl/s.pem, key: /run/ctl/s.key, default: true}}]
zones: [hearth.test]
cells: {{spares: 1, larges: 2}}
limits: {{cpu_ms: 5000}} # the first request after a deploy takes more than the default: V8 is emulated too
store: /run/hearth/{node}/store
run: /run/hearth/{node}
ctl: /run/hearth/{node}/ctl.sock
debug_headers: true
drain_ms: 1000
{extra}""")

    def start(self, *arguments, **options):
        self.configure(*arguments, **options)
        self.guest(f"start {options.get('node', 'm1')}", patience=START_SECONDS_MAX)

    def status(self, node="m1"):
        return json.loads(self.guest(f"ctl {node} status --json"))

    def account(self, node="m1"):
        """Every frame that was received has ended in one counter."""
        stats = json.loads(self.guest(f"ctl {node} stats --json"))
        received = sum(core["port"]["rx_frames"] for core in stats["cores"])
        assert received > 0 and stats["unaccounted"] == 0, f"{stats['unaccounted']} of {received} frames are in no counter"
        return f"{received} frames"

    def doctor(self, node="m1"):
        """What `hearthctl doctor` says of the machine for that node: {check: (state, found, advice)}."""
        checks = json.loads(self.guest(f"$TREE/build/control/hearthctl doctor --config /run/ctl/{node}.yaml --json"))["checks"]
        return {check["name"]: (check["state"], check["found"], check["advice"]) for check in checks}

    def large_frames(self, node="m1"):
        """A card that can has cut some."""
        large, cut = (sum(core["port"][name] for core in json.loads(self.guest(f"ctl {node} stats --json"))["cores"]) for name in ("tx_large", "tx_cut"))
        can = self.status(node)["port"]["tso"]
        assert (large > 0) == can and cut == 0, f"TSO {can}, {large} large frames, {cut} cut by the port"
        return f"{large} large frames" if can else "no TSO"

    def log(self, node="m1"):
        return self.guest(f"cat /run/hearth/{node}/log")


def until(condition, what, patience=30):
    """condition()'s first true value; fails when there is none in time."""
    deadline = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {patience} s for {what}"
        time.sleep(PAUSE)
    return value


def answers(bench, address="10.99.0.2", patience=30):
    """Waits until it does."""
    def is_answered():
        try:
            return bench.ask(address, patience=3)
        except AssertionError:
            return None
    until(is_answered, f"an answer of {address}", patience)


# ---- a virtual function --------------------------------------------------------------------------------------------


@check("vf", "tools/vfs makes three functions and binds them")
def _(bench):
    said = bench.guest("modprobe igb && modprobe vfio-pci && $TREE/tools/vfs eth0 3")
    assert all(address in said for address in VFS), said


@check("vf", "hearthd starts, V8 too, with what its unit allows and no more")
def _(bench):
    bench.start(VFS[0])
    state = bench.guest("grep -hE '^(CapBnd|NoNewPrivs):' /proc/$(pid_of m1)/task/*/status")
    kill, ptrace = 1 << 5, 1 << 19  # one that the unit gives, and one that it does not
    for line in state.splitlines():
        name, value = line.split()
        assert value == "1" if name == "NoNewPrivs:" else int(value, 16) & kill and not int(value, 16) & ptrace, state


@check("vf", "it has the address that tools/vfs gave to it")
def _(bench):
    mac = bench.status()["port"]["mac"]
    assert f"vf 0     link/ether {mac}" in bench.guest("ip link show eth0"), mac
    return mac


@check("vf", "the doctor finds its function, IOMMU, PF and addresses good")
def _(bench):
    said = bench.doctor()
    ill = {name: said.get(name) for name in ("configuration", "function", "iommu", "vf", "link", "addresses", "keys", "store")
           if said.get(name, ("",))[0] != "good"}
    assert not ill, ill


@check("vf", "HTTPS over IPv4")
def _(bench):
    bench.ask("10.99.0.2")


@check("vf", "HTTPS over IPv6 (neighbour discovery)")
def _(bench):
    bench.ask("fd99:0::2")


@check("vf", "1 MB, whole")
def _(bench):
    bench.download("10.99.0.2")
    return bench.large_frames()


@check("vf", "every frame is accounted for")
def _(bench):
    return bench.account()


@check("vf", "the cable is pulled: status says so, and when it is back; then it answers")
def _(bench):
    bench.machine.monitor("set_link n0 off")
    try:
        until(lambda: bench.status()["port"]["link"] == "down", "status to say that the link is down")
    finally:
        bench.machine.monitor("set_link n0 on")
    until(lambda: bench.status()["port"]["link"] == "up", "status to say that the link is up")
    answers(bench)


@check("vf", "its PF goes down and up: not ready meanwhile, then it answers without being started again")
def _(bench):
    bench.guest("ip link set eth0 down")
    try:
        until(lambda: not bench.status()["ready"], "status to say that it is not ready")
        state, found, advice = bench.doctor()["link"]
        assert state == "bad" and "PF eth0 is down" in found and "ip link set eth0 up" in advice, (state, found, advice)
    finally:
        bench.guest("ip link set eth0 up")
    until(lambda: bench.status()["ready"], "status to say that it is ready")
    answers(bench)
    bench.ask("fd99:0::2")


@check("vf", "started again")
def _(bench):
    bench.guest("stop_all")
    bench.start(VFS[0])


@check("vf", "HTTPS again")
def _(bench):
    bench.ask("10.99.0.2")


@check("vf", "tools/vfs does not take a function away that hearthd has, and names who has it")
def _(bench):
    said = bench.guest("timeout 10 $TREE/tools/vfs eth0 0 && echo taken || true")
    pid = bench.guest("pid_of m1").strip()
    assert "taken" not in said and pid in said and VFS[0] in said, said
    answers(bench)


@check("vf", "taken away under load: hearthd lets it go at once, says so and is not ready")
def _(bench):
    with Load(bench.client, "10.99.0.2") as load:
        until(lambda: load.good, "a good answer")
        bench.guest("echo 0 >/sys/class/net/eth0/device/sriov_numvfs", patience=30)
        until(lambda: not bench.status()["ready"], "status to say that it is not ready")
    log = bench.log()
    assert VFS[0] in log.rsplit("step=port", 1)[1], log
    return f"{load.good} requests before"


@check("vf", "made and started again after that")
def _(bench):
    bench.guest("stop_all; $TREE/tools/vfs eth0 3")
    bench.start(VFS[0])
    bench.ask("10.99.0.2")


@check("vf", "started while its PF is down: not ready, and no address of its own making; ready once the PF is up")
def _(bench):
    bench.guest("stop_all; ip link set eth0 down; launch m1")
    try:
        until(lambda: "PF" in bench.log(), "hearthd to say that the PF does not answer")
        assert bench.guest("is_ready m1 && echo ready || echo not ready") == "not ready\n"
    finally:
        bench.guest("ip link set eth0 up")
    bench.guest("await_ready m1 && deploy m1", patience=START_SECONDS_MAX)
    assert bench.status()["port"]["mac"] in bench.guest("ip link show eth0")
    answers(bench)


@check("vf", "one that the kernel's driver has: the error names the driver, and what to do")
def _(bench):
    bench.guest(f"stop_all; give {VFS[1]} igbvf")
    bench.configure(VFS[1])
    try:
        said = bench.guest("launch m1; await_ready m1 && echo started || true")
        assert "started" not in said and "igbvf" in said and "vfio-pci" in said, said
        state, found, _ = bench.doctor()["function"]
        assert state == "bad" and "igbvf" in found, (state, found)
    finally:
        bench.guest(f"give {VFS[1]} vfio-pci")


@check("vf", "port.vlan: it answers there, and not without a tag")
def _(bench):
    bench.guest("stop_all")
    bench.start(VFS[0], net=60, port=f"vlan: {VLAN}")
    bench.guest(f"modprobe 8021q; ip link set eth0 up; ip link add link eth0 name eth0.{VLAN} type vlan id {VLAN}; ip link set eth0.{VLAN} up; "
                f"ip addr add 10.99.60.1/24 dev eth0.{VLAN}")
    bench.guest("ask 10.99.60.2")
    subprocess.run("ip addr add 10.99.60.9/24 dev m0".split(), check=True)
    try:
        assert subprocess.run("ping -c 2 -i 0.3 -W 1 10.99.60.2".split(), stdout=subprocess.DEVNULL).returncode, "an answer without a tag"
    finally:
        subprocess.run("ip addr del 10.99.60.9/24 dev m0".split(), check=True)


@check("vf", "tools/vfs --vlan: the card tags and untags")
def _(bench):
    bench.guest(f"stop_all; $TREE/tools/vfs eth0 3 --vlan {VLAN}")
    bench.start(VFS[0], net=60)
    bench.guest("ask 10.99.60.2")
    bench.guest(f"stop_all; ip link del eth0.{VLAN}; $TREE/tools/vfs eth0 0")


# ---- three nodes of a cluster, each on a function of one card ------------------------------------------------------


NODES = ("m1", "m2", "m3")


@check("cluster", "three nodes start, each on a function of one card, and take each other for serving")
def _(bench):
    hearthctl, ctl = f"{ROOT}/build/control/hearthctl", bench.machine.ctl

    def key(kind, name):
        return subprocess.run([hearthctl, "key", kind, f"{ctl}/{name}"], check=True, capture_output=True, text=True).stdout.strip()

    bench.guest("modprobe igb && modprobe vfio-pci && $TREE/tools/vfs eth0 3")
    key("secret", "secret")
    members = "".join(f'    - {{name: {node}, address: 10.99.0.{2 + i}, key: "{key("new", node + ".key")}"}}\n' for i, node in enumerate(NODES))
    for i, node in enumerate(NODES):
        bench.configure(VFS[i], host=2 + i, node=node, cores=str(i % 2), memory_mb=256,
                        extra=f"cluster:\n  key: /run/ctl/{node}.key\n  secret: /run/ctl/secret\n  port: 4433\n  members:\n{members}")
    # One after the other: three V8s that boot at once may be slower than hearthd waits for its zygote, on a machine that has other work.
    for node in NODES:
        bench.guest(f"launch {node}; await_ready {node}", patience=START_SECONDS_MAX)

    def all_serving():
        seen = [json.loads(bench.guest(f"ctl {node} node status --json"))["members"] for node in NODES]
        return all(member["state"] == "serving" for members in seen for member in members)
    until(all_serving, "all nodes to be serving", patience=60)


@check("cluster", "a request is answered at its home, whichever node it enters")
def _(bench):
    bench.guest(" && ".join(f"deploy {node}" for node in NODES))
    seen = set()
    for script, path in (("hello", "/"), ("big", "/?blocks=1")):
        for i, node in enumerate(NODES):
            answer = bench.ask(f"10.99.0.{2 + i}", script, path)
            home = answer.headers["x-hearth-home"]
            assert answer.headers["x-hearth-path"] == ("here" if home == node else "forwarded"), answer.headers
            seen.add((script, home))
    assert len(seen) == 2, f"the nodes do not agree: {seen}"
    return ", ".join(f"{script} at {home}" for script, home in sorted(seen))


@check("cluster", "1 MB, whole, through each node")
def _(bench):
    for i in range(len(NODES)):
        bench.download(f"10.99.0.{2 + i}")


# ---- whole cards ---------------------------------------------------------------------------------------------------


def whole_card(group, address, net, port="", has_jumbo=False):
    @check(group, "hearthd starts, two cores")
    def _(bench):
        bench.guest(f"give {address} vfio-pci")
        bench.start(address, net=net, cores="1, 1", port=port)
        status = bench.status()["port"]
        assert status["queues"] == 2
        return f"{status['driver']}, checksums {status['checksums_in']} in, {status['checksums_out']} out"

    @check(group, "HTTPS over IPv4")
    def _(bench):
        bench.ask(f"10.99.{net}.2")

    @check(group, "HTTPS over IPv6 (neighbour discovery)")
    def _(bench):
        bench.ask(f"fd99:{net}::2")

    @check(group, "1 MB, whole")
    def _(bench):
        bench.download(f"10.99.{net}.2")
        return bench.large_frames()

    @check(group, "a sleeping core wakes")
    def _(bench):
        return bench.client.wakes(f"10.99.{net}.2")

    @check(group, "every frame is accounted for")
    def _(bench):
        return bench.account()

    if has_jumbo:
        jumbo(group, address, net)


def jumbo(group, address, net):
    @check(group, "port.mtu 9000: packets of 9,000 bytes both ways, and 1 MB")
    def _(bench):
        bench.guest("stop_all")
        subprocess.run(f"ip link set m{net} mtu 9000".split(), check=True)
        try:
            bench.start(address, net=net, cores="1, 1", port="mtu: 9000", memory_mb=512)
            assert bench.status()["port"]["mtu"] == 9000
            bench.ask(f"10.99.{net}.2")
            done = subprocess.run(f"ping -M do -s 8972 -c 3 -i 0.3 10.99.{net}.2".split(), capture_output=True, text=True)
            assert " 3 received" in done.stdout, done.stdout
            bench.download(f"10.99.{net}.2")
            bench.account()
        finally:
            bench.guest("stop_all")
            subprocess.run(f"ip link set m{net} mtu 1500".split(), check=True)


whole_card("igb", "0000:01:00.0", 0, port="gateway4: 10.99.0.1")


@check("igb", "RSS in the card, and a path with a smaller MTU: eight downloads")
def _(bench):
    assert bench.status()["port"]["rss"]
    with narrow_link(bench.ca) as client:
        lost = []
        for _ in range(8):
            try:
                client.download("10.99.0.2", blocks=100, patience=5)
            except AssertionError as error:
                lost.append(str(error))
        assert not lost, f"{len(lost)} of 8 got nothing, or not all: {lost[0]}"


jumbo("igb", "0000:01:00.0", 0)


whole_card("e1000e", "0000:02:00.0", 1, has_jumbo=True)
whole_card("virtio", "0000:03:00.0", 2)
whole_card("vmxnet3", "0000:04:00.0", 3, has_jumbo=True)


# ---- two devices for one address -----------------------------------------------------------------------------------

FUNCTIONS = ("0000:01:00.0", "0000:02:00.0")  # igb and e1000e
ALIKE = ("0000:01:00.0", "0000:05:00.0")  # two igb


def members(bench):
    return bench.status()["port"]["members"]


def active(bench):
    return [member["active"] for member in members(bench)]


@check("failover", "hearthd starts on two whole cards of different kinds, two cores")
def _(bench):
    for command in ("ip addr flush dev m0", "ip addr flush dev m1", "ip addr flush dev m4", "ip link add both type bridge", "ip link set m0 master both",
                    "ip link set m1 master both", "ip link set m4 master both", "ip link set both up", "ip addr add 10.99.0.1/24 dev both", "ip addr add fd99:0::1/64 dev both nodad"):
        subprocess.run(command.split(), check=True)
    bench.guest(" && ".join(f"give {function} vfio-pci" for function in FUNCTIONS))
    bench.start(list(FUNCTIONS), cores="1, 1", port="mode: failover, failback_s: 0", memory_mb=512)
    until(lambda: active(bench) == [True, False], "the first to be active")
    status = bench.status()["port"]
    assert status["driver"] == "net_e1000_igb+net_e1000_em" and not status["rss"], status
    return f"checksums {status['checksums_in']} in, {status['checksums_out']} out"


@check("failover", "HTTPS over IPv4, and over IPv6")
def _(bench):
    bench.ask("10.99.0.2")
    bench.ask("fd99:0::2")


@check("failover", "each cable is pulled in turn: a kept connection goes on over the second card, and over the first again")
def _(bench):
    said = []
    for net, was, then in ((0, [True, False], [False, True]), (1, [False, True], [True, False])):
        assert active(bench) == was
        kept = subprocess.Popen([sys.executable, os.path.join(HERE, "kept.py"), bench.ca, "10.99.0.2", "10"], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)
        bench.machine.monitor(f"set_link n{net} off")
        try:
            until(lambda: active(bench) == then, "the other to be active")
            out = kept.communicate(timeout=60)[0]
        finally:
            bench.machine.monitor(f"set_link n{net} on")
        assert kept.returncode == 0, out
        said.append(out.strip())
        until(lambda: all(member["link"] == "up" for member in members(bench)), "both links")
    return "; ".join(said)


@check("failover", "every frame is accounted for")
def _(bench):
    bench.ask("10.99.0.2")
    log = bench.log()
    assert "why=link-lost" in log, log
    return bench.account()


@check("failover", "the doctor has nothing against two cards")
def _(bench):
    assert bench.doctor()["devices"][0] == "good", bench.doctor()["devices"]
    bench.guest("stop_all")


def pf(bench):
    """What the guest calls the first card: of two igb it is not always eth0."""
    return until(lambda: bench.guest(f"ls /sys/bus/pci/devices/{FUNCTIONS[0]}/net 2>/dev/null || true").strip(), "the card's interface")


@check("failover", "a VF and another card: the VF's PF goes down and up, then the other's cable is pulled: the VF, started anew meanwhile, takes over")
def _(bench):
    bench.guest(f"give {FUNCTIONS[0]} igb")
    name = pf(bench)
    bench.guest(f"ip link set {name} up && $TREE/tools/vfs {name} 1", patience=120)
    bench.start([VFS[0], FUNCTIONS[1]], cores="1, 1", port="mode: failover, failback_s: 0", memory_mb=512)
    until(lambda: all(member["link"] == "up" for member in members(bench)), "both links")
    said = []
    for commands, then in (((f"ip link set {name} down", f"ip link set {name} up"), [False, True]), (("set_link n1 off", "set_link n1 on"), [True, False])):
        run = bench.guest if commands[0].startswith("ip") else bench.machine.monitor
        kept = subprocess.Popen([sys.executable, os.path.join(HERE, "kept.py"), bench.ca, "10.99.0.2", "10"], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)
        run(commands[0])
        try:
            until(lambda: active(bench) == then, "the other to be active")
            out = kept.communicate(timeout=60)[0]
        finally:
            run(commands[1])
        assert kept.returncode == 0, out
        said.append(out.strip())
        until(lambda: all(member["link"] == "up" for member in members(bench)), "both links")
        if then == [False, True]:
            until(lambda: members(bench)[0]["restarts"] == 1, "the VF to be started anew")
    bench.account()
    return "; ".join(said)


@check("failover", "a VF whose PF is down at the start: the node starts without it, and says so")
def _(bench):
    name = pf(bench)
    bench.guest(f"stop_all; ip link set {name} down")
    bench.guest("launch m1; await_ready m1 && deploy m1", patience=START_SECONDS_MAX)
    first, second = members(bench)
    assert first["link"] == "missing" and f"its PF is down: ip link set {name} up" in first["why"] and second["active"], (first, second)
    bench.ask("10.99.0.2")
    bench.guest(f"stop_all; ip link set {name} up; $TREE/tools/vfs {name} 0")


@check("failover", "mode lacp on the two cards: LACP's frames and the first card's address reach both, and both send")
def _(bench):
    bench.guest(f"give {FUNCTIONS[0]} vfio-pci")
    switch = subprocess.Popen([sys.executable, os.path.join(HERE, "lacp_partner.py"), "m0", "m1"])
    try:
        bench.start(list(FUNCTIONS), cores="1, 1", port="mode: lacp", memory_mb=512)
        until(lambda: lacp_states(bench) == ["distributing"] * 2, "both to distribute")
        first, second = members(bench)
        assert bench.status()["port"]["mac"] == first["mac"] != second["mac"]
        for tap in ("m0", "m1"):  # what is sent to the node takes that cable; what it sends, the one of its flow
            subprocess.run(f"bridge fdb replace {first['mac']} dev {tap} master static".split(), check=True)
            for _ in range(12):
                bench.ask("10.99.0.2")
        said = json.loads(bench.guest("ctl m1 stats --json"))["device"]
        sent = [said[function]["tx_good_packets"] for function in FUNCTIONS]
        heard = [said[function]["rx_good_packets"] for function in FUNCTIONS]
        assert min(sent) > 20 and min(heard) > 20, (sent, heard)
        bench.account()
    finally:
        switch.kill()
        switch.wait()
    bench.guest("stop_all")
    return f"frames out {sent[0]} and {sent[1]}, in {heard[0]} and {heard[1]}"


@check("failover", "two cards alike spread by themselves: twelve connections, over both cores, find theirs again by the other card")
def _(bench):
    bench.guest(" && ".join(f"give {function} vfio-pci" for function in ALIKE))
    bench.start(list(ALIKE), cores="1, 1", port="mode: failover, failback_s: 0", memory_mb=512)
    until(lambda: all(member["link"] == "up" for member in members(bench)) and active(bench) == [True, False], "both links, and the first active")
    assert bench.status()["port"]["rss"]
    kept = [subprocess.Popen([sys.executable, os.path.join(HERE, "kept.py"), bench.ca, "10.99.0.2", "15"], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True) for _ in range(12)]

    def conns():
        return [core["conns"] for core in bench.status()["cores"]]
    until(lambda: sum(conns()) == len(kept), "all connections")
    over = conns()
    bench.machine.monitor("set_link n0 off")
    try:
        until(lambda: active(bench) == [False, True], "the other to be active")
        said = [process.communicate(timeout=60)[0].strip() for process in kept]
    finally:
        bench.machine.monitor("set_link n0 on")
    assert min(over) > 0 and not any(process.returncode for process in kept), (over, said)
    bench.account()
    bench.guest("stop_all")
    return f"{over[0]} and {over[1]}; the last: {said[-1]}"


@check("failover", "the network is as it was")
def _(bench):
    for command in ("ip link del both", "ip addr add 10.99.0.1/24 dev m0", "ip addr add fd99:0::1/64 dev m0 nodad", "ip addr add 10.99.1.1/24 dev m1",
                    "ip addr add fd99:1::1/64 dev m1 nodad", "ip addr add 10.99.4.1/24 dev m4", "ip addr add fd99:4::1/64 dev m4 nodad"):
        subprocess.run(command.split(), check=True)


# The switch is the guest's kernel: its bonding driver, over two veth pairs, in a namespace.
SWITCH = """modprobe bonding max_bonds=0 && modprobe veth && ip netns add sw
for i in 0 1; do
    ip link add l$i type veth peer name s$i netns sw
    ip link set l$i up
    ip netns exec sw ethtool -K s$i tx off rx off tso off gso off gro off sg off >/dev/null 2>&1
    ethtool -K l$i gro off >/dev/null 2>&1
done
ip -n sw link set lo up
ip -n sw link add bond0 type bond mode 802.3ad lacp_rate fast miimon 100 xmit_hash_policy layer3+4 ad_actor_system 02:00:00:00:99:01
for i in 0 1; do ip -n sw link set s$i master bond0; done
ip -n sw link set bond0 up
ip -n sw addr add 10.99.70.1/24 dev bond0
ip -n sw addr add fd99:70::1/64 dev bond0 nodad
"""
IN_SWITCH = "ip netns exec sw"


def kept(bench, seconds, meanwhile):
    return bench.guest(f"{IN_SWITCH} python3 /run/ctl/kept.py /run/ctl/ca.pem 10.99.70.2 {seconds} >/tmp/kept 2>&1 & kept=$!; sleep 2; {meanwhile}; "
                       "wait $kept; rc=$?; cat /tmp/kept; exit $rc", patience=120).strip()


def lacp_states(bench):
    return [member["lacp"]["state"] for member in members(bench)]


@check("lacp", "hearthd and Linux's bonding driver take two links for one, within seconds")
def _(bench):
    bench.guest(SWITCH)
    bench.start(["net_af_packet0,iface=l0", "net_af_packet1,iface=l1"], net=70, cores="1, 1", port="mode: lacp", memory_mb=512)
    until(lambda: lacp_states(bench) == ["distributing"] * 2, "both to distribute")
    said = bench.guest(f"{IN_SWITCH} cat /proc/net/bonding/bond0")
    mac = bench.status()["port"]["mac"]
    assert f"Partner Mac Address: {mac}" in said and "Number of ports: 2" in said, said
    assert members(bench)[1]["lacp"]["partner"] == "02:00:00:00:99:01"
    assert bench.doctor()["lacp"][:2] == ("good", "net_af_packet1,iface=l1: with 02:00:00:00:99:01"), bench.doctor()["lacp"]


@check("lacp", "HTTPS over IPv4 and IPv6, and 24 connections over both links, each way")
def _(bench):
    bench.guest(f"{IN_SWITCH} bash -c '. /run/ctl/lib; for i in $(seq 12); do ask 10.99.70.2 && ask [fd99:70::2]; done'", patience=120)
    sent = [int(bench.guest(f"cat /sys/class/net/l{i}/statistics/tx_packets")) for i in (0, 1)]
    heard = [int(bench.guest(f"cat /sys/class/net/l{i}/statistics/rx_packets")) for i in (0, 1)]
    assert min(sent) > 20 and min(heard) > 20, (sent, heard)
    return f"frames out {sent[0]} and {sent[1]}, in {heard[0]} and {heard[1]}"


@check("lacp", "a cable is pulled: a kept connection goes on over the other link; and back")
def _(bench):
    said = []
    for i in (0, 1):
        said.append(kept(bench, 6, f"ip -n sw link set s{i} down"))
        assert lacp_states(bench)[i] == "no link", lacp_states(bench)
        bench.guest(f"ip -n sw link set s{i} up")
        until(lambda: lacp_states(bench) == ["distributing"] * 2, "both to distribute again")
    return "; ".join(said)


@check("lacp", "the switch falls silent with its light on: out after 3 s; without any partner one link goes on alone")
def _(bench):
    bench.guest("ip -n sw link set s1 nomaster; ip -n sw link set s1 up")
    until(lambda: lacp_states(bench) == ["distributing", "no partner"], "the second to have no partner")
    assert active(bench) == [True, False]
    bench.guest("ip -n sw link set s0 nomaster; ip -n sw link set s0 up; ip -n sw link set bond0 down")
    until(lambda: lacp_states(bench) == ["no partner"] * 2, "the first to have none either")
    assert sum(active(bench)) == 1 and bench.status()["ready"]
    bench.guest(f"ip -n sw addr add 10.99.70.1/24 dev s{active(bench).index(True)}")
    state, found, advice = bench.doctor()["lacp"]
    assert state == "bad" and "does not speak LACP" in found and "failover" in advice, (state, found, advice)
    bench.guest(f"{IN_SWITCH} bash -c '. /run/ctl/lib; ask 10.99.70.2'")
    log = bench.log()
    bench.account()
    bench.guest("stop_all; ip netns del sw")
    assert "why=lacp" in log and 'lacp="no partner"' in log, log
