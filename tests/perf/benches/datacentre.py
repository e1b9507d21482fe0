"""300 servers would take hours: a small data centre for a few hours, by the same program and on virtual time."""

import csv
import os

from benches.lab import ROOT, WORK, result, rows_of, run

TEXTS = {
    "datacentre": """a small data centre of 60 servers, 5,000 scripts and 60,000 requests a second, simulated (tools/sim datacentre) with the memory with which it
is 99.9 % warm without sharding, for --seconds hours at most 24: requests that wait for a start, forwarded ones, evictions, and the busiest server;
everything that hearth has, beside no sharding. No clock is read: it is the same on every machine""",
}
GOALS = {"datacentre cold": "<= 10 (99.999 % warm)", "datacentre forwarded": "<= 4", "datacentre evictions": "<= 0.1 x"}
SIZE = ("--servers", "60", "--scripts", "5000", "--rate", "60000")
WITHOUT, WITH = "none", "hello"


def bench(names, options):
    program, out = os.path.join("tests", "sim", "sim_datacentre"), os.path.join(WORK, "datacentre")
    run("ninja", "-C", os.path.join(ROOT, "build"), program)
    run(os.path.join(ROOT, "build", program), *SIZE, "--hours", str(min(options.seconds, 24)), "--only", f"{WITHOUT},{WITH}", "--out", out)
    with open(os.path.join(out, "table.csv")) as file:
        rows = {row["variant"]: {name: float(value) for name, value in row.items() if name != "variant"} for row in csv.DictReader(file)}
    figures = [("cold", "of a million", lambda row: (100 - row["warm%"]) * 1e4), ("forwarded", "% of requests", lambda row: row["fwd%"]),
               ("evictions", "cells", lambda row: row["evictions"]), ("busiest server", "x the mean", lambda row: row["max/mean"])]
    results = [result(f"datacentre {name}", value(rows[WITH]), unit, "no sharding", value(rows[WITHOUT]), 1) for name, unit, value in figures]
    return results, rows_of(results)
