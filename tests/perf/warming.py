"""warming.py CA ADDRESS GAP-MS COUNT [HOST...] - how long the first request of each script waits when its client needs GAP-MS between its
ClientHello and the request: the round trip over a network that this machine does not have. COUNT requests each: the first finds the script cold,
those behind it are its measure. Prints JSON: nanoseconds of each first request and of the fastest behind it, and the word that the first one got."""

import json
import socket
import ssl
import sys
import time


class Client:
    """A TLS client that decides itself when its second flight leaves."""

    def __init__(self, ca, address, host, port=443):
        self.host = host
        self.peer = socket.create_connection((address, port), timeout=10)
        self.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input, self.output = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = ssl.create_default_context(cafile=ca).wrap_bio(self.input, self.output, server_hostname=host)

    def push(self):
        self.peer.sendall(self.output.read())

    def pull(self):
        data = self.peer.recv(65536)
        if not data:
            sys.exit(f"{self.host}: closed")
        self.input.write(data)

    def shake(self):
        """Ends with the client's Finished ready to leave, but not sent."""
        while True:
            try:
                return self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.push()
                self.pull()

    def ask(self, path="/", host=None):
        """Nanoseconds from the request's first byte to the answer's head, and hearth's word about its start."""
        self.tls.write(f"GET {path} HTTP/1.1\r\nHost: {host or self.host}\r\n\r\n".encode())
        start = time.perf_counter_ns()
        self.push()
        answer = b""
        while b"\r\n\r\n" not in answer:
            try:
                answer += self.tls.read(65536)
            except ssl.SSLWantReadError:
                self.pull()
        took = time.perf_counter_ns() - start
        if not answer.startswith(b"HTTP/1.1 200 "):
            sys.exit(f"{self.host}: {answer!r}")
        words = (line.split()[-1] for line in answer.decode().split("\r\n") if line.lower().startswith("x-hearth-start:"))
        return took, next(words, None)


def main(ca, address, gap_ms, count, *hosts):
    seen = []
    for host in hosts:
        client = Client(ca, address, host)
        began = time.perf_counter()
        client.shake()
        time.sleep(max(0.0, float(gap_ms) / 1000 - (time.perf_counter() - began)))
        first, word = client.ask()
        seen.append({"first": first, "warm": min(client.ask()[0] for _ in range(int(count) - 1)), "word": word})
        client.peer.close()
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
