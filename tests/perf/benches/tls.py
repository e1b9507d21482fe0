"""Handshakes and idle connections, beside nginx."""

import contextlib
import json
import os
import re
import statistics
import subprocess

from benches.lab import ADDRESS, LAB, PERF, ROOT, Server, cpu_seconds, fail, family, in_client, note, result, rows_of, run, wait_until_it_answers
from benches.peers import peers

TEXTS = {
    "handshake": """TLS 1.3 handshakes by tests/perf/handshakes.c, full ones and resumed ones, each with a connection of its own that a reset ends:
{P-256, RSA 2,048} x {full, resumed} x {X25519, P-256, X25519MLKEM768}: handshakes per second, and CPU time of the server's
processes for each. The peer is nginx; for the post-quantum group, which its OpenSSL does not have, hearth's own X25519""",
    "memory": """bytes of an idle TLS connection that had one request, at 1,000 and at 10,000 of them: growth of the resident memory of the
server's processes (nginx: its workers; hearth: hearthd, and what each connection has of the tables that are there from the start)""",
}

HANDSHAKES = os.path.join("tests", "perf", "handshakes")
CERTIFICATE_NAMES = {"P-256": "bench.hearth.test", "RSA": "rsa.hearth.test"}


class TlsServer:
    """hearth or nginx: where it answers with which certificate, and what it cost."""

    def __init__(self, name, pid, address, ports):
        self.name, self.pid, self.address, self.ports = name, pid, address, ports
        self.seen = {}


@contextlib.contextmanager
def tls_servers():
    run("ninja", "-C", os.path.join(ROOT, "build"), HANDSHAKES)
    run(LAB, "up", "--config-extra", os.path.join(PERF, "handshakes.yaml"))
    try:
        run(LAB, "deploy", os.path.join(PERF, "hello"))
        with open(os.path.join(ROOT, "build", "lab", "n1", "pid")) as file:
            hearth = TlsServer("hearth", int(file.read()), "10.77.0.1", {"P-256": 443, "RSA": 443})
        wait_until_it_answers(Server("hearth", "https://bench.hearth.test/", hearth.pid))
        with peers(["nginx"]) as others:
            yield hearth, TlsServer("nginx", others[0].pid, ADDRESS, {"P-256": 8441, "RSA": 8446})
    finally:
        run(LAB, "down")


def handshake_command(server, certificate, group):
    return in_client(os.path.join(ROOT, "build", HANDSHAKES), server.address, str(server.ports[certificate]),
                     CERTIFICATE_NAMES[certificate], group)


def measure_handshakes(server, certificate, mode, group, seconds):
    cpu = cpu_seconds(family(server.pid))
    seen = json.loads(run(*handshake_command(server, certificate, group), mode, str(seconds), "8"))
    cpu = cpu_seconds(family(server.pid)) - cpu
    if not seen["count"]:
        fail(f"{server.name}: no handshake")
    rates, costs = server.seen.setdefault((certificate, mode, group), ([], []))
    rates.append(seen["count"] / seen["seconds"])
    costs.append(cpu / seen["count"] * 1e6)


def bench_handshake(options):
    kinds = [(certificate, mode, group) for certificate in CERTIFICATE_NAMES for mode in ("full", "resumed")
             for group in ("X25519", "P-256", "X25519MLKEM768")]
    with tls_servers() as (hearth, nginx):
        for number in range(options.rounds):
            note(f"round {number + 1} of {options.rounds}")
            for kind in kinds:
                measure_handshakes(hearth, *kind, options.seconds)
                if kind[2] != "X25519MLKEM768":
                    measure_handshakes(nginx, *kind, options.seconds)
    results = []
    for certificate, mode, group in kinds:
        mine = hearth.seen[certificate, mode, group]
        is_alone = group == "X25519MLKEM768"
        other = hearth.seen[certificate, mode, "X25519"] if is_alone else nginx.seen[certificate, mode, group]
        for at, title, unit in ((0, "handshake", "handshakes/s"), (1, "handshake_cpu", "us")):
            results.append(result(f"{title} {certificate} {mode} {group}", statistics.median(mine[at]), unit,
                                  "hearth X25519" if is_alone else "nginx", statistics.median(other[at]), len(mine[at])))
    return results


def resident_bytes(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as file:
            total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
    return total


def table_bytes_each():
    """What hearthd sets aside for each connection at its start, as it says in its log."""
    with open(os.path.join(ROOT, "build", "lab", "n1", "hearthd.log")) as file:
        found = re.search(r"^connections, in tables +\d+ +(\d+)", file.read(), re.M)
    return int(found.group(1)) if found else fail("no row `connections, in tables` in hearthd's log")


def measure_idle(server, count):
    """Only hearthd's own memory: cells hold nothing for an idle connection."""
    pids = [server.pid] if server.name == "hearth" else family(server.pid)
    before = resident_bytes(pids)
    holder = subprocess.Popen((*handshake_command(server, "P-256", "X25519"), "hold", str(count)), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    if not holder.stdout.readline():
        fail(f"{server.name} did not take {count} connections")
    grown = (resident_bytes(pids) - before) / count
    holder.communicate("")
    return grown + (table_bytes_each() if server.name == "hearth" else 0)


def bench_memory(options):
    results = []
    for count in (1000, 10000):
        with tls_servers() as (hearth, nginx):  # each count with fresh processes: freed memory is used again
            mine, other = measure_idle(hearth, count), measure_idle(nginx, count)
        results.append(result(f"memory of {count} idle connections", mine, "bytes each", "nginx", other, 1))
    return results


BY_NAME = {"handshake": bench_handshake, "memory": bench_memory}


def bench(names, options):
    results = [one for name in names for one in BY_NAME[name](options)]
    return results, rows_of(results)
