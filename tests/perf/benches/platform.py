"""What programs for Workers spend their time on, beside the runtimes that run the same file."""

import os
import statistics

from benches.lab import CA, LAB, PERF, ROOT, Server, cpu_seconds, fail, family, in_client, note, result, rows_of, run, wait_until_it_answers
from benches.peers import peers

TEXTS = {
    "platform": """a script's own work (tests/perf/platform), one request at a time: CPU time of the server's processes for one of each kind: 100 KB of JSON read and
written, a table by template literals, a component tree, a JWT verified, SHA-256 of 64 KB, base64 of 24 KB, headers, URLs, bodies, 1 MB through
a TransformStream. The ratio is the peer's time divided by hearth's: above 1 hearth is the faster one""",
}
GOALS = {"platform *": ">= 1 x node, deno, workerd"}

SCRIPT = os.path.join(PERF, "platform", "src", "index.js")
KINDS = ("json", "template", "ssr", "jwt", "sha256", "base64", "headers", "url", "bodies", "streams")
PEERS = ("node_worker", "deno", "workerd")


def answer(server, kind):
    """What the server says, and how often it did the work for it. None: it can not."""
    seen = run(*in_client("curl", "-sS", "--tlsv1.3", "--cacert", CA, "-i", server.url + kind))
    head, _, body = seen.replace("\r\n", "\n").partition("\n\n")
    times = [line.partition(":")[2] for line in head.split("\n") if line.lower().startswith("x-times:")]
    return (body, int(times[0])) if times else None


def measure(server, kind, seconds):
    """Microseconds of CPU time for one piece of work."""
    _, times = answer(server, kind)
    cpu = cpu_seconds(family(server.pid))
    seen = run(*in_client("wrk", "-t1", "-c1", f"-d{seconds}s", server.url + kind))
    cpu = cpu_seconds(family(server.pid)) - cpu
    requests = int(seen.partition(" requests in")[0].split()[-1])
    if "Non-2xx" in seen or "Socket errors" in seen or not requests:
        fail(f"{server.name}, {kind}:\n{seen}")
    return cpu / requests / times * 1e6


def bench(names, options):
    figures, wanted = {}, options.only or KINDS
    run(LAB, "up", "--config-extra", os.path.join(PERF, "hearth.yaml"))
    try:
        run(LAB, "deploy", os.path.join(PERF, "platform"))
        with open(os.path.join(ROOT, "build", "lab", "n1", "pid")) as file:
            hearth = Server("hearth", "https://platform.hearth.test/", int(file.read()))
        wait_until_it_answers(hearth)
        with peers(PEERS, SCRIPT) as others:
            servers = [hearth, *others]
            for kind in wanted:
                said = {server.name: answer(server, kind) for server in servers}
                if None in said.values() or len(set(said.values())) != 1:
                    fail(f"{kind}: not all say the same: {said}")
                for number in range(options.rounds + 1):  # the first one is for the just-in-time compilers
                    note(f"{kind}, round {number} of {options.rounds}" if number else f"{kind}, warming up")
                    for server in servers:
                        seen = measure(server, kind, options.seconds)
                        if number:
                            figures.setdefault((kind, server.name), []).append(seen)
    finally:
        run(LAB, "down")
    results = []
    for kind in wanted:
        mine = statistics.median(figures[kind, "hearth"])
        for peer in PEERS:
            theirs = statistics.median(figures[kind, peer])
            one = result(f"platform {kind}", mine, "us", peer.removesuffix("_worker"), theirs, options.rounds)
            results.append({**one, "ratio": round(theirs / mine, 3)})
    return results, rows_of(results)
