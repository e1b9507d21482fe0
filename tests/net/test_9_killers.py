"""Scripts that their cell cannot stop, and a bystander, whom none of it is to reach."""

import shutil
import tempfile
import time

from cases import case
from load import Load
from node import SCRIPTS, cell_pids, counters, cpu_seconds, ctl, ctl_json, deploy, get, hearthd_pid, https, until

STUCK = ("indexOf", "includes", "reverse", "fill", "copyWithin", "join", "from", "some", "large")


def fresh():
    """A new version of the killer: what an old one has done is not held against it."""
    with tempfile.TemporaryDirectory() as directory:
        shutil.copytree(f"{SCRIPTS}/killer", directory, dirs_exist_ok=True)
        with open(f"{directory}/src/index.js", "a") as file:
            file.write(f"// {time.monotonic_ns()}\n")
        deploy(directory)


def longest_gap(load, since):
    times = [since] + sorted(when for when, status in load.answers if status == 200 and when > since)
    return max(b - a for a, b in zip(times, times[1:]))


@case("what a process cannot stop ends with it: 503, once, and the others' requests are answered")
def _():
    daemon, gaps, rows = hearthd_pid(), {}, []
    for name in STUCK:
        fresh()
        before = counters()
        with Load(clients=2, pause_s=0.02) as load:
            started = time.monotonic()
            answer = get("killer.hearth.test", f"/{name}")
            load.more(20)
            gaps[name] = longest_gap(load, started)
        after = counters()
        assert answer.status == 503 and (b"CPU limit" in answer.body or b"memory limit" in answer.body), f"{name}: {answer}"
        assert "retry-after" in answer.headers, f"{name}: {answer.headers}"
        assert not load.errors and load.statuses() == {200}, f"{name}: {load.statuses()} {load.errors[:2]}"
        # Never a second time: what was executing is not run again.
        suspects = after["job_suspect"] - before["job_suspect"]
        assert suspects <= 1, f"{name}: {suspects} suspects"
        rows.append(f"{name} {'ended its cell' if suspects else 'was stopped'} {gaps[name] * 1000:.0f}")
    assert hearthd_pid() == daemon
    return "longest wait beside it in ms: " + ", ".join(rows)


@case("a script that ends its process a third time within a minute is held back; another version of it is not")
def _():
    fresh()
    before = counters()
    for _ in range(3):
        assert get("killer.hearth.test", "/indexOf").status == 503
        until(lambda: get().status == 200, "good answers again")
    held = get("killer.hearth.test", "/some")
    assert held.status == 503 and b"held back" in held.body, held.body
    assert "retry-after" in held.headers
    assert counters()["job_held"] > before["job_held"]
    killer = next(s for s in ctl_json("scripts")["scripts"] if s["name"] == "killer")
    assert killer["held"] and killer["ended"] >= 3, killer
    assert "held back: killer" in ctl("top", "1").stdout
    fresh()
    assert get("killer.hearth.test", "/nothing").status == 500  # it runs, and throws


@case("a resizable buffer counts in full: the script is told, and no other feels it")
def _():
    fresh()
    bystander = cell_pids("hello")
    answer = get("killer.hearth.test", "/resize")
    assert answer.status in (500, 503), answer.status
    assert cell_pids("hello") == bystander


@case("requests that meet a cell which has just used too much memory run in the next one: no client but the one that did it feels it")
def _():
    fresh()
    before, times = counters(), 5
    with Load(clients=4, host="killer.hearth.test") as load:
        for _ in range(times):
            answer = get("killer.hearth.test", "/eat")
            assert answer.status == 503 and b"memory limit" in answer.body, answer
            load.more(50)
            time.sleep(1.1)  # a script whose cells go faster waits for the next one
    assert not load.errors and load.statuses() == {200}, (load.statuses(), load.bad[:2], load.errors[:2])
    after = counters()
    assert after["job_overload"] == before["job_overload"]
    killer = next(s for s in ctl_json("scripts")["scripts"] if s["name"] == "killer")
    assert killer["ended"] == times and not killer["held"], killer
    return f"{len(load.answers)} answers, {after['job_refused'] - before['job_refused']} of them refused first"


def wide(keys):
    return b"{" + b",".join(b'"k%d":1' % i for i in range(keys)) + b"}"


def rows(count, row):
    return b"[" + b",".join(row.replace(b"#", b"%d" % i) for i in range(count)) + b"]"


def pairs(count):
    return b"[" + b",".join(b'{"%d":1,"x%d":1}' % divmod(i, 900) for i in range(count)) + b"]"


REFUSED = (400, b"RangeError")
ROW = b'{"id":#,"name":"user#","tags":["a","b"]}'
# What answers; None: its CPU time may be used up by then.
JSON_BODIES = {
    "deep, 2 MB": (b"[" * 1_000_000 + b"]" * 1_000_000, REFUSED),
    "deep, 20 MB": (b"[" * 10_000_000 + b"]" * 10_000_000, None),
    "deep, of objects": (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, REFUSED),
    "as deep as may be": (b"[" * 10_000 + b"]" * 10_000, (200, b"object")),
    "wide, 300,000 names": (wide(300_000), None),
    "wide, 600,000 names": (wide(600_000), REFUSED),
    "wide, 2,000,000 names": (wide(2_000_000), None),
    "the same 100,000 ones, again and again": (b"[" + b",".join([wide(100_000)] * 10) + b"]", REFUSED),
    "as many shapes": (rows(300_000, b'{"a#":1,"b#":2,"c#":3}'), REFUSED),
    "pairs of 900 names, 11 MB": (pairs(700_000), REFUSED),
    "half of the shapes that may be": (pairs(50_000), None),
    "empty objects, 11 MB": (b"[" + b"{}," * 3_600_000 + b"0]", REFUSED),
    "empty arrays, 11 MB": (b"[" + b"[]," * 3_600_000 + b"0]", REFUSED),
    "as many as may be": (b"[" + b"{}," * 1_200_000 + b"0]", None),
    "short strings, 10 MB": (rows(1_000_000, b'"s#"'), REFUSED),
    "one shape, 12 MB": (rows(240_000, ROW), None),
    "one shape, 20 MB": (rows(400_000, ROW), None),
}


@case("a client's JSON ends no process: too deep, or too costly, is an error that the script catches, the rest a matter of its CPU time")
def _():
    assert get().status == 200
    notes, bystander = [], cell_pids("hello")
    deploy(f"{SCRIPTS}/parser")
    for what, (body, expected) in JSON_BODIES.items():
        pids = cell_pids("parser")
        used = cpu_seconds(pids)
        with Load(clients=2, pause_s=0.02) as load:
            started = time.monotonic()
            client = https("parser.hearth.test")
            answer = client.request("POST / HTTP/1.1", "parser.hearth.test", body)
            load.more(20)
            gap = longest_gap(load, started)
        assert cell_pids("hello") == bystander, f"{what}: {answer}, and the bystander's cell is gone"
        if expected:
            assert (answer.status, answer.body) == expected, f"{what}: {answer}"
        else:
            assert answer.status in (200, 503) or (answer.status, answer.body) == REFUSED, f"{what}: {answer}"
        assert not load.errors and load.statuses() == {200}, (what, load.statuses(), load.errors[:2])
        notes.append(f"{what} {answer.status}, {max(cpu_seconds(pids) - used, 0):.2f} s of CPU, longest wait beside it {gap * 1000:.0f} ms")
    return "; ".join(notes)
