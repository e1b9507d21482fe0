"""A node that joins, and one that leaves, under load."""

import json
import os
import subprocess
import sys
import time

from benches.lab import CA, LAB, PERF, deploy_hellos, fail, in_client, note, percentile, result, rows_of, run

TEXTS = {
    "join": """a third node joins two that serve 40 scripts, 400 requests a second at these two: share of cold answers, 99th percentile and errors from 1 s
before it serves until 1 s after; beside these in the 2 s before it was started. And ms from its start, the copy of its scripts and that of V8 included,
until no script of its own is answered with another node as its home. N is how many requests""",
    "leave": """the same of a node that is drained (hearthctl node drain) and ended when it is: from 1 s before it drains until 1 s after; and ms from the command
until no script is answered by it""",
}
GOALS = {f"{name} {figure}": "0" for name in TEXTS for figure in ("cold answers", "errors")}
NODES, MEMBER = ("n1", "n2"), "n3"
SCRIPTS = 40
RATE = 400
CALM_S, AROUND_S, AFTER_S = 2.0, 1.0, 4.0
PATIENCE_S = 60


def state():
    """Of the member, as n1 has it."""
    members = json.loads(run(LAB, "ctl", NODES[0], "node", "status", "--json"))["members"]
    return next(member["state"] for member in members if member["name"] == MEMBER)


def await_state(wanted):
    """When it was that first, as often as it can be asked."""
    deadline = time.monotonic() + PATIENCE_S
    while state() != wanted:
        if time.monotonic() > deadline:
            fail(f"{MEMBER} is {state()} and not {wanted}")
        time.sleep(0.01)
    return time.monotonic()


def at_member():
    """Numbers of the scripts whose home it is by the ring, whatever its state."""
    def home(name):
        return json.loads(run(LAB, "ctl", NODES[0], "ring", "locate", name, "--json"))["scripts"][0]["home"]

    return {number for number, name in enumerate(names()) if home(name) == MEMBER}


def names():
    return [f"s{number:03d}" for number in range(SCRIPTS)]


class Load:
    def __init__(self):
        self.process = subprocess.Popen(in_client(sys.executable, os.path.join(PERF, "members.py"), CA, str(RATE), str(3 * PATIENCE_S), str(SCRIPTS),
                                                  *(f"10.77.0.{node[1:]}" for node in NODES)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        time.sleep(CALM_S)  # connections, and just-in-time compilers

    def end(self):
        time.sleep(AFTER_S)
        seen, _ = self.process.communicate("\n")
        if self.process.returncode:
            fail("the load broke off")
        return json.loads(seen)


def between(seen, since, until):
    return [row for row in seen if since <= row[0] < until]


def leave():
    """Requests before it and around it, and ms until it answers none."""
    load = Load()
    time.sleep(CALM_S)
    told = time.monotonic()
    run(LAB, "ctl", MEMBER, "node", "drain")
    drained = await_state("draining")
    run(LAB, "kill", MEMBER, "TERM")
    seen = load.end()
    last = max((row[0] for row in seen if row[0] > told and row[4] == MEMBER), default=told)
    return between(seen, told - CALM_S, told), between(seen, drained - AROUND_S, drained + AROUND_S), (last - told) * 1000


def join(its_own):
    """The same of one that is started, and ms until these scripts have it for their home."""
    load = Load()
    time.sleep(CALM_S)
    began = time.monotonic()
    starter = subprocess.Popen([LAB, "start", MEMBER], stdout=subprocess.DEVNULL)
    serving = await_state("serving")
    if starter.wait():
        fail(f"{MEMBER} does not start")
    seen = load.end()
    if not any(row[4] == MEMBER for row in seen if row[0] > serving):
        fail(f"{MEMBER} serves none of its scripts")
    last = max((row[0] for row in seen if row[0] > began and row[5] in its_own and row[4] != MEMBER), default=began)
    return between(seen, began - CALM_S, began), between(seen, serving - AROUND_S, serving + AROUND_S), (last - began) * 1000


def figures(seen):
    def share(is_counted):
        return 100 * sum(map(is_counted, seen)) / len(seen)

    return {"cold answers": share(lambda row: row[3] == "cold"), "p99": percentile([row[1] for row in seen], 0.99), "errors": share(lambda row: row[2] != 200)}


UNITS = {"cold answers": "%", "p99": "us", "errors": "%"}


def bench(wanted, options):
    calm, around, whole = ({name: [] for name in TEXTS} for _ in range(3))
    run(LAB, "up", "--nodes", str(len(NODES) + 1), "--config-extra", os.path.join(PERF, "warming.yaml"))
    try:
        deploy_hellos(names())
        its_own = at_member()
        note(f"{len(its_own)} of {SCRIPTS} scripts have their home at {MEMBER}")
        for number in range(options.rounds):
            note(f"round {number + 1} of {options.rounds}")
            for name, kept in (("leave", leave()), ("join", join(its_own))):
                for sums, part in zip((calm[name], around[name]), kept):
                    sums.extend(part)
                whole[name].append(kept[2])
    finally:
        run(LAB, "down")
    results = []
    for name in (name for name in TEXTS if name in wanted):
        before, meanwhile = figures(calm[name]), figures(around[name])
        results += [result(f"{name} {figure}", meanwhile[figure], unit, "before", before[figure], len(around[name])) for figure, unit in UNITS.items()]
        results.append(result(f"{name}, until the ring is whole", percentile(whole[name], 0.5), "ms", "longest", max(whole[name]), len(whole[name])))
    return results, rows_of(results)
