"""A neighbour of hostile scripts."""

import json
import os
import statistics
import subprocess
import sys

from benches.lab import LAB, PERF, ROOT, fail, in_client, note, result, run

TEXTS = {
    "fairness": """how long a script's clients wait (150 requests a second over kept connections, beside nothing) while another account attacks: a row for each
class of tests/perf/fairness.py, value and peer_value in milliseconds. Clients run on the machine's first CPU, hearth and its cells on the
second; the bystander's client comes before the others (SCHED_FIFO), and how late it woke up itself is the first row. Other work on the
machine is in all rows. --seconds is the time of each attack, and the rounds are put together""",
}

FAIRNESS_GOAL_MS = {"p99": 3, "max": 20}  # more than beside nothing


def bench(names, options):
    seen = []
    for number in range(options.rounds):
        note(f"round {number + 1} of {options.rounds}")
        run(LAB, "up", "--config-extra", os.path.join(PERF, "fairness.yaml"), "--unit", os.path.join(ROOT, "deploy", "hearth.service"))
        try:
            done = subprocess.run(in_client(sys.executable, os.path.join(PERF, "fairness.py"), str(options.seconds), *options.only),
                                  stdout=subprocess.PIPE, text=True)
            if done.returncode:
                fail("fairness: the bystander or an attack broke off (build/lab/n1/hearthd.log)")
            seen.append(json.loads(done.stdout))
        finally:
            run(LAB, "down")
    return fairness_rows([(same[0], {key: [one[key] / 1000 for one in same] for key in ("p50_us", "p99_us", "max_us")}) for same in zip(*seen)])


def fairness_rows(seen):
    """The median of the rounds' medians and percentiles, the maximum of all."""
    def figures(values):
        return {"p50": statistics.median(values["p50_us"]), "p99": statistics.median(values["p99_us"]), "max": max(values["max_us"])}

    calm = next(figures(values) for row, values in seen if row["beside"] == "nothing")
    results, rows = [], [["bystander beside", "p50 ms", "p99 ms", "max ms", "p99 more", "max more", "answers", "the attack got"]]
    for row, values in seen:
        mine, got = figures(values), ", ".join(f"{n} x {what}" for what, n in sorted(row.get("attack", {}).items()))
        results += [result(f"bystander's {part} beside {row['beside']}", mine[part], "ms", "nothing", calm[part], row["answers"]) for part in mine]
        more = {part: mine[part] - calm[part] for part in FAIRNESS_GOAL_MS}
        rows.append([row["beside"], *(f"{mine[part]:.2f}" for part in mine),
                     *(f"{more[part]:+.1f}" + ("" if more[part] <= goal else " !") for part, goal in FAIRNESS_GOAL_MS.items()), str(row["answers"]), got])
    return results, rows
