"""Programs of their own, which print their JSON lines; their last argument is the number of rounds."""

import json
import os

from benches.lab import ROOT, rows_of, run

TEXTS = {
    "ring": "lookups of a script's home among 300 nodes while the ring changes 1,000 times a second; beside bsearch over the same ring",
    "classify": """a client's first frame from the port's buffer to the node where its script is at home: checksum, flow, ClientHello, name, route, ring;
warm (one host) and cold (60,000 hosts and flows at random, beyond all caches), in all and by stage; no peer, but the goal""",
    "rpc": "calls of 32 bytes between two processes over memif, encrypted: round trip, and calls per second; beside the kernel's UDP, plain",
}

PROGRAMS = {"ring": ["bench_ring"], "rpc": ["bench_rpc"], "classify": ["bench_classify", os.path.join(ROOT, "tests", "fuzz", "corpus", "tls")]}


def bench(names, options):
    results = []
    for name in names:
        program, *arguments = PROGRAMS[name]
        target = os.path.join("tests", "perf", program)
        run("ninja", "-C", os.path.join(ROOT, "build"), target)
        printed = run(os.path.join(ROOT, "build", target), *arguments, str(5 * options.rounds))
        results += [json.loads(line) for line in printed.splitlines()]
    return results, rows_of(results)
