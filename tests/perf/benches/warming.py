"""A script's start behind the ClientHello."""

import os
import statistics

from benches.lab import LAB, PERF, deploy_hellos, first_requests, make_cold, note, result, rows_of, run

TEXTS = {
    "warming": """how long the first request of a script that does not run waits for its cell, with {0, 1, 2, 4, 8} ms between the ClientHello, at which
the start begins, and the request; the peer is hearth with warm_per_s=0, where it begins with the request. N is how many scripts""",
}

WARMING_SCRIPTS = 20  # for each gap, with and without
WARMING_GAPS_MS = (0, 1, 2, 4, 8)


def bench(names, options):
    apart = [f"w{number:03d}" for number in range(WARMING_SCRIPTS * len(WARMING_GAPS_MS))]
    waits = {}
    run(LAB, "up", "--config-extra", os.path.join(PERF, "warming.yaml"))
    try:
        deploy_hellos(apart)
        for name, knob in (("ahead", "warm_per_s=1000"), ("peer", "warm_per_s=0")):
            for number in range(options.rounds):
                note(f"{name}, round {number + 1} of {options.rounds}")
                make_cold()
                run(LAB, "ctl", "n1", "tune", knob)
                for at, gap_ms in enumerate(WARMING_GAPS_MS):
                    seen = first_requests(gap_ms, [f"{script}.hearth.test" for script in apart[at::len(WARMING_GAPS_MS)]])
                    waits.setdefault((name, gap_ms), []).extend((one["first"] - one["warm"]) / 1000 for one in seen)
    finally:
        run(LAB, "down")
    results = []
    for gap_ms in WARMING_GAPS_MS:
        mine, other = waits["ahead", gap_ms], waits["peer", gap_ms]
        results.append(result(f"wait of a first request, {gap_ms} ms after the hello", statistics.median(mine), "us", "warm_per_s=0",
                              statistics.median(other), len(mine)))
    return results, rows_of(results)
