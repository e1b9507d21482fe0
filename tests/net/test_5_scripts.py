"""Scripts that misbehave: each gets its own clear error, and a good one keeps answering."""

import json
import os
import shutil
import tempfile
import threading

from cases import case
from load import Load
from node import SCRIPTS, counter, counters, deploy, get, https, until


def while_good_ones_answer(work):
    """Runs work() while another client keeps asking a good script; every one of its answers must be good."""
    stop, bad, good = threading.Event(), [], 0

    def ask():
        nonlocal good
        with https() as client:
            while not stop.is_set():
                answer = client.request("GET / HTTP/1.1")
                if answer.status != 200:
                    bad.append(answer)
                good += 1

    other = threading.Thread(target=ask)
    other.start()
    try:
        work()
    finally:
        stop.set()
        other.join()
    assert not bad and good, (bad[:3], good)


def expect(name, status, counted, path="/"):
    """The script answers with that status, for the reason whose counter grows."""
    before = counters()
    answer = get(f"{name}.hearth.test", path)
    assert answer.status == status, answer
    assert answer.body, "no explanation for the client"
    assert answer.headers.get("x-hearth-request-id"), answer.headers
    until(lambda: counter(counted) > before[counted], f"{counted} to grow")
    assert get().status == 200


@case("a script that throws: 500 with a request id, and the isolate lives")
def _():
    expect("throw", 500, "job_exception")
    expect("throw", 500, "job_exception", "/later")


@case("a script that computes for ever: 503 at its CPU limit while another script answers")
def _():
    while_good_ones_answer(lambda: expect("loop", 503, "job_cpu_limit"))


@case("a script that allocates without end: 503 while another script answers")
def _():
    while_good_ones_answer(lambda: expect("hoard", 503, "job_memory_limit"))


@case("a script that can never answer: 500")
def _():
    while_good_ones_answer(lambda: expect("silent", 500, "job_no_response"))


@case("a script that answers with something else than a Response: 500")
def _():
    expect("no-response", 500, "job_no_response")


def refused_or_500(name):
    """Such a script is either refused when it is deployed, with a reason, or answers 500."""
    done = deploy(f"{SCRIPTS}/{name}", check=False)
    if done.returncode:
        assert (done.stderr + done.stdout).strip(), "no reason given"
        return "refused at deploy"
    expect(name, 500, "job_load")
    return "500"


@case("a script that throws at top level")
def _():
    return refused_or_500("throw-at-top")


@case("a script that does not parse")
def _():
    return refused_or_500("syntax")


@case("a directory that is no script is refused with a sentence")
def _():
    done = deploy("/etc", check=False)
    assert done.returncode and (done.stderr + done.stdout).strip()


@case("a new version takes over without an error; 50 deploys under load")
def _():
    with open(f"{SCRIPTS}/version/src/index.js") as file:
        source = file.read()

    def work():
        with tempfile.TemporaryDirectory() as directory:
            shutil.copytree(f"{SCRIPTS}/version", directory, dirs_exist_ok=True)
            for number in range(2, 52):
                with open(os.path.join(directory, "src", "index.js"), "w") as file:
                    file.write(source.replace("version 1", f"version {number}"))
                deploy(directory)
                until(lambda: get("version.hearth.test").body == b"version %d\n" % number, f"version {number}")

    while_good_ones_answer(work)


@case("a new version of what is asked for all the time is warm before its first request: 20 deploys under load, no cold answer")
def _():
    # Some tens of milliseconds, which whoever came first would have to wait for.
    slow = "let x = 0;\nfor (let i = 0; i < 1e7; i++) x = (x * 31 + i) | 0;\n"
    host = "fresh.hearth.test"
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(directory, "wrangler.json"), "w") as file:
            json.dump({"name": "fresh", "main": "index.js"}, file)

        def bring(version):
            with open(os.path.join(directory, "index.js"), "w") as file:
                file.write(f"{slow}export default {{ fetch() {{ return new Response('{version}'); }} }};\n")
            deploy(directory)

        bring(0)
        assert get(host).body == b"0"
        cold = counter("job_cold")
        with Load(clients=4, host=host) as load:
            for version in range(1, 21):
                bring(version)
                # The reply to a deploy comes when it is routed to: nobody gets the old one any more.
                assert get(host).body == b"%d" % version
                load.more(50)
        load.assert_clean()
        assert not load.cold, f"{len(load.cold)} cold ones of {len(load.answers)} answers"
        assert counter("job_cold") == cold
        return f"{len(load.answers)} answers"
