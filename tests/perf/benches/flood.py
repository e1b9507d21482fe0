"""Floods of packets, over memif."""

import contextlib
import os
import statistics

import books

from benches.lab import LAB, PERF, ROOT, TICKS, fail, note, result, rows_of, run

TEXTS = {
    "flood": """what one core takes of packets of strangers over memif, from tools/gen on the other CPU as fast as it goes: garbage of 15 kinds, ClientHellos
without a connection, SYNs beyond the half-open ones, which get cookies; frames a second on the clock, and of the core's CPU time in user mode.
The peer is the goal. And what 32 good clients get of 2,000 answers a second that they ask for over kept connections, and the 99th percentile of
their waits, beside a flood of four fifths of what was taken; the peer is the same alone. Every frame of every run is accounted for, or it ends""",
}

FLOOD_GOALS = {"garbage": 10e6, "hello": 7e6, "syn": 4e6}  # frames a second of one core
FLOOD_PART = 0.8  # of what a core takes: beside it good clients are served
GOOD_CLIENTS = ("--clients", 32, "--client-rate", 2000, "--client-host", "bench.hearth.test")


def core_threads(pid):
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/comm") as file:
            if file.read().startswith("rte-worker-"):
                yield thread


def user_seconds(pid):
    """Of the dp cores: without the kernel's part, which is sleep and other processes' doing."""
    ticks = 0
    for thread in core_threads(pid):
        with open(f"/proc/{pid}/task/{thread}/stat") as file:
            ticks += int(file.read().rsplit(")", 1)[1].split()[11])
    return ticks / TICKS


def put_first(pid):
    """Before other work on the machine, where the kernel groups processes by session (sched_autogroup) or not: a ring overflows while its reader waits."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/autogroup", "w") as file:
        file.write("-20")
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, int(thread), min(-10, os.getpriority(os.PRIO_PROCESS, int(thread))))


class Flood:
    """A lab whose node has memif for a port, and runs of the generator at its other end."""

    def __init__(self, seconds):
        self.seconds, self.seed = seconds, 0
        self.stats = books.hearth_stats("/run/hearth-lab/n1/ctl.sock")
        with open(os.path.join(ROOT, "build", "lab", "n1", "pid")) as file:
            self.pid = int(file.read())
        put_first(self.pid)

    def run(self, *options):
        """The books, how long it took, and user time of the core."""
        self.seed += 1
        with books.Generator(*books.LAB, "--seconds", self.seconds, "--seed", self.seed, *options) as generator:
            put_first(generator.process.pid)
            before, cpu = books.Entry(generator, self.stats), user_seconds(self.pid)
            took = generator.go()["seconds"]
            cpu = user_seconds(self.pid) - cpu
            kept = books.settled(generator, self.stats, before)
        if kept.faults or ("--clients" in options and not kept.clients["answered"]):
            fail(kept.text())
        return kept, took, cpu


def bench(names, options):
    taken, of_cpu, good = ({} for _ in range(3))
    run("ninja", "-C", os.path.join(ROOT, "build"), os.path.join("tools", "gen", "gen"))
    run(LAB, "up", "--port", "memif", "--config-extra", os.path.join(PERF, "flood.yaml"))
    try:
        run(LAB, "deploy", os.path.join(PERF, "hello"))
        flood = Flood(options.seconds)
        flood.run(*GOOD_CLIENTS)  # the script is warm from here on
        for number in range(options.rounds):
            note(f"round {number + 1} of {options.rounds}")
            for kind in FLOOD_GOALS:
                kept, took, cpu = flood.run("--mix", kind)
                taken.setdefault(kind, []).append(kept.count("rx_frames") / took)
                of_cpu.setdefault(kind, []).append(kept.count("rx_frames") / cpu)
            for kind in (None, *FLOOD_GOALS):
                mix = ("--mix", kind, "--rate", int(statistics.median(taken[kind]) * FLOOD_PART)) if kind else ()
                kept, took, _ = flood.run(*GOOD_CLIENTS, *mix)
                good.setdefault(kind, []).append((kept.clients["answered"] / took, kept.waits["client"]["p99_us"]))
    finally:
        run(LAB, "down")
    results = []
    for kind, goal in FLOOD_GOALS.items():
        results.append(result(f"flood {kind}", statistics.median(taken[kind]), "frames/s", "goal", goal, options.rounds))
        results.append(result(f"flood {kind}, of CPU time", statistics.median(of_cpu[kind]), "frames/s", "goal", goal, options.rounds))
    for at, title, unit in ((0, "goodput", "answers/s"), (1, "p99 of a good client", "us")):
        alone = statistics.median(one[at] for one in good[None])
        results += [result(f"{title} beside {kind}", statistics.median(one[at] for one in good[kind]), unit, "alone", alone, options.rounds)
                    for kind in FLOOD_GOALS]
    return results, rows_of(results)
