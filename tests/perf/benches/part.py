"""A server that is not busy: what a request costs at a rate it could take many times over, and how long one waits alone."""

import os
import re
import statistics

from benches.lab import LAB, PERF, ROOT, WORK, Server, cpu_seconds, fail, family, in_client, note, result, rows_of, run, wait_until_it_answers
from benches.peers import peers

TEXTS = {
    "part": """CPU time of the server's processes for a request at 15,000 requests a second, open loop (h2load --h1, 50 kept connections, each with
300 requests a second, whether the last one was answered or not): "Hello, world!" over TLS 1.3""",
    "alone": "the median time of a request over one kept connection, one after the other (wrk -c1)",
}
GOALS = {"part": "<= 1 x nginx", "alone": "<= nginx's + 15 us"}

CONNECTIONS, RATE = 50, 15000
PEERS = ("nginx", "node", "deno")
H2LOAD = os.path.join(WORK, "debian", "usr", "bin", "h2load")
LIBRARIES = os.path.join(WORK, "debian", "usr", "lib", "x86_64-linux-gnu")


def part_load(server, seconds):
    """Microseconds of CPU time for a request."""
    cpu = cpu_seconds(family(server.pid))
    seen = run(*in_client("env", f"LD_LIBRARY_PATH={LIBRARIES}", H2LOAD, "--h1", "-t1", f"-c{CONNECTIONS}", f"--rps={RATE // CONNECTIONS}",
                          f"-D{seconds}", server.url))
    cpu = cpu_seconds(family(server.pid)) - cpu
    done, failed = (int(re.search(rf"(\d+) {word}", seen)[1]) for word in ("succeeded", "failed"))
    if failed or done < RATE * seconds * 0.9:
        fail(f"{server.name} answers {done} requests in {seconds} s, {failed} failed:\n{seen}")
    return cpu / done * 1e6


def alone(server, seconds):
    """Microseconds of a request, at the median."""
    seen = run(*in_client("wrk", "-t1", "-c1", f"-d{seconds}s", "--latency", server.url))
    value, unit = re.search(r"50%\s+([\d.]+)(us|ms)", seen).groups()
    return float(value) * (1000 if unit == "ms" else 1)


FIGURES = {"part": (part_load, "us/request"), "alone": (alone, "us")}


def bench(names, options):
    seen = {}
    run(LAB, "up", "--config-extra", os.path.join(PERF, "hearth.yaml"))
    try:
        run(LAB, "deploy", os.path.join(PERF, "hello"))
        with open(os.path.join(ROOT, "build", "lab", "n1", "pid")) as file:
            hearth = Server("hearth", "https://bench.hearth.test/", int(file.read()))
        wait_until_it_answers(hearth)
        with peers(PEERS) as others:
            servers = [hearth, *others]
            for server in servers:
                run(*in_client("wrk", "-t1", "-c64", "-d2s", server.url))
            for number in range(options.rounds):
                note(f"round {number + 1} of {options.rounds}")
                for server in servers:
                    for name in names:
                        seen.setdefault((name, server.name), []).append(FIGURES[name][0](server, options.seconds))
    finally:
        run(LAB, "down")
    results = [result(name, statistics.median(seen[name, "hearth"]), FIGURES[name][1], peer, statistics.median(seen[name, peer]), options.rounds)
               for name in names for peer in PEERS]
    return results, rows_of(results)
