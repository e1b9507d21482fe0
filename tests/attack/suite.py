"""suite.py - attacks that run side by side beside a bystander, and the verdict on each."""

import concurrent.futures
import threading
import time


class Suite:
    def __init__(self, bystander):
        self.bystander = bystander
        self.passed = self.failed = 0
        self.rows = []  # (class, attacks, worst ms, 99th percentile ms, bystander's answers)
        self.lock = threading.Lock()

    def judge(self, what, faults):
        with self.lock:
            if faults:
                self.failed += 1
                print(f"not ok - {what}")
                for fault in faults[:5]:
                    print(f"# {fault}", flush=True)
            else:
                self.passed += 1

    def conclude(self, what, faults):
        """Of all of it together."""
        self.judge(what, faults)
        if not faults:
            print(f"ok - {what}", flush=True)

    def run(self, title, attacks, side_by_side):
        """attacks: (name, function); a function returns None, or says what is wrong with what it saw itself. Of what the bystander saw each attack is
        guilty that ran then."""
        began, failed_before = time.monotonic(), self.failed

        def one(attack):
            name, function = attack
            first = time.monotonic()
            try:
                fault = "not tried: the bystander is lost" if self.bystander.is_lost() else function()
            except Exception as error:  # whatever it is, it is an attack that failed to be one
                fault = f"{type(error).__name__}: {error}"
            return name, first, time.monotonic(), fault

        with concurrent.futures.ThreadPoolExecutor(side_by_side) as pool:
            done = list(pool.map(one, attacks))
        self.bystander.await_answers(3)
        for name, first, last, fault in done:
            self.judge(f"{title}: {name}", ([fault] if fault else []) + self.bystander.faults(first, last))
        ended = time.monotonic()
        worst, p99, answers = self.bystander.worst_ms(began, ended)
        self.rows.append((title, len(attacks), worst, p99, answers))
        failed = self.failed - failed_before
        verdict = "# " if failed else "ok - "  # those that were not contained have had their lines
        print(f"{verdict}{title}: {len(attacks) - failed} of {len(attacks)} attacks contained, {ended - began:.0f} s", flush=True)

    def table(self):
        print(f"# {'beside':32}{'attacks':>8}{'worst ms':>10}{'p99 ms':>8}{'answers':>9}")
        for title, count, worst, p99, answers in self.rows:
            print(f"# {title:32}{count:8}{worst:10.0f}{p99:8.0f}{answers:9}")
