"""A node of two dp cores, which share the frames of one port and the cells."""

import contextlib
import hashlib
import os
import signal
import subprocess
import tempfile

from cases import case
from load import Load
from node import ADDRESS, ADDRESS6, CA, cell_pids, counter, ctl_json, curl, get, run, unaccounted, until


@case("two cores: both serve connections, over IPv4 and IPv6, and account for every frame")
def _():
    for address in (ADDRESS, ADDRESS6):
        for _ in range(40):
            assert get(address=address).status == 200
    cores = ctl_json("stats")["cores"]
    served = [core["counters"]["http_requests"] for core in cores]
    assert len(served) == 2 and min(served) > 0, served
    assert unaccounted() == 0
    return f"{served[0]} and {served[1]} requests"


@case("two cores: 10 MB through an echo on connections of both, unharmed")
def _():
    with tempfile.NamedTemporaryFile() as sent, tempfile.NamedTemporaryFile() as received:
        body = os.urandom(10 << 20)
        sent.write(body)
        sent.flush()
        for _ in range(4):
            curl("--fail", "-T", sent.name, "-o", received.name, "https://echo.hearth.test/")
            with open(received.name, "rb") as back:
                assert hashlib.sha256(back.read()).digest() == hashlib.sha256(body).digest()


@contextlib.contextmanager
def narrow_link():
    """A client at 10.77.0.150 behind a link of 1000 bytes, which says so by ICMP when a larger packet comes; it asks for segments of 1460 all the same. What to
    run programs in it with."""
    holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    inside = ["nsenter", "--net", "--target", str(holder.pid)]
    try:
        until(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != os.readlink("/proc/self/ns/net"), "the client's namespace")
        for command in (f"ip link add narrow mtu 1000 type veth peer name eth0 netns {holder.pid}", "ip link set narrow up",
                        "ip route add 10.77.0.150 dev narrow", "sysctl -q net.ipv4.ip_forward=1 net.ipv4.conf.eth0.proxy_arp=1"):
            run(*command.split())
        for command in ("ip addr add 10.77.0.150/32 dev eth0", "ip link set eth0 up mtu 1500", "ip route add 10.77.0.0/24 dev eth0 mtu 1000 advmss 1460",
                        "ip neigh add 10.77.0.1 dev eth0 lladdr {mac}", "ethtool -K eth0 gro off"):
            with open("/sys/class/net/narrow/address") as mac:
                run(*inside, *command.format(mac=mac.read().strip()).split())
        yield inside
    finally:
        subprocess.run("sysctl -q net.ipv4.ip_forward=0 net.ipv4.conf.eth0.proxy_arp=0".split())
        subprocess.run("ip link del narrow".split())
        holder.kill()
        holder.wait()


@case("two cores: a link with a smaller MTU in between, whose ICMP comes to the core that has the connection")
def _():
    reports = counter("net_pmtu")
    with narrow_link() as inside, tempfile.NamedTemporaryFile() as body:
        body.write(os.urandom(100_000))
        body.flush()
        for _ in range(8):
            run(*inside, "curl", "-sSf", "-m", "10", "-o", "/dev/null", "--cacert", CA, "--resolve", f"echo.hearth.test:443:{ADDRESS}",
                "-T", body.name, "https://echo.hearth.test/")
    reports = counter("net_pmtu") - reports
    assert reports >= 8, f"{reports} reports of 8 connections"
    return f"{reports} reports"


@case("kill -9 of a script's cell under load: idempotent requests run again in the next one, but for what was executing: one at most")
def _():
    blows = 5
    with Load() as load:
        for _ in range(blows):
            victims = until(lambda: cell_pids("hello"), "a cell")
            os.kill(victims[0], signal.SIGKILL)
            load.more()
            until(lambda: set(cell_pids("hello")) - set(victims), "the killed cell's successor")
            load.more()
    assert not load.errors, load.errors[:3]
    assert load.statuses() <= {200, 502}, load.statuses()
    suspects = sum(status == 502 for _, status in load.answers)
    assert suspects <= blows, f"{suspects} of {len(load.answers)} answers are 502"
    return f"{len(load.answers)} answers, {suspects} of them 502"
