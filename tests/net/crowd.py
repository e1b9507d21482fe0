"""crowd.py - more scripts than the memory takes warm: who they are, what each answers, and a client that asks them as people do.

    ACCOUNTS x SCRIPTS scripts          script 17 of account 3:  c03-s017.hearth.test
    kind by number                      hello, json, bundle (200 KB), table (a top level with work), hoard (its global grows and falls)

Every script says its account and name twice, by its source and by its vars, and how often its cell has answered. Load by rank: the i-th is
asked for ~ i^-1.1, and who is the i-th moves on, so that what is warm never stays enough.
"""

import bisect
import itertools
import json
import os
import random
import selectors
import socket
import ssl
import threading
import time

from node import ADDRESS, LONG, ROOT, connect_tls, tls_context

MADE = os.path.join(ROOT, "build", "lab", "made")
ACCOUNTS, SCRIPTS, SECONDS = (50, 100, 600) if LONG else (10, 50, 40)
RATE = 500               # requests a second in all, at most
CONNECTIONS = 8          # so many starts wait for each other at most: on a machine that is short of CPU the load is less, and no start takes too long
TLS_PER_SECOND = 10      # of these, on a connection of its own, whose ClientHello names the script
EXPONENT = 1.1
TURNS = 0.25 if LONG else 0.05  # seconds until every script moves on by one rank
BUNDLE_BYTES = 200_000
ANSWER_SECONDS = 20

HELLO = "text = () => ''"
JSON = """text = request => { const list = [];
  for (let i = 0; i < 50; i++) list.push({ id: i, name: `item ${i}`, tags: ['a', 'b'], url: request.url });
  return String(JSON.parse(JSON.stringify(list)).length); }"""
TABLE = "table = new Map(); for (let i = 0; i < 4000; i++) table.set(`key ${i}`, { id: i, name: `row ${i}`, next: [i + 1] }); const text = () => String(table.size)"
HOARD = "kept = []; const text = () => { if (kept.length === 64) kept.length = 0; kept.push(new Array(8192).fill(answers)); return String(kept.length); }"
KINDS = ("hello", "json", "hello", "json", "bundle", "hello", "table", "hello", "json", "hoard")


def bundle():
    """As bundlers make them: many small functions, of which a request calls few."""
    parts = []
    for number in itertools.count():
        parts.append(f"function f{number}(a, b) {{ const o = {{ id: {number}, a, b, list: [a, b, {number}] }};"
                     f" if (a > b) return o.list.map(x => x * {number}).join('-'); return `f{number} ${{o.id}} ${{a}} ${{b}}`; }}\n")
        if number % 100 == 0 and sum(map(len, parts)) > BUNDLE_BYTES:
            return "".join(parts) + f"const all = [f0, f{number}]; const text = () => String(all[1](1, 2).length)"


SOURCES = {"hello": f"const {HELLO}", "json": f"const {JSON}", "bundle": bundle(), "table": f"const {TABLE}", "hoard": f"const {HOARD}"}


class Script:
    def __init__(self, number):
        self.number = number
        self.account, self.name = f"c{number // SCRIPTS:02}", f"s{number % SCRIPTS:03}"
        self.host = f"{self.account}-{self.name}.hearth.test"
        self.kind = KINDS[number % len(KINDS)]
        self.id = f"{self.account}/{self.name}"
        self.request = f"GET / HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode()

    def directory(self):
        """Made; of what every script has: its own name in the source, and in its vars."""
        path = os.path.join(MADE, "crowd", self.account, self.name)
        os.makedirs(path, exist_ok=True)
        with open(os.path.join(path, "wrangler.json"), "w") as file:
            json.dump({"name": self.name, "main": "index.js", "routes": [self.host], "vars": {"ACCOUNT": self.account, "NAME": self.name}}, file)
        with open(os.path.join(path, "index.js"), "w") as file:
            file.write(f"{SOURCES[self.kind]};\nlet answers = 0;\nexport default {{ fetch(request, env) {{ answers++;\n"
                       f"  return Response.json({{ id: '{self.id}', told: `${{env.ACCOUNT}}/${{env.NAME}}`, kind: '{self.kind}',"
                       " answers, text: text(request) }); } };\n")
        return path

    def fault(self, status, start, body):
        """What is wrong with that answer; None: nothing."""
        if status != 200:
            return f"{self.id}: {status} {body[:80]!r}"
        try:
            said = json.loads(body)
        except ValueError:
            return f"{self.id}: {body[:80]!r}"
        if (said["id"], said["told"], said["kind"]) != (self.id, self.id, self.kind):
            return f"{self.id} of kind {self.kind} is answered by {said}"
        if start == "cold" and said["answers"] > CONNECTIONS:
            return f"{self.id}: called cold, by a cell that had answered {said['answers']} times"
        return None


scripts = [Script(number) for number in range(ACCOUNTS * SCRIPTS)]


class Zipf:
    """Scripts by rank; the ranks move on with time. From a seed."""

    def __init__(self, seed):
        self.draw = random.Random(seed)
        self.order = list(range(len(scripts)))
        random.Random(1).shuffle(self.order)
        self.sums = list(itertools.accumulate((rank + 1) ** -EXPONENT for rank in range(len(scripts))))
        self.began = time.monotonic()

    def next(self):
        rank = bisect.bisect(self.sums, self.draw.random() * self.sums[-1])
        turns = int((time.monotonic() - self.began) / TURNS)
        return scripts[self.order[(min(rank, len(scripts) - 1) + turns) % len(scripts)]]


class Conn:
    def __init__(self):
        self.peer, self.script, self.data, self.asked = None, None, b"", 0.0


class Crowd(threading.Thread):
    """Asks RATE times a second, if the answers come so fast, until it is stopped: over kept connections to port 80, any script over any of them, and, from a second thread,
    over TLS connections that are new each time. Judges every answer."""

    def __init__(self):
        super().__init__()
        self.faults, self.refused, self.waits = [], [], {"warm": [], "warming": [], "cold": []}
        self.answers, self.tls_answers = 0, 0
        self.stop = threading.Event()
        self.strangers = threading.Thread(target=self._strangers)

    def judge(self, script, status, start, body, wait):
        self.answers += 1
        if status == 503:
            self.refused.append((script.id, start, body))
        elif fault := script.fault(status, start, body):
            self.faults.append(fault)
        else:
            self.waits.setdefault(start, []).append(wait)

    # ---- kept connections ----

    def _ask(self, conn, script):
        if not conn.peer:
            conn.peer = socket.create_connection((ADDRESS, 80), timeout=ANSWER_SECONDS)
            conn.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(conn.peer, selectors.EVENT_READ, conn)
        conn.script, conn.data, conn.asked = script, b"", time.monotonic()
        conn.peer.sendall(script.request)

    def _drop(self, conn):
        self.selector.unregister(conn.peer)
        conn.peer.close()
        conn.peer = None

    def _hear(self, conn):
        """True: nothing is awaited of it any more."""
        data = conn.peer.recv(65536)
        if not data:
            if conn.script:
                self.faults.append(f"{conn.script.id}: the connection ended: {conn.data[:80]!r}")
            self._drop(conn)
            return True
        conn.data += data
        head, separator, body = conn.data.partition(b"\r\n\r\n")
        if not separator:
            return False
        lines = head.decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:])
        if len(body) < int(fields.get("content-length", 0)):
            return False
        self.judge(conn.script, int(lines[0].split()[1]), fields.get("x-hearth-start", ""), body, time.monotonic() - conn.asked)
        conn.script = None
        if fields.get("connection") == "close":
            self._drop(conn)
        return True

    def run(self):
        self.strangers.start()
        zipf, free, busy = Zipf(7), [Conn() for _ in range(CONNECTIONS)], set()
        self.selector = selectors.DefaultSelector()
        due = time.monotonic()
        while not self.stop.is_set() or busy:
            now = time.monotonic()
            while free and due <= now and not self.stop.is_set():
                conn = free.pop()
                self._ask(conn, zipf.next())
                busy.add(conn)
                due += 1 / (RATE - TLS_PER_SECOND)
            if now - due > 1:  # the node, or this machine, does not get through: no burst makes up for it
                due = now
            for key, _ in self.selector.select(0.05 if not free else max(0.0, min(due - time.monotonic(), 0.05))):
                if self._hear(key.data) and key.data in busy:
                    busy.remove(key.data)
                    free.append(key.data)
            for conn in [conn for conn in busy if time.monotonic() - conn.asked > ANSWER_SECONDS]:
                self.faults.append(f"{conn.script.id}: no answer for {ANSWER_SECONDS} s")
                self._drop(conn)
                busy.remove(conn)
                free.append(conn)
        for conn in free:
            if conn.peer:
                self._drop(conn)

    # ---- new ones ----

    def _strangers(self):
        from node import Http
        zipf, context = Zipf(8), tls_context()
        while not self.stop.wait(1 / TLS_PER_SECOND):
            script, asked = zipf.next(), time.monotonic()
            try:
                with Http(connect_tls(script.host, context=context, timeout=ANSWER_SECONDS)) as client:
                    client.send(script.request)
                    answer = client.response()
            except (OSError, EOFError, ssl.SSLError) as error:
                self.faults.append(f"{script.id} over TLS: {error}")
                continue
            self.tls_answers += 1
            self.judge(script, answer.status, answer.headers.get("x-hearth-start", ""), answer.body, time.monotonic() - asked)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.join()
        self.strangers.join()

    def share(self, start):
        return len(self.waits.get(start, [])) / max(1, sum(map(len, self.waits.values())))

    def quantile(self, start, share):
        """Milliseconds."""
        waits = sorted(self.waits.get(start, []))
        return waits[int(len(waits) * share)] * 1e3 if waits else 0.0
