"""balancer.py - an L4 balancer in the client's namespace: what is routed into its tun device goes to the node inside of other packets.

   curl --- 10.99.0.2 by tun "lb0" ---> Balancer --- [ outer | packet ] by eth0 ---> node
     ^----------------------------- eth0: the node's own answer ------------------------'

The kernels that tests run on need not have ipip, sit or fou. Frames leave through a packet socket, so one that passes the MTU of eth0 is an error.
"""

import contextlib
import fcntl
import os
import select
import socket
import struct
import threading

from frames import ether, ipv4, raw_socket
from node import ADDRESS, run

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
GUE_PORT = 6080


def udp(payload, port=GUE_PORT, source_port=50000):
    return struct.pack("!HHHH", source_port, port, 8 + len(payload), 0) + payload  # without a checksum, as Katran


def ipip(packet, source):
    return ipv4(packet, 4 if packet[0] >> 4 == 4 else 41, source=source, to=ADDRESS)


def gue0(packet, source, words=b""):
    head = struct.pack("!BBH", len(words) // 4, 4 if packet[0] >> 4 == 4 else 41, 0) + words
    return ipv4(udp(head + packet), 17, source=source, to=ADDRESS)


def gue1(packet, source):
    return ipv4(udp(packet), 17, source=source, to=ADDRESS)


class Balancer:
    """Sends on what comes to the address; as that source, in that way. `sent`: the packets; `longest`: bytes of the longest frame."""

    def __init__(self, address, encapsulate, source="10.88.0.1"):
        self.address, self.encapsulate, self.source = address, encapsulate, source
        self.sent, self.longest, self.error = 0, 0, None
        self.stop_reader, self.stop_writer = os.pipe()

    def __enter__(self):
        self.tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.tun, TUNSETIFF, struct.pack("16sH", b"lb0", IFF_TUN | IFF_NO_PI))
        # The answers come by another way.
        run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.eth0.rp_filter=0", "net.ipv6.conf.lb0.disable_ipv6=1", check=False)
        run("ip", "link", "set", "lb0", "up", "mtu", "1500")
        run("ip", "route", "add", self.address, "dev", "lb0", "src", "10.77.0.100")
        self.thread = threading.Thread(target=self._forward)
        self.thread.start()
        return self

    def __exit__(self, *_):
        os.write(self.stop_writer, b"x")
        self.thread.join()
        for descriptor in (self.tun, self.stop_reader, self.stop_writer):
            os.close(descriptor)
        if self.error and not _[0]:
            raise self.error

    def _forward(self):
        with raw_socket() as raw:
            while self.stop_reader not in (ready := select.select([self.tun, self.stop_reader], [], [])[0]):
                with contextlib.suppress(BlockingIOError):
                    while ready:
                        self._send(raw, os.read(self.tun, 65536))

    def _send(self, raw, packet):
        frame = ether(self.encapsulate(packet, self.source))
        self.sent += 1
        self.longest = max(self.longest, len(frame))
        try:
            raw.send(frame)
        except OSError as error:
            self.error = self.error or error


def connect_from(port, address):
    """A client's socket with that port of its own."""
    peer = socket.socket()
    peer.settimeout(10)
    peer.bind(("10.77.0.100", port))
    peer.connect(address)
    return peer
