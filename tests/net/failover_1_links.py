"""port.devices, mode failover: links go and come back while clients keep their connections.

A link is lost as behind a switch that dies: the bridge's end of the veth goes down, and the node's end has no carrier.
"""

import contextlib
import os
import re
import subprocess
import tempfile
import time

from cases import case
from node import ADDRESS, ADDRESS6, CA, LAB, ROOT, ctl, ctl_json, https, run, unaccounted, until

EXTRA = os.path.join(ROOT, "build", "lab", "config-extra")
ENDS = ("n1", "n1.eth1")  # the bridge's
HOST = "10.77.0.11"  # the kernel's, beside hearth
MACS = ("02:68:65:00:01:01", "02:68:65:00:03:01")
CONNECTIONS = 24  # over both cores, and both families
# What a client waits at most: the carrier is looked at ten times a second; then its TCP sends again. Its timer, 200 ms and more, doubles each time.
WAIT_SECONDS_MAX = 3


def port():
    return ctl_json("status")["port"]


def active():
    return [member["active"] for member in port()["members"]].index(True)


def set_link(end, state):
    run("ip", "-n", "hearth-br", "link", "set", ENDS[end], state)


@contextlib.contextmanager
def without_link(*ends):
    """Those links are lost for the block; afterwards both are up, and the first device is active."""
    try:
        for end in ends:
            set_link(end, "down")
        yield
    finally:
        for end in (0, 1):
            set_link(end, "up")
        until(lambda: active() == 0, "the first device to take over again", 15)


def settle():
    until(lambda: active() == 0 and all(m["link"] == "up" for m in port()["members"]), "both links, and the first active", 15)


def rx_standby():
    return sum(core["port"]["rx_standby"] for core in ctl_json("stats")["cores"])


def neighbour(address):
    said = run("ip", "neigh", "show", address).stdout
    return re.search(r"lladdr (\S+)", said).group(1)


@case("failover: status and stats name both devices, and what only the standby's copies were")
def _():
    settle()
    first, second = port()["members"]
    assert (first["mac"], second["mac"]) == MACS and (first["active"], second["active"]) == (True, False), port()
    assert port()["mac"] == MACS[0] and port()["mode"] == "failover" and port()["failback_s"] == 3
    assert set(ctl_json("stats")["device"]) == {"net_af_packet0,iface=eth0", "net_af_packet1,iface=eth1"}
    shown = ctl("status").stdout
    assert re.search(r"device +net_af_packet0,iface=eth0 +active ", shown) and re.search(r"device +net_af_packet1,iface=eth1 +standby ", shown), shown
    before = rx_standby()
    run("ip", "neigh", "flush", "dev", "eth0")
    with https() as client:
        assert client.request("GET / HTTP/1.1").status == 200  # which began with ARP: broadcast
    until(lambda: rx_standby() > before, "the standby to hear a broadcast")
    assert unaccounted() == 0


@case("failover: the active link is lost: each kept connection is answered, on its core, by the other device; and announced")
def _():
    settle()
    clients = [https(address=(ADDRESS, ADDRESS6)[i % 2]) for i in range(CONNECTIONS)]
    for client in clients:
        assert client.request("GET / HTTP/1.1").status == 200
    switches = port()["switches"]
    with without_link(0):
        began = time.monotonic()
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nHost: hello.hearth.test\r\n\r\n")
        slowest = 0
        for client in clients:
            assert client.response().status == 200
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < WAIT_SECONDS_MAX, slowest
        until(lambda: port()["switches"] == switches + 1, "one switch-over")
        first, second = port()["members"]
        assert (first["link"], second["link"]) == ("down", "up") and second["active"], port()
        assert first["link_downs"] >= 1 and ctl_json("status")["ready"]
        assert (neighbour(ADDRESS), neighbour(ADDRESS6)) == (MACS[1], MACS[1])
        metrics = run(LAB, "ctl", "n1", "metrics").stdout
        assert 'hearth_port_member_up{member="0"} 0' in metrics and 'hearth_port_member_active{member="1"} 1' in metrics, metrics[:500]
    for client in clients:  # back at the first, and still theirs
        assert client.request("GET / HTTP/1.1").status == 200
        client.close()
    assert unaccounted() == 0
    return f"the slowest of {CONNECTIONS} waited {slowest * 1000:.0f} ms"


@case("failover: the host's own address goes along: its tap has the new MAC, and neighbours are told")
def _():
    settle()
    run("ping", "-c", "2", "-i", "0.2", "-W", "2", HOST)
    assert neighbour(HOST) == MACS[0]
    with without_link(0):
        until(lambda: neighbour(HOST) == MACS[1], "its neighbour to know the other MAC", 3)
        said = run("ping", "-q", "-c", "5", "-i", "0.2", "-W", "2", HOST).stdout
        assert " 5 received" in said, said


@case("failover: back to the first device: nothing is lost")
def _():
    settle()
    # From before the link is lost until after the first took over again; the switch-over itself costs some.
    with without_link(0):
        until(lambda: active() == 1, "the switch-over")
        set_link(0, "up")
        said = run("ping", "-q", "-i", "0.01", "-c", "600", "-W", "1", ADDRESS).stdout
        until(lambda: active() == 0, "the first device to take over again")
    lost = 600 - int(re.search(r"(\d+) received", said).group(1))
    assert lost == 0, said
    assert "why=failback" in log()
    return "600 pings in 6 s over it"


@case("failover: the link is lost in the middle of a body that goes there and comes back: it is whole")
def _():
    settle()
    body = os.urandom(64 << 20)
    with tempfile.TemporaryDirectory() as folder, without_link():
        sent, got = os.path.join(folder, "sent"), os.path.join(folder, "got")
        with open(sent, "wb") as file:
            file.write(body)
        began = time.monotonic()
        curl = subprocess.Popen(["curl", "-sS", "--max-time", "60", "--cacert", CA, "--data-binary", f"@{sent}", "-o", got,
                                 "--connect-to", f"::{ADDRESS}:443", "https://echo.hearth.test/"])
        until(lambda: os.path.exists(got) and os.path.getsize(got) > 4 << 20, "the first of it")
        set_link(0, "down")
        at = os.path.getsize(got)
        assert curl.wait(60) == 0
        took = time.monotonic() - began
        with open(got, "rb") as file:
            assert file.read() == body
        assert active() == 1
    return f"lost after {at >> 20} of 64 MB, all there after {took:.1f} s"


@case("failover: a link that flaps costs one switch-over, not one each time")
def _():
    settle()
    switches = port()["switches"]
    with without_link(0), https() as client:
        for _ in range(6):
            until(lambda: port()["members"][0]["link"] == "down", "the link to be lost")
            set_link(0, "up")
            until(lambda: port()["members"][0]["link"] == "up", "the link to be back")
            assert client.request("GET / HTTP/1.1").status == 200
            set_link(0, "down")
        assert port()["switches"] == switches + 1, port()


@case("failover: both links lost: not ready, and the one that comes back first is taken")
def _():
    settle()
    with https() as client:
        assert client.request("GET / HTTP/1.1").status == 200
        with without_link(0, 1):
            until(lambda: not ctl_json("status")["ready"] and port()["link"] == "down", "it to be not ready")
            assert "without a link" in ctl("status").stdout
            set_link(1, "up")
            until(lambda: ctl_json("status")["ready"] and active() == 1, "the second to be taken")
            assert client.request("GET / HTTP/1.1").status == 200


def log():
    with open(os.path.join(ROOT, "build", "lab", "n1", "hearthd.log")) as file:
        return file.read()


@case("failover: a device that is not there: the node starts without it, and says so")
def _():
    settle()
    with open(EXTRA) as file:
        kept = file.read()
    try:
        run(LAB, "kill", "n1", "TERM")
        with open(EXTRA, "w") as file:
            file.write(kept.replace("iface=eth0", "iface=nic7"))
        run(LAB, "start", "n1")
        first, second = port()["members"]
        assert first["link"] == "missing" and "there is no interface 'nic7' here" in first["why"] and second["active"], port()
        assert port()["mac"] == MACS[1]
        assert "missing: net_af_packet0,iface=nic7: there is no interface 'nic7' here" in ctl("status").stdout
        with https() as client:
            assert client.request("GET / HTTP/1.1").status == 200
    finally:
        with open(EXTRA, "w") as file:
            file.write(kept)
        run(LAB, "kill", "n1", "TERM", check=False)
        run(LAB, "start", "n1")
