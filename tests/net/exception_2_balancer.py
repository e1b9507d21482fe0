"""Clients who come through an L4 balancer: their packets inside of others, the answers straight back."""

import contextlib
import os
import struct
import tempfile

from balancer import Balancer, connect_from, gue0, gue1, ipip, udp
from cases import case
from frames import ether, ipv4, raw_socket, tcp
from node import ADDRESS, CA, counter, counters, ctl_json, get, run, unaccounted, until

VIP = "10.99.0.2"
WAYS = {"IP in IP": ipip, "GUE 0": gue0, "GUE 0 with a word of its own": lambda packet, source: gue0(packet, source, b"word"), "GUE 1": gue1}


def ask(path="/", script="hello", *options):
    return run("curl", "-sSf", "-m", "20", "--cacert", CA, "--resolve", f"{script}.hearth.test:443:{VIP}", *options, f"https://{script}.hearth.test{path}")


def through(name, encapsulate):
    @case(f"balancer: curl through {name}")
    def _():
        before = counter("net_decapsulated")
        with Balancer(VIP, encapsulate) as balancer:
            assert "Hello" in ask().stdout
        taken = counter("net_decapsulated") - before
        assert 0 < taken <= balancer.sent, (taken, balancer.sent)
        assert unaccounted() == 0
        return f"{balancer.sent} packets"


for way in WAYS:
    through(way, WAYS[way])


@case("balancer: 1 MB through an echo; clients are told an MSS that leaves room for what comes before")
def _():
    with Balancer(VIP, gue0) as balancer, tempfile.NamedTemporaryFile() as sent, tempfile.NamedTemporaryFile() as received:
        sent.write(os.urandom(1 << 20))
        sent.flush()
        ask("/", "echo", "-T", sent.name, "-o", received.name)
        with open(sent.name, "rb") as one, open(received.name, "rb") as other:
            assert one.read() == other.read()
    # Ethernet; this node has IPv6, so balancers might come by it: 20 bytes more than IPv4's header remain.
    assert balancer.longest == 1514 - 20, balancer.longest
    return f"frames of {balancer.longest} bytes at most"


@case("balancer: flows of one balancer reach both cores, and go on when another one takes them over")
def _():
    before = [core["counters"]["http_requests"] for core in ctl_json("stats")["cores"]]
    with contextlib.ExitStack() as stack:
        balancer = stack.enter_context(Balancer(VIP, ipip))
        peers = [stack.enter_context(connect_from(20000 + number, (VIP, 80))) for number in range(24)]
        for source, encapsulate in (("10.88.0.1", ipip), ("10.88.0.9", ipip), ("10.88.0.77", gue1)):
            balancer.source, balancer.encapsulate = source, encapsulate
            for peer in peers:
                peer.sendall(b"GET / HTTP/1.1\r\nHost: hello.hearth.test\r\n\r\n")
            for peer in peers:
                assert peer.recv(4096).startswith(b"HTTP/1.1 200 "), source
    after = [core["counters"]["http_requests"] for core in ctl_json("stats")["cores"]]
    served = [now - then for now, then in zip(after, before)]
    assert min(served) > 0 and sum(served) == 3 * 24, served
    return f"{served[0]} and {served[1]} requests"


@case("balancer: what anybody else encapsulates, and what is no client's packet, is dropped by name")
def _():
    inner = ipv4(tcp(), to=VIP)
    to_host = ipv4(tcp(), to="10.77.0.11")
    frames = {
        "drop_decap_source": [ipip(inner, "10.77.0.100"), gue0(inner, "10.89.0.1"), gue1(inner, "203.0.113.9")],
        "drop_decap_bad": [ipv4(udp(struct.pack("!BBH", 0x20, 4, 0) + inner), 17, source="10.88.0.1"),
                           ipv4(udp(struct.pack("!BBH", 0, 4, 1) + inner), 17, source="10.88.0.1"),
                           ipv4(udp(b"\x00\x04"), 17, source="10.88.0.1")],
        "drop_decap_inner": [ipip(to_host, "10.88.0.1"), ipip(ipip(inner, "10.88.0.1"), "10.88.0.1"),
                             ipip(ipv4(tcp(), to="10.77.0.9"), "10.88.0.1")],
        "drop_l4_checksum": [ipip(ipv4(tcp(good=False), to=VIP), "10.88.0.1")],
        "drop_ip_fragment": [ipip(ipv4(tcp(), to=VIP, fragment=1), "10.88.0.1")],
        "drop_ip_source": [ipip(ipv4(tcp(), source=ADDRESS, to=VIP), "10.88.0.1")],
    }
    before = counters()
    with raw_socket() as raw:
        for packets in frames.values():
            for packet in packets:
                raw.send(ether(packet))
    for name, packets in frames.items():
        until(lambda: counter(name) - before[name] >= len(packets), f"{len(packets)} in {name}")
        assert counter(name) - before[name] == len(packets), name
    assert counter("tap_tx") - before["tap_tx"] <= 50, "what was encapsulated has reached the host"
    until(lambda: unaccounted() == 0, "every frame to be accounted for")
    assert get().status == 200


@case("balancer: with none of it, hearth's addresses answer as ever")
def _():
    run("ip", "route", "add", f"{VIP}/32", "via", ADDRESS)
    try:
        assert "Hello" in ask().stdout
    finally:
        run("ip", "route", "del", f"{VIP}/32", check=False)
