"""frames.py - Ethernet frames by hand, good but for what a case changes, and the socket that sends them from the client's namespace."""

import socket
import struct

from node import ADDRESS, ADDRESS6, CLIENT_MAC, NODE_MAC


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ether(payload, kind=0x0800, to=NODE_MAC):
    return to + CLIENT_MAC + struct.pack("!H", kind) + payload


def ipv4(payload, protocol=6, **changes):
    """A good IPv4 header, less what is changed: version_ihl, length, fragment, checksum, source, to."""
    field = {"version_ihl": 0x45, "length": 20 + len(payload), "fragment": 0, "source": "10.77.0.100", "to": ADDRESS, **changes}
    head = struct.pack("!BBHHHBBH4s4s", field["version_ihl"], 0, field["length"], 1, field["fragment"], 64, protocol, 0,
                       socket.inet_aton(field["source"]), socket.inet_aton(field["to"]))
    return head[:10] + struct.pack("!H", field.get("checksum", checksum(head))) + head[12:] + payload


def ipv6(payload, next_header):
    return (struct.pack("!IHBB", 6 << 28, len(payload), next_header, 64) + socket.inet_pton(socket.AF_INET6, "fd77::100") +
            socket.inet_pton(socket.AF_INET6, ADDRESS6) + payload)


def tcp(flags=0x02, offset=5, options=b"", payload=b"", port=443, good=True, sport=40000, source="10.77.0.100"):
    head = struct.pack("!HHIIBBHHH", sport, port, 1, 0, offset << 4, flags, 1024, 0, 0) + options + payload
    pseudo = socket.inet_aton(source) + socket.inet_aton(ADDRESS) + struct.pack("!BBH", 0, 6, len(head))
    total = checksum(pseudo + head) if good else 0x1234
    return head[:16] + struct.pack("!H", total) + head[18:]


def raw_socket():
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    raw.bind(("eth0", 0))
    return raw
