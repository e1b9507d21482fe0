"""Clients that keep asking."""

import threading
import time

from node import https, until


class Load:
    """Clients that ask a script over and over on kept connections; remembers what they were told, and when."""

    def __init__(self, clients=8, host="hello.hearth.test"):
        self.answers, self.errors, self.stop = [], [], threading.Event()
        self.threads = [threading.Thread(target=self._ask, args=(host,)) for _ in range(clients)]

    def _ask(self, host):
        client = None
        while not self.stop.is_set():
            try:
                client = client or https(host)
                answer = client.request("GET / HTTP/1.1", host)
                self.answers.append((time.monotonic(), answer.status))
                if answer.headers.get("connection") == "close":
                    client = client.close()
            except (OSError, EOFError) as error:
                self.errors.append(error)
                client = None

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        until(lambda: len(self.answers) >= 50, "the load to begin")
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def statuses(self):
        return {status for _, status in self.answers}

    def more(self, count=200):
        """Waits for that many more answers."""
        target = len(self.answers) + count
        until(lambda: len(self.answers) >= target, f"{count} more answers")
