#!/usr/bin/env python3
"""lacp_partner.py IFACE...: a switch that takes these interfaces for one LAG, by IEEE 802.1AX's frames alone: it agrees to what it hears, each second and
when it is told something. Until it is ended."""

import contextlib
import select
import socket
import sys
import time

GROUP = bytes.fromhex("0180c2000002")
SYSTEM = bytes.fromhex("020000009902")
SLOW = 0x8809
ACTIVE, FAST, AGGREGATION, SYNC, COLLECTING, DISTRIBUTING = (1 << bit for bit in range(6))


def pdu(source, port, heard):
    state = ACTIVE | FAST | AGGREGATION | (SYNC | COLLECTING | DISTRIBUTING if heard else 0)
    actor = b"\x01\x14\x80\x00" + SYSTEM + b"\x00\x09\x80\x00" + port.to_bytes(2, "big") + bytes([state]) + bytes(3)
    partner = b"\x02\x14" + (heard or bytes(15)) + bytes(3)
    return (GROUP + source + SLOW.to_bytes(2, "big") + b"\x01\x01" + actor + partner + b"\x03\x10").ljust(124, b"\0")


def main():
    ports = {}
    for i, name in enumerate(sys.argv[1:]):
        peer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(SLOW))
        peer.bind((name, SLOW))
        ports[peer] = [i + 1, None]
    told = 0
    while True:
        for peer in select.select(list(ports), [], [], 0.1)[0]:
            try:
                frame, where = peer.recvfrom(2048)
            except OSError:  # the interface has gone down
                continue
            if where[2] != socket.PACKET_OUTGOING and frame[14:18] == b"\x01\x01\x01\x14":
                ports[peer][1] = frame[18:33]  # its actor, as we say it back
                told = 0
        if time.monotonic() - told > 1:
            told = time.monotonic()
            for peer, (port, heard) in ports.items():
                with contextlib.suppress(OSError):
                    peer.send(pdu(SYSTEM, port, heard))


main()
