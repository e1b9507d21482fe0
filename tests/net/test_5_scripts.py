"""Scripts that misbehave: each gets its own clear error, and a good one keeps answering."""

import json
import os
import re
import shutil
import signal
import tempfile
import threading
import time

from cases import case
from load import Load
from node import LAB, ROOT, SCRIPTS, cell_pids, counter, counters, ctl, ctl_json, deploy, get, good_answers, https, run, until


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
    """The script answers with that status, for the reason whose counter grows. The answer."""
    before = counters()
    answer = get(f"{name}.hearth.test", path)
    assert answer.status == status, answer
    assert answer.body, "no explanation for the client"
    assert answer.headers.get("x-hearth-request-id"), answer.headers
    until(lambda: counter(counted) > before[counted], f"{counted} to grow")
    assert get().status == 200
    return answer


@case("a script that throws: 500 with a request id, and the isolate lives")
def _():
    expect("throw", 500, "job_exception")
    expect("throw", 500, "job_exception", "/later")


@case("what is thrown in a timer, or rejected unheard, is logged, and the request goes on")
def _():
    for path, logged in (("/prevented", None), ("/timer", "Error: thrown in a timer"), ("/unheard", "unhandled rejection: Error: rejected unheard")):
        answer = get("throw.hearth.test", path)
        assert answer.status == 200 and answer.body == b"went on\n", answer
        if logged:
            until(lambda: logged in log(), f"the log to say {logged}")
    assert "unhandled rejection: Error: prevented" not in log()


@case("WebAssembly that computes for ever: 503 at its CPU limit, and its script answers again")
def _():
    assert get("wasm-loop.hearth.test").body == b"fine"
    expect("wasm-loop", 503, "job_cpu_limit", "/loop")
    assert get("wasm-loop.hearth.test").body == b"fine"


@case("a script that computes for ever: 503 at its CPU limit while another script answers")
def _():
    while_good_ones_answer(lambda: expect("loop", 503, "job_cpu_limit"))


@case("a script that allocates without end: 503 while another script answers")
def _():
    while_good_ones_answer(lambda: expect("hoard", 503, "job_memory_limit"))


@case("a script that can never answer: 500")
def _():
    while_good_ones_answer(lambda: expect("silent", 500, "job_no_response"))


@case("a script that returns something else than a Response: 500, which says so, and the log has what it was")
def _():
    for path, logged in (("/", "{ status: 200 }"), ("/undefined", "undefined"), ("/string", "'text'"), ("/promise", "undefined")):
        answer = expect("no-response", 500, "job_not_response", path)
        assert b"is not a Response" in answer.body and b"nothing is pending" not in answer.body, answer
        until(lambda: f"the handler returned {logged}, which is not a Response" in log(), f"the log to name {logged}")
        until(lambda: "is not a Response" in ctl("why", answer.headers["x-hearth-request-id"]).stdout, "why to say so")


BROKEN = [  # what is wrong, the module, what the refusal and the log say
    ("a syntax error", 'export default { fetch() { return new Response("v2" } };', "index.js:1:48: Uncaught SyntaxError"),
    ("a throw at the top level", 'throw new Error("at top"); export default { fetch() {} };', "Error: at top"),
    ("no default export", "export const x = 1;", "the script has no handler"),
    ("a module that is missing, imported at the head", 'import y from "./missing.js"; export default { fetch() {} };', "./missing.js"),
    ("a module that is missing, exported further down", 'let x; export * from "./missing.js"; export default { fetch() {} };',
     "./missing.js"),
    ("a top level that never ends", "for(;;); export default { fetch() {} };", "its CPU time"),
    ("a misspelt handler", "export default { fetsh() {} };", "the script has no handler"),
]


def made(directory, name, source):
    with open(os.path.join(directory, "index.js"), "w") as file:
        file.write(source)
    with open(os.path.join(directory, "wrangler.json"), "w") as file:
        json.dump({"name": name, "main": "index.js"}, file)
    return directory


def log():
    with open(os.path.join(ROOT, "build", "lab", "n1", "hearthd.log")) as file:
        return file.read()


def refuses(directory, name, source, says):
    before = log()
    done = ctl("deploy", made(directory, name, source), check=False)
    assert done.returncode == 1, f"exit {done.returncode}: {done.stdout}{done.stderr}"
    assert says in done.stderr, done.stderr
    if "does not load: " in done.stderr:  # else it was not even sent
        line = done.stderr.split("does not load: ", 1)[1].splitlines()[0]
        quoted = line.replace("\\", "\\\\").replace('"', '\\"')  # as a field of the log
        assert quoted in log()[len(before):], f"not in the log: {quoted}"


def broken_deploy(what, source, says):
    @case(f"a deploy that does not load is refused and changes nothing: {what}")
    def _():
        with tempfile.TemporaryDirectory() as directory:
            ctl("deploy", made(directory, "live", "export default { fetch() { return new Response('v1'); } };"))
            assert get("live.hearth.test").body == b"v1"
            scripts = ctl_json("scripts", "live")["scripts"]
            refuses(directory, "live", source, says)
            assert get("live.hearth.test").body == b"v1"
            assert [s["versions"] for s in ctl_json("scripts", "live")["scripts"]] == [s["versions"] for s in scripts]
            # Nobody runs this one yet.
            refuses(directory, "never", source, says)
            assert get("never.hearth.test").status == 404
            ctl("delete", "live")


for row in BROKEN:
    broken_deploy(*row)


@case("keys of wrangler.jsonc that are not known are warned of, and bindings that do not exist are refused, with their lines")
def _():
    source = "export default { fetch(r, env) { return new Response(String(env.A)); } };"
    with tempfile.TemporaryDirectory() as directory:
        made(directory, "typo", source)
        os.rename(os.path.join(directory, "wrangler.json"), os.path.join(directory, "wrangler.jsonc"))
        with open(os.path.join(directory, "wrangler.jsonc"), "w") as file:
            file.write('{ "name": "typo", "main": "index.js",\n  "compatability_date": "2026-01-01",\n  "var": {"A": 1} }')
        done = ctl("deploy", directory)
        assert 'wrangler.jsonc:2: warning: "compatability_date" is not known; did you mean "compatibility_date"?' in done.stderr, done
        assert 'wrangler.jsonc:3: warning: "var" is not known; did you mean "vars"?' in done.stderr, done.stderr
        told = ctl_json("deploy", directory)
        assert told["ok"] and [w["key"] for w in told["warnings"]] == ["compatability_date", "var"], told
        ctl("delete", "typo")
        with open(os.path.join(directory, "wrangler.jsonc"), "w") as file:
            file.write('{ "name": "kv", "main": "index.js",\n  "kv_namespaces": [{"binding": "KV", "id": "x"}], "d1_databases": [] }')
        done = ctl("deploy", directory, check=False)
        assert done.returncode == 1 and 'wrangler.jsonc:2: "kv_namespaces": ' in done.stderr and "d1" not in done.stderr, done
        assert get("kv.hearth.test").status == 404


@case("a deploy's trial is no request's cold start: hearthctl scripts counts it apart")
def _():
    def counted():
        (script,) = ctl_json("scripts", "tried")["scripts"]
        return script["warm"], script["cold"], script["ahead"]

    with tempfile.TemporaryDirectory() as directory:
        ctl("deploy", made(directory, "tried", "export default { fetch() { return new Response('x'); } };"))
        until(lambda: counted() == (0, 0, 1), "the trial to be counted")
        assert get("tried.hearth.test").status == 200
        until(lambda: counted() == (1, 0, 1), "a warm request")
        ctl("delete", "tried")


@case("why tells of a cold start how long its request waited for a cell, and what the script took")
def _():
    with tempfile.TemporaryDirectory() as directory:
        ctl("deploy", made(directory, "chilly", "export default { fetch() { return new Response('x'); } };"))
    assert get("chilly.hearth.test").headers["x-hearth-start"] == "warm"  # the core knows the trial's cell by now
    with https("chilly.hearth.test") as client:  # so its ClientHello asks for none
        (first,) = cell_pids("chilly")
        os.kill(first, signal.SIGKILL)
        until(lambda: first not in cell_pids("chilly"), "its cell to be gone")
        answer = client.request("GET / HTTP/1.1", "chilly.hearth.test")
    assert (answer.status, answer.headers["x-hearth-start"]) == (200, "cold"), answer.headers
    told = ctl("why", answer.headers["x-hearth-request-id"]).stdout
    waited, compiled, ran = (int(re.search(rf"cold start: {what} (\d+) us", told)[1])
                             for what in ("a cell after", "modules compiled in", "top level run in"))
    assert waited > 0 and compiled > 0 and ran > 0, told
    ctl("delete", "chilly")
    return f"a cell after {waited} us, compiled in {compiled}, run in {ran}"


@case("a script that no longer loads does not keep the node from starting again")
def _():
    with tempfile.TemporaryDirectory() as directory:
        until_ms = int(time.time() * 1000) + 8000
        ctl("deploy", made(directory, "stale", f"if (Date.now() > {until_ms}) throw new Error('too late');\n"
                                               "export default { fetch() { return new Response('early'); } };"))
        time.sleep(max(0, until_ms / 1000 - time.time()) + 0.1)
        run(LAB, "kill", "n1", "TERM")
        run(LAB, "start", "n1")
        good_answers(1)
        assert get("stale.hearth.test").status == 500
        until(lambda: "name=stale" in log() and "Error: too late" in log(), "the log to say so")
        ctl("delete", "stale")


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
        assert not load.cold, load.told_of_cold()
        assert counter("job_cold") == cold
        return f"{len(load.answers)} answers"
