"""Memory is short: what a script has said arrives, and slow clients are no trouble for others."""

import contextlib
import resource
import socket
import time

from cases import case
from node import ADDRESS, ADDRESS6, Http, connect, counter, until

NON_READERS = 240  # clients that ask for a large answer and read nothing of it
SLOW = 1500        # clients that owe a body for ever
ASK = b"GET /?bytes=100000000 HTTP/1.1\r\nHost: count.hearth.test\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: count.hearth.test\r\nContent-Length: 1000000\r\n\r\n"


def silent(request):
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.settimeout(10)
    peer.connect((ADDRESS, 80))
    peer.sendall(request)
    return peer


def plain(path, host, address=ADDRESS6):
    with Http(connect(address, 80)) as client:
        return client.request(f"GET {path} HTTP/1.1", host)


@case("240 clients that do not read: 10 of 10 answers with a head of 12 KB, and of 31 KB, arrive")
def _():
    with contextlib.ExitStack() as peers:
        for _ in range(NON_READERS):
            peers.enter_context(silent(ASK))
        given_up = counter("conn_no_memory")
        for size in [12_000] * 10 + [31_000] * 10:
            seen = plain(f"/?bytes={size}", "heads.hearth.test")
            assert seen.status == 200 and seen.body == b"whole", seen
            assert seen.headers["x-pad"] == "a" * size
        assert counter("conn_no_memory") == given_up


@case("1,500 POSTs that drip: a good client is answered every time, and they are told 408")
def _():
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * SLOW, max(2 * SLOW, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    with contextlib.ExitStack() as peers:
        slow = [peers.enter_context(silent(POST)) for _ in range(SLOW)]
        before = counter("http_slow_body")
        good, end = 0, time.monotonic() + 12
        while time.monotonic() < end:
            for peer in slow:
                with contextlib.suppress(OSError):  # told already
                    peer.send(b"x")
            seen = plain("/", "hello.hearth.test")
            assert seen.status == 200, seen
            good += 1
        until(lambda: counter("http_slow_body") > before, "slow bodies are noticed", patience=30)
        return f"{good} good answers"
