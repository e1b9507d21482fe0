"""The first request of a script, beside workerd."""

import json
import os
import sys

from benches.lab import ADDRESS, CA, LAB, PERF, deploy_hellos, fail, in_client, make_cold, note, percentile, result, rows_of, run, scripts
from benches.peers import LOADER, attach_peer, workerd_with

TEXTS = {
    "cold": """the first request of a script that does not run, less its second, on a connection that is open already and has not named it, with 20
ms of peace before each of the two; median and 99th percentile, interleaved with workerd. That makes the isolates of its services when it
starts, so here it has its worker loader (--experimental), which makes one when a request names a new worker. N is how many scripts""",
}

COLD_SCRIPTS = 100  # of a round
COLD_PAUSE_MS = 20


def waited_for():
    """Starts that a request waited for."""
    return sum(script["cold"] for script in scripts())


def bench(names, options):
    waits = {"hearth": [], "peer": []}
    names = [f"c{number:03d}" for number in range(COLD_SCRIPTS)]
    run(LAB, "up", "--config-extra", os.path.join(PERF, "warming.yaml"))
    try:
        attach_peer()
        deploy_hellos(names)
        for number in range(options.rounds):
            note(f"round {number + 1} of {options.rounds}")
            make_cold()
            before = waited_for()
            with workerd_with([LOADER], "ready"):
                seen = json.loads(run(*in_client(sys.executable, os.path.join(PERF, "cold.py"), CA, str(COLD_PAUSE_MS), "10.77.0.1", ADDRESS,
                                                 *names)))
            if waited_for() - before != COLD_SCRIPTS:
                fail("not every first request of hearth found its script cold")
            for server, all_of_it in waits.items():
                all_of_it.extend((first - second) / 1000 for first, second in seen[server])
    finally:
        run(LAB, "down")
    results = [result(title, percentile(waits["hearth"], part), "us", "workerd", percentile(waits["peer"], part), len(waits["hearth"]))
               for title, part in (("cold", 0.5), ("cold_p99", 0.99))]
    return results, rows_of(results)
