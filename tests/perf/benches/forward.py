"""A request that enters at a node that is not its script's home."""

import json
import os
import sys

from benches.lab import CA, LAB, PERF, fail, in_client, result, rows_of, run

TEXTS = {
    "forward": """what it costs that a request enters at a node that is not its script's home: one kept connection to the home (the peer,
"local") and one to another node of three, one request at a time on each in turn; median and 99th percentile of the time,
the forwarded less the local""",
}


def bench(names, options):
    nodes, count = ("n1", "n2", "n3"), options.seconds * 1000
    run(LAB, "up", "--nodes", str(len(nodes)), "--config-extra", os.path.join(PERF, "hearth.yaml"))
    try:
        run(LAB, "deploy", os.path.join(PERF, "hello"))
        home = json.loads(run(LAB, "ctl", "n1", "ring", "locate", "bench", "--json"))["scripts"][0]["home"]
        entry = next(node for node in nodes if node != home)

        def counter(name):
            return json.loads(run(LAB, "ctl", entry, "stats", "--json"))["counters"][name]

        forwarded = counter("place_home")
        times = json.loads(run(*in_client(sys.executable, os.path.join(PERF, "forward.py"), CA, "bench.hearth.test", str(count),
                                          *(f"10.77.0.{node[1:]}" for node in (home, entry)))))
        if counter("place_home") - forwarded < count:
            fail(f"of {count} requests only {counter('place_home') - forwarded} were forwarded")
    finally:
        run(LAB, "down")
    local, other = sorted(times["local"]), sorted(times["forwarded"])
    results = []
    for title, part in (("forward", 0.5), ("forward_p99", 0.99)):
        at = int(len(local) * part)
        results.append(result(title, (other[at] - local[at]) / 1000, "us", "local", local[at] / 1000, len(local)))
    return results, rows_of(results)
