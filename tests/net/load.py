"""Clients that keep asking."""

import collections
import random
import threading
import time

from node import ADDRESS, ctl, https, until


class Load:
    """Clients that ask scripts over and over on kept connections, one connection for each script and node; remembers what they were
    told, and when. pause_s: between two requests of a client."""

    def __init__(self, clients=8, host="hello.hearth.test", hosts=None, addresses=(ADDRESS,), method="GET", body=b"", pause_s=0):
        self.targets = [(name, address) for name in hosts or [host] for address in addresses]
        self.method, self.body, self.pause_s = method, body, pause_s
        self.answers, self.errors, self.bad, self.cold = [], [], [], []
        self.headers = collections.Counter()  # ("x-hearth-path", "forwarded") -> how often
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._ask, args=(random.Random(i),)) for i in range(clients)]

    def _ask(self, choose):
        connections = {}
        while not self.stop.is_set():
            host, address = target = choose.choice(self.targets)
            try:
                client = connections.pop(target, None) or https(host, address=address)
                answer = client.request(f"{self.method} / HTTP/1.1", host, self.body)
                self.answers.append((time.monotonic(), answer.status))
                if answer.status != 200:
                    self.bad.append((target, answer))
                if answer.headers.get("x-hearth-start") == "cold":
                    self.cold.append(answer.headers)
                for name, value in answer.headers.items():
                    if name in ("x-hearth-path", "x-hearth-start"):
                        self.headers[name, value] += 1
                if answer.headers.get("connection") == "close":
                    client.close()
                else:
                    connections[target] = client
            except (OSError, EOFError) as error:
                self.errors.append((target, error))
            self.stop.wait(self.pause_s)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        until(lambda: len(self.answers) >= 50, "the load to begin")
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def told_of_cold(self):
        """How many answers were cold, and the story of the first."""
        if not self.cold:
            return "none is cold"
        first = self.cold[0]
        told = ctl("why", first["x-hearth-request-id"], node=first["x-hearth-node"], check=False).stdout
        return f"{len(self.cold)} cold ones of {len(self.answers)}: {dict(first)}\n{told}"

    def statuses(self):
        return {status for _, status in self.answers}

    def more(self, count=200):
        """Waits for that many more answers."""
        target = len(self.answers) + count
        until(lambda: len(self.answers) >= target, f"{count} more answers")

    def assert_clean(self):
        assert not self.errors, f"{len(self.errors)} errors, {len(self.answers)} answers: {self.errors[:3]}"
        assert not self.bad, f"{len(self.bad)} bad ones of {len(self.answers)} answers: {self.bad[:3]}"
