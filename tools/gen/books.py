"""books.py - the generator's counts beside hearthd's: what was sent = what was answered + what was dropped by a name, exactly.

  before = Entry(generator, stats)      both at one moment, in which nothing is under way
  generator.go()
  books = settled(generator, stats, before)     waits until nothing is under way again
  books.faults                          sentences about what is not explained; none: they balance

stats is a function that gives what `hearthctl stats --json` says.
"""

import json
import os
import subprocess
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))
PROGRAM = os.path.join(ROOT, "build", "tools", "gen", "gen")
LAB_PORT = "net_memif0,role=client,socket-abstract=no,socket=/run/hearth-lab/n1/memif,rsize=12"  # 4,096 frames: behind a port that cannot wake it a core sleeps 200 us
LAB = ("--port", LAB_PORT, "--to", "10.77.0.1", "--own", "10.77.0.254")
PATIENCE = 20.0  # seconds until the books must balance
LOOK = 0.02


class Generator:
    """A running gen. `with Generator(...) as generator:`; it ends with the block."""

    def __init__(self, *options):
        self.process = subprocess.Popen([PROGRAM, *map(str, options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        start_new_session=True)
        self._read()

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(self.process.communicate()[1].strip() or "gen ended")
        return json.loads(line)

    def _say(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self._read()

    def go(self):
        """Sends all; what it said when it had."""
        return self._say("go")

    def report(self):
        return self._say("report")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def hearth_stats(socket):
    """stats() by hearthctl."""
    def ask():
        done = subprocess.run([os.path.join(ROOT, "build", "control", "hearthctl"), "--socket", socket, "stats", "--json"], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"hearthctl: {done.stderr.strip()}")
        return json.loads(done.stdout)
    return ask


def flat(stats):
    """Counters of all cores, and those of their ports as port.NAME."""
    found = dict(stats["counters"])
    for core in stats["cores"]:
        for name, value in core["port"].items():
            found[f"port.{name}"] = found.get(f"port.{name}", 0) + value
    found["unaccounted"] = stats["unaccounted"]
    return found


def minus(after, before):
    return {name: value - before.get(name, 0) for name, value in after.items()}


class Entry:
    """Both sides at one moment: hearthd has neither received nor sent a frame while gen was asked."""

    def __init__(self, generator, stats):
        deadline = time.monotonic() + PATIENCE
        while True:
            first = flat(stats())
            self.gen = generator.report()
            self.hearth = flat(stats())
            moving = [name for name in ("rx_frames", "tx_frames") if first[name] != self.hearth[name]]
            if not moving:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"never a moment without a frame: {moving} move")
            time.sleep(LOOK)


def is_name_of(counter, ends):
    return any(counter == end or (end.endswith("*") and counter.startswith(end[:-1])) for end in ends.split())


class Books:
    def __init__(self, before, after):
        self.sent = {kind: n for kind, n in minus(after.gen["sent"], before.gen["sent"]).items() if n}
        self.lost = {kind: n for kind, n in minus(after.gen["lost"], before.gen["lost"]).items() if n}
        self.answers = {kind: n for kind, n in minus(after.gen["answers"], before.gen["answers"]).items() if n}
        self.counters = {name: n for name, n in minus(after.hearth, before.hearth).items() if n}
        self.ends, self.waits, self.clients, self.strange = (after.gen[name] for name in ("ends", "waits", "clients", "strange"))
        self.dispositions = {name: n for name, n in self.counters.items() if name.startswith(("rx_", "drop_")) and name != "rx_frames"}
        self.faults = [*self._frames(), *self._groups(), *self._answers()]

    def count(self, *names):
        return sum(self.counters.get(name, 0) for name in names)

    def unsaid(self):
        """Answers that hearthd made, or would have made, and dropped, each by a name."""
        return self.count("port.tx_full", "tx_no_buffer", "net_unresolved_dropped")

    def _frames(self):
        sent, taken = sum(self.sent.values()), self.count("rx_frames", "port.rx_truncated", "port.spread_full", "port.rx_missed", "port.rx_errors")
        if sent != taken:
            yield f"{sent} frames were sent, {taken} received or lost by name"
        if self.count("unaccounted"):
            yield f"hearthd: {self.count('unaccounted')} frames are unaccounted for"
        if self.count("rx_frames") != sum(self.dispositions.values()):
            yield f"{self.count('rx_frames')} frames received, {sum(self.dispositions.values())} given or dropped by name"

    def groups(self):
        """Kinds whose packets may end in the same counters are one group: (kinds, counters)."""
        found = []
        for kind in self.sent:
            kinds, counters = {kind}, {name for name in self.dispositions if is_name_of(name, self.ends[kind])}
            for other in [group for group in found if group[1] & counters]:
                found.remove(other)
                kinds, counters = kinds | other[0], counters | other[1]
            found.append((kinds, counters))
        return found

    def _groups(self):
        explained = set()
        for kinds, counters in self.groups():
            explained |= counters
            sent, ended = sum(self.sent[kind] for kind in kinds), self.count(*counters)
            lost = self.count("port.rx_truncated", "port.spread_full", "port.rx_missed", "port.rx_errors")
            if not ended <= sent <= ended + lost:
                yield f"{sent} of {' '.join(sorted(kinds))} were sent, {ended} are in {' '.join(sorted(counters)) or 'no counter'}"
        for name in sorted(set(self.dispositions) - explained):
            yield f"{name} counts {self.dispositions[name]}, and nothing was sent that could end there"

    def _answers(self):
        heard, said = sum(self.answers.values()), self.count("tx_frames") - self.count("port.tx_full")
        if heard != said:
            yield f"{said} frames were sent by hearthd, {heard} came back"
        if self.answers.get("strange"):
            yield f"{self.answers['strange']} frames came back that answer nothing; the first one: {self.strange}"

    def text(self):
        """For people: a table, and the verdict."""
        rows = [("sent", *item) for item in sorted(self.sent.items())] + [("lost before it", *item) for item in sorted(self.lost.items())]
        rows += [("hearthd", *item) for item in sorted(self.counters.items())] + [("came back", *item) for item in sorted(self.answers.items())]
        lines = [f"{side:<16}{name:<28}{n:>14,}" for side, name, n in rows]
        for name, wait in self.waits.items():
            lines.append(f"{'wait':<16}{name:<28}{wait['count']:>14,}  p50 {wait['p50_us']:,.0f}  p99 {wait['p99_us']:,.0f}  max {wait['max_us']:,.0f} us")
        return "\n".join([*lines, "", *(self.faults or [f"{sum(self.sent.values()):,} frames, each accounted for"])])


def settled(generator, stats, before, patience=PATIENCE):
    """The books when all that was sent has been dealt with: they balance, or have not within that time."""
    deadline = time.monotonic() + patience
    while True:
        books = Books(before, Entry(generator, stats))
        if not books.faults or time.monotonic() > deadline:
            return books
        time.sleep(LOOK)
