"""Who takes all there is, from one address, beside guests from another one, or the same. nginx suffers the same in the same run: at least as many
guests are answered here as there."""

import contextlib
import resource
import socket
import ssl
import threading

import nginx
from cases import case
from frames import ether, ipv4, raw_socket, tcp
from node import ADDRESS, counters, run, tls_context, unaccounted, until

CROWD, GUESTS = "10.77.0.100", "10.77.0.101"
CONNS = nginx.CONNECTIONS
GUEST_SECONDS = 10
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


def plain(server, port=80, source=CROWD, timeout=GUEST_SECONDS):
    return socket.create_connection((server, port), timeout=timeout, source_address=(source, 0))


def ask(server, source=GUESTS, path="/"):
    """One guest: a new TLS connection, one request. True: a good answer."""
    try:
        with plain(server, 443, source) as peer, tls_context().wrap_socket(peer, server_hostname="hello.hearth.test") as guest:
            guest.sendall(f"GET {path} HTTP/1.1\r\nHost: hello.hearth.test\r\nConnection: close\r\n\r\n".encode())
            return guest.recv(4096).startswith(b"HTTP/1.1 200 ")
    except (OSError, ssl.SSLError):
        return False


@contextlib.contextmanager
def guests_have_an_address():
    run("ip", "addr", "add", f"{GUESTS}/24", "dev", "eth0", check=False)
    try:
        yield
    finally:
        run("ip", "addr", "del", f"{GUESTS}/24", "dev", "eth0", check=False)


class Crowd:
    """A thread that opens connections to a server, says something on each, and keeps them; to the end: as many as `most` at a time."""

    def __init__(self, server, say, most):
        self.server, self.say, self.most = server, say, most
        self.peers, self.opened, self.stop = [], 0, threading.Event()
        self.thread = threading.Thread(target=self._open)

    def _open(self):
        while not self.stop.is_set():
            if len(self.peers) == self.most:
                self.peers.pop(0).close()
            with contextlib.suppress(OSError):
                peer = plain(self.server, timeout=2)
                self.peers.append(peer)
                self.say(peer)
            self.opened += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        for peer in self.peers:
            peer.close()


def compare(attack, guests, sources=(GUESTS,)):
    """attack(server) is a context in which the server suffers; how many guests are answered by the node and by nginx. They come from
    these addresses in turn."""
    good = {}
    with nginx.running() as other, guests_have_an_address():
        for server in (other, ADDRESS):
            until(lambda: ask(server), f"{server} to answer before the attack")
            with attack(server):
                good[server] = sum(ask(server, sources[number % len(sources)]) for number in range(guests))
    note = f"{good[ADDRESS]} of {guests} guests answered, by nginx {good[other]}"
    assert good[ADDRESS] >= good[other] and good[ADDRESS] == guests, note
    until(lambda: unaccounted() == 0, "every frame to be accounted for")
    return note


def one_request(peer):
    peer.sendall(b"GET / HTTP/1.1\r\nHost: hello.hearth.test\r\n\r\n")
    assert peer.recv(4096).startswith(b"HTTP/1.1 200 ")


@case("one address keeps twice as many connections as there are, after one request each: 40 of 40 guests are answered")
def _():
    before = counters()

    @contextlib.contextmanager
    def attack(server):
        with Crowd(server, one_request, 2 * CONNS) as crowd:
            until(lambda: crowd.opened >= 2 * CONNS, "the crowd to be there", 120)
            yield

    note = compare(attack, 40, (GUESTS, CROWD))
    after = counters()
    assert after["conn_evicted_idle"] > before["conn_evicted_idle"]
    return f"{note}; {after['conn_evicted_idle'] - before['conn_evicted_idle']} idle connections gave way"


@case("one address connects as fast as it can and says nothing: 40 of 40 guests are answered")
def _():
    @contextlib.contextmanager
    def attack(server):
        with Crowd(server, lambda peer: None, 2 * CONNS) as crowd:
            until(lambda: crowd.opened >= 2 * CONNS, "the crowd to be there", 120)
            yield

    return compare(attack, 40, (GUESTS, CROWD))


@case("1,500 requests whose bodies come byte by byte, for another script: 60 of 60 guests are answered")
def _():
    def begin(peer):
        peer.sendall(b"POST /post HTTP/1.1\r\nHost: echo.hearth.test\r\nContent-Length: 100000\r\n\r\nx")

    @contextlib.contextmanager
    def attack(server):
        with Crowd(server, begin, 1500) as crowd:
            until(lambda: crowd.opened >= 1500, "the crowd to be there", 120)
            crowd.stop.set()
            drips, ends = threading.Event(), list(crowd.peers)

            def drip():
                while not drips.wait(2):
                    for peer in ends:
                        with contextlib.suppress(OSError):
                            peer.send(b"x")

            thread = threading.Thread(target=drip)
            thread.start()
            try:
                yield
            finally:
                drips.set()
                thread.join()

    return compare(attack, 60)


@case("2,000 SYNs from addresses of the link that nobody has: guests are answered, and the node tries no more often than was sent")
def _():
    before = counters()
    with guests_have_an_address():
        with raw_socket() as raw:
            for number in range(2000):
                # Of the lab's network, but for those that somebody has.
                raw.send(ether(ipv4(tcp(sport=1024 + number, source=f"10.77.0.{128 + number % 70}"),
                                    source=f"10.77.0.{128 + number % 70}")))
        assert all(ask(ADDRESS) for _ in range(10))
        until(lambda: counters()["conn_unreachable"] > before["conn_unreachable"], "half-open connections to end")
    after = counters()
    tries = after["net_unresolved"] - before["net_unresolved"]
    ended = after["conn_unreachable"] - before["conn_unreachable"]
    assert 0 < tries <= 2 * 2000, f"{tries} packets found no neighbour"
    return f"{tries} packets found no neighbour, {ended} half-open connections ended"
