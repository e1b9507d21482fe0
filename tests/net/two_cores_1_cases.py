"""A node of two dp cores, which share the frames of one port, and two runtime processes, which share the scripts."""

import hashlib
import os
import signal
import tempfile

from cases import case
from load import Load
from node import ADDRESS, ADDRESS6, ctl_json, curl, get, runtime_pids, unaccounted, until


@case("two cores: both serve connections, over IPv4 and IPv6, and account for every frame")
def _():
    for address in (ADDRESS, ADDRESS6):
        for _ in range(40):
            assert get(address=address).status == 200
    cores = ctl_json("stats")["cores"]
    served = [core["counters"]["http_requests"] for core in cores]
    assert len(served) == 2 and min(served) > 0, served
    assert unaccounted() == 0
    return f"{served[0]} and {served[1]} requests"


@case("two cores: 10 MB through an echo on connections of both, unharmed")
def _():
    with tempfile.NamedTemporaryFile() as sent, tempfile.NamedTemporaryFile() as received:
        body = os.urandom(10 << 20)
        sent.write(body)
        sent.flush()
        for _ in range(4):
            curl("--fail", "-T", sent.name, "-o", received.name, "https://echo.hearth.test/")
            with open(received.name, "rb") as back:
                assert hashlib.sha256(back.read()).digest() == hashlib.sha256(body).digest()


@case("two runtimes: kill -9 of either under load: idempotent requests run again at the other, but for what was executing: one at most")
def _():
    with Load() as load:
        victims = sorted(runtime_pids())
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
            load.more()
            until(lambda: len(set(runtime_pids()) - {victim}) == 2, "the killed process's successor")
            until(lambda: ctl_json("status")["ready"] and all(r["state"] == "up" for r in ctl_json("status")["runtimes"]),
                  "both runtimes to be up")
            load.more()
    assert not load.errors, load.errors[:3]
    assert load.statuses() <= {200, 502}, load.statuses()
    suspects = sum(status == 502 for _, status in load.answers)
    assert suspects <= len(victims), f"{suspects} of {len(load.answers)} answers are 502"
    return f"{len(load.answers)} answers, {suspects} of them 502"
