"""port.mtu: what clients are told to send follows from it, jumbo frames carry whole bodies, and more than the interface has is no start."""

import json
import os
import socket
import zlib

from cases import case
from node import ADDRESS, ADDRESS6, LAB, ROOT, connect, counter, ctl_json, good_answers, https, run

EXTRA = os.path.join(ROOT, "build", "lab", "config-extra")
LINKS = [("n1", "eth0"), ("br", "n1"), ("br", "client"), ("br", "bridge"), ("client", "eth0")]


def read(path):
    with open(path) as file:
        return file.read()


def log():
    return read(os.path.join(ROOT, "build", "lab", "n1", "hearthd.log"))


def set_links(mtu):
    for namespace, link in LINKS:
        run("ip", "-n", f"hearth-{namespace}", "link", "set", link, "mtu", str(mtu))


def start(kept, **port):
    """The node with these keys in port:; whether it came up, and what its log says of it."""
    run(LAB, "kill", "n1", "TERM", check=False)
    before = len(log())
    with open(EXTRA, "w") as file:
        file.write(kept)
        if port:
            port = {"device": "net_af_packet0,iface=eth0", "addresses": [f"{ADDRESS}/24", f"{ADDRESS6}/64"], **port}
            file.write(f"port: {json.dumps(port)}\n")
    started = run(LAB, "start", "n1", check=False).returncode == 0
    return started, log()[before:]


def told_mss(address):
    """The largest segment that this machine sends to the node."""
    with connect(address) as peer:
        return peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)


@case("port.mtu: segments follow from it, jumbo frames carry bodies both ways, and above the interface's nothing starts")
def _():
    kept = read(EXTRA)
    try:
        started, said = start(kept, mtu=9000)
        assert not started and "port.mtu is 9000, and eth0 has 1500: ip link set eth0 mtu 9000" in said, said[-500:]
        set_links(9000)
        started, said = start(kept, mtu=9000)
        assert started and "mtu=9000" in said, said[-500:]
        assert ctl_json("status")["port"]["mtu"] == 9000
        timestamps = 12  # of each segment
        large = told_mss(ADDRESS), told_mss(ADDRESS6)
        assert large == (9000 - 40 - timestamps, 9000 - 60 - timestamps), large
        before, body = counter("rx_frames"), os.urandom(4_000_000)
        with https("count.hearth.test") as client:
            answer = client.request("POST / HTTP/1.1", "count.hearth.test", body)
            assert f'"adler32":"{zlib.adler32(body):08x}"'.encode() in answer.body, answer
            answer = client.request(f"GET /?bytes={len(body)} HTTP/1.1", "count.hearth.test")
            assert len(answer.body) == len(body), answer
        frames = counter("rx_frames") - before
        assert frames < len(body) / 1448, f"{frames} frames for 4 MB, and as many acknowledgements"
        assert ctl_json("stats")["cores"][0]["port"]["rx_truncated"] == 0
        started, said = start(kept, mtu=1400)  # of an interface that has more
        assert started and "mtu=1400" in said, said[-500:]
        small = told_mss(ADDRESS), told_mss(ADDRESS6)
        assert small == (1400 - 40 - timestamps, 1400 - 60 - timestamps), small
        good_answers(1)
        return f"{frames} frames in for 4 MB"
    finally:
        set_links(1500)
        start(kept)
    good_answers(1)
