"""steady.py CA ADDRESS NAME PID COUNT - asks a script of tests/perf/scripts COUNT times, one request after the other on one connection, and watches its
cell, PID. Those that read a body get one. Prints JSON: microseconds of CPU time that the cell used for each request; bytes that the kernel counts
for it (its proportional set and its page tables) after MEMORY_AT requests. CPU time, because a busy machine does not change it by much."""

import contextlib
import http.client
import json
import os
import random
import socket
import ssl
import struct
import sys
import zlib

MEMORY_AT = 1000
TIMEOUT_S = 60


def png(data_bytes=65536):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    data = random.Random(1).randbytes(data_bytes)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 320, 200, 8, 2, 0, 0, 0)) +
            b"".join(chunk(b"IDAT", data[at:at + 8192]) for at in range(0, data_bytes, 8192)) + chunk(b"IEND", b""))


def orders(count=230):
    draw = random.Random(2)
    return json.dumps({"orders": [{
        "id": number, "at": f"2026-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}", "status": draw.choice(["paid", "sent", "open"]),
        "customer": {"name": f"Customer {draw.randint(1, 40)}", "country": draw.choice(["DE", "FR", "US"])},
        "lines": [{"sku": f"S-{draw.randint(1, 60)}", "count": draw.randint(1, 9), "price": draw.randint(100, 9999) / 100}
                  for _ in range(draw.randint(1, 6))]} for number in range(count)]}).encode()


def rows_of_csv(count=200):
    draw = random.Random(3)
    lines = ["id,name,city,amount,note"]
    lines += [f'{number},"Name, {number}",City {draw.randint(1, 50)},{draw.randint(1, 10**6) / 100},"said ""hello"""' for number in range(count)]
    return "\n".join(lines).encode()


BODIES = {"image": png, "report": orders, "feed": rows_of_csv}


def cpu_us(pid):
    """Of all its threads. /proc/PID/stat counts in ticks of 10 ms."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/schedstat") as file:
            total += int(file.read().split()[0])
    return total / 1000


def memory_bytes(pid):
    total = 0
    for path, word in (("smaps_rollup", "Pss:"), ("status", "VmPTE:")):
        with open(f"/proc/{pid}/{path}") as file:
            total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith(word))
    return total


def main(ca, address, name, pid, count):
    body, host = BODIES[name]() if name in BODIES else None, f"{name}.hearth.test"
    peer = socket.create_connection((address, 443), timeout=TIMEOUT_S)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = http.client.HTTPConnection(host)
    client.sock = ssl.create_default_context(cafile=ca).wrap_socket(peer, server_hostname=host)
    seen, memory, before = [], 0, cpu_us(pid)
    for number in range(1, int(count) + 1):
        client.request("POST" if body else "GET", "/api/items?tag=gift&page=2", body)
        answer = client.getresponse()
        text = answer.read()
        if answer.status != 200:
            sys.exit(f"{host}: {answer.status} {text[:200]!r}")
        now = cpu_us(pid)
        seen.append(now - before)
        before = now
        if number == MEMORY_AT:
            memory = memory_bytes(pid)
            before = cpu_us(pid)  # being looked at costs it some
    print(json.dumps({"cpu_us": seen, "memory": memory}))


if __name__ == "__main__":
    main(*sys.argv[1:])
