"""fairness.py SECONDS - how long somebody else's script makes its clients wait while an account attacks, and while nobody does.

    watcher    process of its own, first in line for its CPU: RATE requests a second over CONNECTIONS kept TLS connections
    attacker   here: each class of ATTACKS in turn, for SECONDS, with a pause before it that belongs to "nothing"

Both scripts have accounts of their own. A request's time runs from when it was due, if all connections were taken then; else from when it was sent, and how
late the watcher woke for that is a row of its own. Prints JSON: for each row how many answers there were, the median, the 99th percentile and the maximum in
microseconds, and what the attackers got.

Runs inside the namespace hearth-client (tools/bench fairness).
"""

import collections
import contextlib
import json
import os
import select
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", place) for place in ("net", "attack")]
import node  # noqa: E402
import one_liners  # noqa: E402
import target  # noqa: E402

RATE, CONNECTIONS = 150, 16
PAUSE_SECONDS = 1.5
SETTLE_SECONDS = 1.5  # between the end of an attack, and its deploys, and the pause: of neither
OWN_ADDRESS = "10.77.0.101"  # the bystander's clients are not the attacker's: what one source may have of a core is bounded
GOOD = target.host_of("bystander", target.BYSTANDERS)
HELLO = "export default { fetch: () => new Response('ok') };\n"
BEYOND_SCRIPTS = 120  # of the storm of starts: more than the lab has places for cells


# ---- the watcher ---------------------------------------------------------------------------------------------------


class Watched:
    """One kept connection: at most one request at a time."""

    def __init__(self):
        peer = socket.create_connection((node.ADDRESS, 443), node.PATIENCE, (OWN_ADDRESS, 0))
        self.peer = target.context.wrap_socket(peer, server_hostname=GOOD)
        self.peer.setblocking(False)
        self.begun, self.answer = None, b""

    def fileno(self):
        return self.peer.fileno()

    def ask(self, since):
        self.begun, self.answer = since, b""
        self.peer.sendall(f"GET / HTTP/1.1\r\nHost: {GOOD}\r\n\r\n".encode())

    def hear(self):
        """Whether the answer is complete."""
        with contextlib.suppress(ssl.SSLWantReadError):
            while data := self.peer.recv(16384):
                self.answer += data
            raise SystemExit("the bystander's connection was closed")
        head, end, body = self.answer.partition(b"\r\n\r\n")
        if not end or body != b"ok":
            return False
        if not head.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"the bystander was answered {head[:80]!r}")
        return True


def first_in_line():
    """Its own wait for a CPU would look like hearth's."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def watch():
    """Until its input is closed; prints [when it was sent, how late, how long] of each request."""
    samples = []
    first_in_line()
    subprocess.run(["ip", "addr", "replace", f"{OWN_ADDRESS}/24", "dev", "eth0"], check=True)
    connections = [Watched() for _ in range(CONNECTIONS)]
    idle, waiting = collections.deque(connections), collections.deque()
    due = time.monotonic()
    print("ready", flush=True)
    while True:
        now = time.monotonic()
        while due <= now:
            waiting.append((due, bool(idle)))
            due += 1 / RATE
        while waiting and idle:
            (wanted, had_one), connection = waiting.popleft(), idle.popleft()
            now = time.monotonic()
            connection.late = now - wanted if had_one else 0
            connection.ask(now if had_one else wanted)
        for connection in select.select([sys.stdin, *connections], [], [], max(0.0, due - time.monotonic()))[0]:
            if connection is sys.stdin:
                print(json.dumps(samples))
                return
            if connection.hear():
                samples.append((connection.begun, connection.late, time.monotonic() - connection.begun))
                idle.append(connection)


# ---- attacks -------------------------------------------------------------------------------------------------------
# A class is (title, how many clients, function of (stop, client's number, outcomes)), after what it needs has been deployed.


class Attacker:
    """An account's scripts, and what they are asked for."""

    def __init__(self):
        self.version = 0
        self.outcomes = collections.Counter()

    def deploy(self, name, body, **more):
        refusal = target.deploy(name, one_liners.module(body), **more)
        assert refusal is None, refusal

    def ask(self, stop, name, body=b""):
        """On a kept connection, for as long as that is kept."""
        host = target.host_of(name)
        while not stop.is_set():
            try:
                with node.https(host, context=target.context, timeout=target.PATIENCE) as client:
                    while not stop.is_set():
                        answer = client.request("POST / HTTP/1.1" if body else "GET / HTTP/1.1", host, body)
                        self.outcomes[answer.status] += 1
                        if answer.headers.get("connection") == "close":
                            break
            except (OSError, EOFError, AssertionError):
                self.outcomes["closed"] += 1

    def redeploy(self, stop, name, body, **more):
        """New versions of it, as quickly as they are taken."""
        while not stop.is_set():
            self.version += 1
            self.deploy(name, f"// {self.version}\n{body}", **more)
            self.outcomes["deployed"] += 1


def row_of(group, title):
    return dict(one_liners.CLASSES[group])[title]


def asked(name, body, clients, request=b"", scripts=1, **more):
    """So many clients ask one of so many scripts each."""
    def prepare(attacker):
        for number in range(scripts):
            attacker.deploy(f"{name}{number}", body, **more)
    return clients, prepare, lambda attacker, stop, client: attacker.ask(stop, f"{name}{client % scripts}", request)


def asked_anew(name, body, clients, **more):
    """A script that is held back for ending its cells: a new version of it, again and again."""
    def attack(attacker, stop, client):
        mine = f"{name}{client}"
        while not stop.is_set():
            attacker.version += 1
            attacker.deploy(mine, f"// {attacker.version}\n{body}", **more)
            for _ in range(3):
                attacker.outcomes[target.ask(mine)[0]] += 1
    return clients, lambda attacker: None, attack


def cold(clients):
    def prepare(attacker):
        for number in range(BEYOND_SCRIPTS):
            attacker.deploy(f"cold{number}", "")

    def attack(attacker, stop, client):
        number = client
        while not stop.is_set():
            attacker.outcomes[target.ask(f"cold{number % BEYOND_SCRIPTS}")[0]] += 1
            number += clients
    return clients, prepare, attack


SPIN = "let x = 1; for (let i = 0; i < {}; i++) x = (x * 31 + i) | 0; return ok(x);"
CALLS = "const n = +(new URL(request.url).search.slice(1) || 3); if (n) await Promise.all(Array.from({ length: 8 }, " \
        "() => env.SELF.fetch(`https://${new URL(request.url).host}/?${n - 1}`).then((r) => r.text())));"
BIG_BODY = b"[" + b",".join(b'{"id":%d,"name":"x%d","tags":["a","b"],"at":[1,2,3]}' % (i, i) for i in range(60_000)) + b"]"

ATTACKS = {
    "endless loop": asked("loop", row_of("loops", "for"), 4),
    "15 ms of computing a request": asked("spin", SPIN.format(2_500_000), 8),
    "fake array in a builtin": asked_anew("fake", row_of("arrays", "Array.prototype.indexOf"), 4),
    "memory, objects to the limit": asked_anew("objects", row_of("memory", "objects"), 4, limits={"cpu_ms": 1000}),
    "memory, buffers to the limit": asked_anew("buffers", row_of("memory", "buffers"), 4, limits={"cpu_ms": 1000}),
    "JSON of a 3 MB body": asked("parse", "const all = await request.json(); return ok(all.length);", 4, BIG_BODY, limits={"cpu_ms": 1000}),
    "log flood": asked("flood", "for (let i = 0; i < 1e4; i++) console.log(i, 'x'.repeat(1000));", 4),
    "sub-requests, 584 a request": asked("calls", CALLS, 4, services=[{"binding": "SELF", "service": "calls0"}]),
    "deploys": (4, lambda attacker: None, lambda attacker, stop, client: attacker.redeploy(stop, f"deployed{client}", "")),
    "cold starts": cold(8),
    "8 scripts, each always busy": asked("hog", SPIN.format(100_000_000), 8, scripts=8, limits={"cpu_ms": 30000}),
}


def attack(attacker, row, seconds):
    clients, prepare, one = row
    attacker.outcomes = collections.Counter()
    prepare(attacker)
    time.sleep(SETTLE_SECONDS + PAUSE_SECONDS)
    stop, began = threading.Event(), time.monotonic()
    threads = [threading.Thread(target=one, args=(attacker, stop, number), daemon=True) for number in range(clients)]
    for thread in threads:
        thread.start()
    stop.wait(seconds)
    stop.set()
    ended = time.monotonic()
    for thread in threads:
        thread.join(target.PATIENCE)
    return began, ended


# ---- together ------------------------------------------------------------------------------------------------------


def row(title, seconds, **more):
    us = sorted(round(s * 1e6) for s in seconds)
    if not us:
        sys.exit(f"fairness: the bystander was answered nothing beside {title}")
    return {"beside": title, "answers": len(us), "p50_us": us[len(us) // 2], "p99_us": us[len(us) * 99 // 100], "max_us": us[-1], **more}


def main(seconds, *words):
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {0})  # all clients' and hearthctl's: hearth and its cells have the second
    target.make_accounts()
    refusal = target.deploy("bystander", HELLO, target.BYSTANDERS)
    assert refusal is None, refusal
    attacker = Attacker()
    watcher = subprocess.Popen([sys.executable, __file__, "--watch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert watcher.stdout.readline() == "ready\n"
    time.sleep(PAUSE_SECONDS)
    spans, quiet = [], []
    for title, one in ATTACKS.items():
        if words and not any(word in title for word in words):
            continue
        print(title, file=sys.stderr, flush=True)
        began, ended = attack(attacker, one, float(seconds))
        quiet.append((began - PAUSE_SECONDS, began))
        spans.append((title, began, ended, dict(attacker.outcomes)))
    samples = json.loads(watcher.communicate("")[0])
    calm = [s for s in samples if any(began <= s[0] and s[0] + s[2] <= ended for began, ended in quiet)]
    rows = [row("(the watcher's own lateness)", [late for _, late, _ in samples]), row("nothing", [took for _, _, took in calm])]
    rows += [row(title, [took for when, _, took in samples if began <= when <= ended], attack={str(k): n for k, n in outcomes.items()})
             for title, began, ended, outcomes in spans]
    print(json.dumps(rows))


if __name__ == "__main__":
    watch() if sys.argv[1:] == ["--watch"] else main(*sys.argv[1:])
