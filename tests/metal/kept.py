#!/usr/bin/env python3
"""kept.py CA ADDRESS SECONDS: one connection, kept, with a request each tenth of a second. Fails if it is reset or a request is not answered
well; says how many requests there were, and how long the slowest took."""

import socket
import ssl
import sys
import time

ANSWER_SECONDS_MAX = 20
REQUEST = b"GET / HTTP/1.1\r\nHost: hello.hearth.test\r\n\r\n"


def main():
    ca, address, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    context = ssl.create_default_context(cafile=ca)
    peer = context.wrap_socket(socket.create_connection((address, 443), timeout=ANSWER_SECONDS_MAX), server_hostname="hello.hearth.test")
    slowest = count = 0
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        asked = time.monotonic()
        peer.sendall(REQUEST)
        said = b""
        while not said.endswith(b"Hello, world!\n"):
            more = peer.recv(65536)
            assert more, f"closed after {count} requests: {said!r}"
            said += more
        assert said.startswith(b"HTTP/1.1 200 "), said
        count += 1
        slowest = max(slowest, time.monotonic() - asked)
        time.sleep(0.1)
    print(f"{count} requests, the slowest {slowest * 1000:.0f} ms")


main()
