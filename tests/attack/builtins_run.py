"""builtins_run.py - calls every function of every global on what it does not expect: huge array-likes, proxies, endless iterators, strings of 256 MB, detached buffers.

builtins.js has the functions and the fakes; a seed decides which is called on what. Each function has its turn in every round. A call may end its
process; the bystander must not notice.
"""

import collections
import itertools
import json
import os
import random
import threading
import time

import target

CALLERS = 3
OF_ITS_OWN = 0.4     # part of the calls on an object of the function's own class
CONSTRUCTED = 0.15
ARGUMENTS_MAX = 4
FAULTS_MAX = 20      # that a caller tells
BATCH = 16


def source():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "builtins.js")) as file:
        return file.read()


def catalogue():
    """The functions' names, and how many fakes there are."""
    name = "builtins"
    assert target.deploy(name, source()) is None
    status, body = target.ask(name, "/list")
    target.delete(name)
    assert status == 200, (status, body[:200])
    found = json.loads(body)
    return found["functions"], found["fakes"]


def calls(seed, functions, fakes):
    """Without end: ("Array.prototype.at on own with 3, 17", path of the request)."""
    choose = random.Random(seed)
    while True:
        for f in choose.sample(range(len(functions)), len(functions)):
            arguments = ",".join(str(choose.randrange(fakes)) for _ in range(choose.randrange(ARGUMENTS_MAX + 1)))
            receiver = "own" if choose.random() < OF_ITS_OWN else str(choose.randrange(fakes))
            is_new = "&n=1" if choose.random() < CONSTRUCTED else ""
            yield functions[f], f"/call?f={f}&r={receiver}&a={arguments}{is_new}"


class Caller:
    """One of those that call side by side, with a script of its own: deployed anew when what it did has it held back."""

    def __init__(self, number, record):
        self.number, self.version, self.name, self.record = number, 0, None, record

    def fresh(self):
        if self.name:
            target.delete(self.name)
        self.version += 1
        self.name = f"builtins-{self.number}-{self.version}"
        refusal = target.deploy(self.name, f"{source()}// {self.version}\n")
        if refusal:
            self.name = None
            raise RuntimeError(refusal)

    def call(self, function, path):
        if not self.name:
            self.fresh()
        for _ in range(2):
            status, body = target.ask(self.name, path)
            if not (status == 503 and b"held back" in body):
                break
            self.fresh()
        self.record(function, path, status, body)


def run(suite, minutes, seed):
    functions, fakes = catalogue()
    assert len(functions) > 1000, len(functions)
    stream, lock = calls(seed, functions, fakes), threading.Lock()
    outcomes, deadly, called = collections.Counter(), collections.Counter(), set()
    end = time.monotonic() + minutes * 60

    def record(function, path, status, body):
        with lock:
            outcomes[status] += 1
            called.add(function)
            if status == 502:
                deadly[function] += 1

    def call_all(caller, batch, found):
        for function, path in batch:
            first = time.monotonic()
            caller.call(function, path)
            faults = suite.bystander.faults(first, time.monotonic())
            if faults and len(found) < FAULTS_MAX:
                found.append(f"{function} {path}: {faults[0]}")

    def turn(number):
        caller, found = Caller(number, record), []
        while time.monotonic() < end and not suite.bystander.is_lost():
            with lock:
                batch = list(itertools.islice(stream, BATCH))
            call_all(caller, batch, found)
        if caller.name:
            target.delete(caller.name)
        return "\n# ".join(found) or None

    title = f"every builtin on anything, seed {seed}, {minutes:g} min"
    suite.run(title, [(f"caller {n}", lambda n=n: turn(n)) for n in range(CALLERS)], CALLERS)
    print(f"# {sum(outcomes.values())} calls of {len(called)} of {len(functions)} functions: "
          + ", ".join(f"{count} x {status or 'closed'}" for status, count in sorted(outcomes.items())))
    if deadly:
        print(f"# {len(deadly)} functions ended their process: " + ", ".join(f"{name} {count}" for name, count in deadly.most_common(12)), flush=True)


