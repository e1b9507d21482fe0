"""Scripts in steady state, beside other builds."""

import json
import os
import statistics
import sys

from benches.lab import CA, LAB, PERF, ROOT, WORK, in_client, note, result, rows_of, run, scripts

TEXTS = {
    "steady": """six scripts of the kinds that are deployed (tests/perf/scripts), each in a fresh cell, 6,000 requests one after the other: CPU time of the
cell for one of the last third; of the first 1,000, while V8 compiles, all together, the 99th percentile and the dearest; memory after
these. The peer is the cells of another build (--beside), in the same run""",
}

STEADY_SCRIPTS = os.path.join(PERF, "scripts")
STEADY_REQUESTS = 6000
STEADY_EARLY = 1000  # those while compilers are at work, and behind which memory is looked at
STEADY_FIGURES = {"cpu": "us/request", "early": "ms in all", "early p99": "us", "early max": "us", "memory": "KB"}


def cell_config(directory):
    """The lab's, with one cell for each script, of the build in that directory."""
    path = os.path.join(WORK, "cells.yaml")
    with open(path, "w") as file:
        file.write(f"cells: {{cpus: [{min(1, os.cpu_count() - 1)}], larges: 4, per_script: 1, "
                   f"program: {directory}/hearth-runtime.so, blob: {directory}/base.blob}}\n")
    return path


def measure_steady(directory, names, figures):
    run(LAB, "up", "--config-extra", cell_config(directory))
    try:
        for name in names:
            run(LAB, "deploy", os.path.join(STEADY_SCRIPTS, name))  # its cell has had no request then
            [pid] = next(script["pids"] for script in scripts() if script["name"] == name)
            seen = json.loads(run(*in_client(sys.executable, os.path.join(PERF, "steady.py"), CA, "10.77.0.1", name, str(pid),
                                             str(STEADY_REQUESTS))))
            early, late = sorted(seen["cpu_us"][:STEADY_EARLY]), seen["cpu_us"][STEADY_REQUESTS * 2 // 3:]
            values = (statistics.median(late), sum(early) / 1000, early[len(early) * 99 // 100], early[-1], seen["memory"] / 1000)
            for figure, value in zip(STEADY_FIGURES, values):
                figures.setdefault((name, figure), []).append(value)
    finally:
        run(LAB, "down")


def bench(names, options):
    builds = {"this": os.path.join(ROOT, "build", "runtime", "worker")}
    for path in options.beside:
        builds[os.path.basename(os.path.normpath(path))] = os.path.abspath(path)
    wanted, seen = sorted(os.listdir(STEADY_SCRIPTS)), {build: {} for build in builds}
    for number in range(options.rounds):
        for build, directory in builds.items():
            note(f"round {number + 1} of {options.rounds}: {build}")
            measure_steady(directory, wanted, seen[build])
    results = []
    for key in ((name, figure) for figure in STEADY_FIGURES for name in wanted):
        mine = statistics.median(seen["this"][key])
        for build in list(builds)[1:] or ["this"]:
            results.append(result(" ".join(key), mine, STEADY_FIGURES[key[1]], build, statistics.median(seen[build][key]), options.rounds))
    return results, rows_of(results)
