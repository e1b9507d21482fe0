"""What goes wrong around a node: processes that die, packets that lie, clients that dawdle, reloads, stops."""

import json
import os
import random
import signal
import struct
import time

from cases import case
from frames import ether, ipv4, ipv6, raw_socket, tcp
from load import Load
from node import (LAB, ROOT, cell_pids, connect, connect_tls, counters, ctl, descendants, family, get, good_answers,
                  hearthd_pid, https, run, stat_fields, unaccounted, until, wait_closed, zygote_pid)


@case("kill -9 of the zygote and all cells under load: good answers again within a second, hearthd the same")
def _():
    daemon = hearthd_pid()
    with Load() as load:
        before = set(family())
        assert before, "hearthd has no zygote"
        killed = time.monotonic()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        until(lambda: set(family()) - before, "a new zygote")
        # Answers that were ready before the blow do not count.
        until(lambda: any(status == 200 and when > killed + 0.05 for when, status in load.answers), "a good answer")
        back = min(when for when, status in load.answers if status == 200 and when > killed + 0.05)
        load.more()
    assert not load.errors, load.errors[:3]
    assert load.statuses() <= {200, 502, 503}, load.statuses()
    assert back - killed < 1.0, f"{back - killed:.2f} s without a good answer"
    assert hearthd_pid() == daemon and stat_fields(daemon)
    bad = sum(status != 200 for _, status in load.answers)
    return f"{(back - killed) * 1000:.0f} ms, {bad} of {len(load.answers)} answers were 502 or 503"


@case("kill -9 of the zygote: its cells live on, and another one starts new ones")
def _():
    assert get().status == 200
    zygote, cells = zygote_pid(), cell_pids("hello")
    os.kill(zygote, signal.SIGKILL)
    until(lambda: zygote_pid() not in (0, zygote), "another zygote")
    assert get().status == 200 and cell_pids("hello") == cells
    for pid in cells:
        os.kill(pid, signal.SIGKILL)
    until(lambda: get().status == 200 and not set(cell_pids("hello")) & set(cells), "a cell of the new one")


@case("a cell that stands still (SIGSTOP) is replaced, and other scripts and hearthd go on meanwhile")
def _():
    assert get().status == 200 and get("echo.hearth.test").status == 200
    stopped = cell_pids("hello")
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    with Load(clients=1) as load:
        assert get("nobody.hearth.test").status == 404
        assert get("echo.hearth.test").status == 200
        ctl("status")
        until(lambda: not set(cell_pids("hello")) & set(stopped), "a successor", 30)
        until(lambda: get().status == 200, "good answers again")
        load.more()


@case("20 reloads by SIGHUP and hearthctl under load: no error")
def _():
    with Load() as load:
        for _ in range(10):
            os.kill(hearthd_pid(), signal.SIGHUP)
            load.more(20)
            ctl("reload")
            load.more(20)
    assert not load.errors, load.errors[:3]
    assert load.statuses() == {200}, load.statuses()


@case("a bad configuration is refused with its line, and the running one stays")
def _():
    config = os.path.join(os.path.dirname(os.path.dirname(LAB)), "build", "lab", "n1", "hearth.yaml")
    with open(config) as file:
        good = file.read()
    try:
        with open(config, "w") as file:
            file.write(good + "no_such_key: 1\n")
        line = str(good.count("\n") + 1)
        for command in (("check", config), ("reload",)):
            refused = ctl(*command, check=False)
            assert refused.returncode and line in refused.stdout + refused.stderr, refused
        good_answers(3)
    finally:
        with open(config, "w") as file:
            file.write(good)
    ctl("reload")


@case("certificates that cannot be used: check and reload say the same, with the line, and the running ones stay")
def _():
    lab = os.path.join(ROOT, "build", "lab")
    config, certs = os.path.join(lab, "n1", "hearth.yaml"), os.path.join(lab, "certs")
    with open(config) as file:
        good = file.read()
    assert ctl("check", config).returncode == 0
    rsa, ec = f"{certs}/rsa.hearth.test", f"{certs}/hearth.test"
    line = next(number for number, text in enumerate(good.splitlines(), 1) if f"{rsa}.pem" in text)
    try:
        for chain, key in ((f"{rsa}.none", f"{rsa}.key"), (f"{rsa}.pem", f"{rsa}.none"), ("/dev/null", f"{rsa}.key"),
                           (f"{rsa}.pem", f"{ec}.key"), (f"{lab}/ca.pem", f"{rsa}.key")):
            with open(config, "w") as file:
                file.write(good.replace(f"{rsa}.pem", chain).replace(f"{rsa}.key", key))
            checked, reloaded = ctl("check", config, check=False), ctl("reload", check=False)
            assert checked.returncode == 1 and f"hearth.yaml:{line}: certificates[1]: " in checked.stderr, checked
            sentence = checked.stderr.split("certificates[1]: ", 1)[1].strip()
            assert reloaded.returncode == 1 and sentence in reloaded.stderr and f"line {line}" in reloaded.stderr, (checked, reloaded)
            told = json.loads(ctl("check", config, "--json", check=False).stdout)
            assert not told["ok"] and [e["line"] for e in told["errors"]] == [line], told
            assert get("rsa.hearth.test").status in (200, 404)
    finally:
        with open(config, "w") as file:
            file.write(good)
    ctl("reload")


@case("300 clients that dawdle are closed by timeout while good clients are served")
def _():
    before = counters()
    slow = []
    for i in range(100):
        slow.append(connect())  # not a byte
        slow.append(connect())
        slow[-1].sendall(b"\x16\x03\x01")  # the start of a ClientHello
        slow.append(connect_tls())
        slow[-1].sendall(b"GET / HTTP/1.1\r\nHost: hello.hearth")  # the start of a request
    good_answers(20)
    left = wait_closed(slow)
    assert left == 0, f"{left} of {len(slow)} are still open"
    for peer in slow:
        peer.close()
    after = counters()
    assert after["conn_timeout_head"] - before["conn_timeout_head"] >= 100, after["conn_timeout_head"]
    assert after["conn_timeout_hello"] - before["conn_timeout_hello"] >= 100, after["conn_timeout_hello"]


# ---- malformed packets ---------------------------------------------------------------------------------------------


FRAMES = [
    ("for another MAC", "drop_link_other_mac", ether(ipv4(tcp()), to=b"\x02\0\0\0\0\x07")),
    ("an unknown EtherType", "drop_link_ethertype", ether(bytes(46), kind=0x88B5)),
    ("a malformed ARP", "drop_arp_bad", ether(bytes(46), kind=0x0806)),
    ("IPv4 with a header of four words", "drop_ip_bad", ether(ipv4(tcp(), version_ihl=0x44))),
    ("IPv4 longer than its frame", "drop_ip_bad", ether(ipv4(tcp(), length=1400))),
    ("IPv4 with version 7", "drop_ip_bad", ether(ipv4(tcp(), version_ihl=0x75))),
    ("IPv4 with a wrong checksum", "drop_ip_checksum", ether(ipv4(tcp(), checksum=0xDEAD))),
    ("IPv4 for another host", "drop_ip_other", ether(ipv4(tcp(), to="10.77.0.9"))),
    ("IPv4 from a multicast source", "drop_ip_source", ether(ipv4(tcp(), source="224.0.0.1"))),
    # An IPv4 fragment never gets here over af_packet: its fanout makes the kernel put fragments together first.
    ("an IPv6 fragment", "drop_ip_fragment", ether(ipv6(b"\x06\0\0\x01\0\0\0\x07" + bytes(16), 44), kind=0x86DD)),
    ("an unknown IP protocol", "drop_ip_protocol", ether(ipv4(bytes(20), protocol=253))),
    ("TCP with a wrong checksum", "drop_l4_checksum", ether(ipv4(tcp(good=False)))),
    ("TCP with an offset beyond its end", "drop_tcp_bad", ether(ipv4(tcp(offset=15)))),
    ("TCP with an offset inside its header", "drop_tcp_bad", ether(ipv4(tcp(offset=4)))),
    ("TCP too short for its own checksum", "drop_l4_checksum", ether(ipv4(b"\0\0\0"))),
    ("TCP with an option of length 0", "drop_tcp_bad", ether(ipv4(tcp(offset=6, options=b"\x02\0\0\0")))),
    ("a SYN to a closed port", "drop_tcp_no_port", ether(ipv4(tcp(port=9)))),
    ("an ACK out of nowhere", "drop_tcp_no_conn", ether(ipv4(tcp(flags=0x10)))),
    ("UDP to a port that nobody has", "drop_udp_no_port", ether(ipv4(struct.pack("!HHHH", 5, 9, 8, 0), protocol=17))),
    ("an IPv6 header cut short", "drop_ip_bad", ether(b"\x60" + bytes(20), kind=0x86DD)),
    ("a VLAN tag that is not ours", "drop_link_vlan", ether(struct.pack("!HH", 77, 0x0800) + ipv4(tcp()), kind=0x8100)),
]


def send_frame(description, counted, frame):
    @case(f"a frame is dropped and counted as {counted}: {description}")
    def _():
        before = counters()[counted]
        with raw_socket() as raw:
            raw.send(frame)
        until(lambda: counters()[counted] > before, f"{counted} to grow")


for row in FRAMES:
    send_frame(*row)


@case("20,000 frames of noise and of good ones gone bad: the node answers, every frame is accounted for")
def _():
    noise = random.Random(77)
    good = [ether(ipv4(tcp(options=b"\x02\x04\x05\xb4\x01\x03\x03\x07", offset=7))), ether(ipv4(tcp(flags=0x10, payload=bytes(100)))),
            ether(ipv4(b"\x08\0\0\0" + bytes(56), protocol=1)), ether(b"\x60\0\0\0\0\x14\x06\x40" + bytes(52), kind=0x86DD),
            ether(struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + bytes(20), kind=0x0806)]
    before = counters()["rx_frames"]
    with raw_socket() as raw:
        for _ in range(20000):
            frame = bytearray(noise.choice(good))
            for _ in range(noise.randrange(1, 8)):
                frame[noise.randrange(12, len(frame))] = noise.randrange(256)
            raw.send(frame[:noise.randrange(14, len(frame) + 1)] if noise.random() < 0.3 else frame)
    good_answers(10)
    assert counters()["rx_frames"] > before
    until(lambda: unaccounted() == 0, "every frame to be accounted for")


# ---- stop and start ------------------------------------------------------------------------------------------------


@case("SIGTERM lets a running request finish, then ends every process")
def _():
    daemon = hearthd_pid()
    everyone = [daemon, *descendants(daemon)]
    with https("slow.hearth.test") as client:
        client.send(b"GET /?ms=1500 HTTP/1.1\r\nHost: slow.hearth.test\r\n\r\n")
        while b"first" not in client.buffer:
            client._fill()
        os.kill(daemon, signal.SIGTERM)
        assert client.response().body == b"first\nsecond\n"
    until(lambda: all(not (fields := stat_fields(pid)) or fields[0] == "Z" for pid in everyone), "all processes to end", 15)
    run(LAB, "start", "n1")
    good_answers(3)


@case("kill -9 of hearthd leaves no zygote and no cell behind, and the node starts again with its scripts")
def _():
    children = family()
    os.kill(hearthd_pid(), signal.SIGKILL)
    until(lambda: all(not (fields := stat_fields(pid)) or fields[0] == "Z" for pid in children), "zygote and cells to end")
    run(LAB, "kill", "n1")
    run(LAB, "start", "n1")
    good_answers(3)
