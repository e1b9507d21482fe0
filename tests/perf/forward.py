"""forward.py CA HOST COUNT HOME ENTRY - the time of each of COUNT requests on a kept connection to the script's home, and of as many on one to
another node, taken in turn: one request at a time, so that both kinds meet the same machine. Prints JSON: nanoseconds of each."""

import json
import socket
import ssl
import sys
import time

WARM_UP = 300  # requests of either kind that are not measured


def connect(ca, host, address):
    context = ssl.create_default_context(cafile=ca)
    peer = socket.create_connection((address, 443), timeout=10)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(peer, server_hostname=host)


def ask(peer, request):
    """Nanoseconds from the request's first byte to the answer's last one. Answers have a Content-Length."""
    start = time.perf_counter_ns()
    peer.sendall(request)
    answer = b""
    while True:
        data = peer.recv(65536)
        if not data:
            sys.exit(f"closed after {answer!r}")
        answer += data
        head, end, body = answer.partition(b"\r\n\r\n")
        if end:
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            if len(body) >= length:
                break
    took = time.perf_counter_ns() - start
    if not answer.startswith(b"HTTP/1.1 200 "):
        sys.exit(f"answered {answer!r}")
    return took


def main(ca, host, count, home, entry):
    local, other = connect(ca, host, home), connect(ca, host, entry)
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    times = {"local": [], "forwarded": []}
    for number in range(WARM_UP + int(count)):
        # Who is first changes, so that neither always follows the other.
        pair = [("local", local), ("forwarded", other)]
        for name, peer in pair if number % 2 else reversed(pair):
            took = ask(peer, request)
            if number >= WARM_UP:
                times[name].append(took)
    print(json.dumps(times))


if __name__ == "__main__":
    main(*sys.argv[1:])
