"""bystander.py - somebody else's script, asked all the time: what it is told beside an attack is the verdict on the attack.

    every 20 ms   GET /?<nonce>   ->   "<nonce> <number of its process's script> <how many requests so far>"

The number is drawn once in the life of its module, so that another one is another process, or another isolate of it. What is missing, wrong, or of
another process is an event with its time.
"""

import contextlib
import threading
import time

import node
import target

NAME = "bystander"
HOST = target.host_of(NAME, target.BYSTANDERS)
PAUSE_S = 0.02
SOURCE = """const self = { id: 0, count: 0 };
export default {
  fetch(request) {
    self.id ||= crypto.randomUUID();
    self.count++;
    return new Response(`${new URL(request.url).search.slice(1)} ${self.id} ${self.count}`);
  },
};
"""
LOST_S = 25
WARMING = 600  # requests that show which process is its own


class Bystander:
    """Begins when the block does."""

    def __init__(self):
        self.answers = []  # (when it was asked, seconds)
        self.events = []   # (from when, to when, sentence)
        self.id = self.count = None
        self.well_at = time.monotonic()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        target.make_accounts()
        refusal = target.deploy(NAME, SOURCE, target.BYSTANDERS, allow_callers=[f"{target.ATTACKERS}/*"])
        assert refusal is None, refusal
        hearthd = node.hearthd_pid()
        before = target.cpu_of_all(hearthd)
        with self._connect() as client:
            for nonce in range(WARMING):
                self._ask(client, nonce)
        self.pid = target.busiest_below(hearthd, before)
        self.hearthd = hearthd
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def _connect(self):
        return node.https(HOST, context=target.context)

    def _ask(self, client, nonce):
        began = time.monotonic()
        answer = client.request(f"GET /?{nonce} HTTP/1.1", HOST)
        ended = time.monotonic()
        self.answers.append((began, ended - began))
        fault = self._judge(answer, nonce)
        if fault:
            self.events.append((began, ended, fault))
        else:
            self.well_at = ended
        return answer.headers.get("connection") != "close"

    def _judge(self, answer, nonce):
        words = answer.body.decode("latin-1").split()
        if answer.status != 200 or len(words) != 3 or words[0] != str(nonce):
            return f"answered {answer.status} {answer.body[:80]!r} to {nonce}"
        was, self.id = self.id, words[1]
        count_was, self.count = self.count, int(words[2])
        if was is None:
            return None
        if was != self.id:
            return "its module has been loaded anew"
        return "its state went backwards" if self.count <= count_was else None

    def _run(self):
        nonce, client = WARMING, None
        while not self.stop.is_set():
            nonce += 1
            began = time.monotonic()
            try:
                client = client or self._connect()
                if not self._ask(client, nonce):
                    client.close()
                    client = None
            except (OSError, EOFError, AssertionError, ValueError) as error:
                self.events.append((began, time.monotonic(), f"no answer to {nonce}: {error!r}"))
                with contextlib.suppress(OSError, AttributeError):
                    client.close()
                client = None
            self.stop.wait(PAUSE_S)

    def await_answers(self, count):
        """That many more."""
        wanted = len(self.answers) + count
        with contextlib.suppress(AssertionError):  # an event by then
            node.until(lambda: len(self.answers) >= wanted or self.is_lost(), "the bystander's answers", patience=60)

    def faults(self, began, ended):
        """What was wrong with it between these times."""
        found = [text for first, last, text in list(self.events) if first <= ended and last >= began]
        if node.stat_fields(self.hearthd) is None or node.hearthd_pid() != self.hearthd:
            found.append(f"hearthd {self.hearthd} is gone")
        if (node.stat_fields(self.pid) or "Z")[0] == "Z":
            found.append(f"its process {self.pid} is gone")
        return found

    def is_lost(self):
        """No good answer for long: what follows would say nothing."""
        return time.monotonic() - self.well_at > LOST_S

    def worst_ms(self, began, ended):
        """(the longest that it waited for an answer, the 99th percentile, how many there were)"""
        waits = sorted(seconds for when, seconds in list(self.answers) if began <= when <= ended)
        return (waits[-1] * 1000, waits[len(waits) * 99 // 100] * 1000, len(waits)) if waits else (0, 0, 0)
