"""Processes that hang, crash and end, and who ends them: hearthd has the capabilities of its unit only."""

import contextlib
import os
import signal
import threading
import time

from cases import case
from cluster import NODES, address, all_serving, ask, make_script, name_at
from node import LAB, ROOT, cell_pids, ctl_json, deploy, family, hearthd_pid, https, run, stat_fields, until, zygote_pid

VICTIM = "n2"


def is_gone(pid):
    return not (fields := stat_fields(pid)) or fields[0] == "Z"


def victim():
    """A script whose home is the victim, and the process of its cell."""
    name = name_at(VICTIM, "victim")
    deploy(make_script(name, "export default { fetch: () => new Response('here') };\n"))
    assert ask(name, VICTIM).status == 200
    return name, cell_pids(name, VICTIM)[0]


def log_of(node):
    with open(os.path.join(ROOT, "build", "lab", node, "hearthd.log")) as file:
        return file.read()


def all_answer():
    for node in NODES:
        answer = ask("hello", node)
        assert answer.status == 200, answer


def is_answered(node):
    with contextlib.suppress(OSError, EOFError):
        return ask("hello", node).status == 200


@case("a cell that hangs is killed and replaced, and the log says so")
def _():
    name, pid = victim()
    os.kill(pid, signal.SIGSTOP)
    assert ask(name, VICTIM).status in (200, 502)
    until(lambda: is_gone(pid) and ask(name, VICTIM).status == 200, "the cell to be replaced", 40)
    assert f"pid={pid} killed because=" in log_of(VICTIM), log_of(VICTIM)[-500:]
    assert "cannot be killed" not in log_of(VICTIM)
    all_answer()


@case("a cell that crashes is replaced, and a zygote")
def _():
    name, pid = victim()
    os.kill(pid, signal.SIGSEGV)
    until(lambda: is_gone(pid) and ask(name, VICTIM).status == 200, "the cell to be replaced", 40)
    pid = zygote_pid(VICTIM)
    os.kill(pid, signal.SIGSEGV)
    until(lambda: zygote_pid(VICTIM) not in (0, pid), "another zygote", 40)
    all_answer()


@case("hearthctl reload and SIGHUP take a new configuration")
def _():
    assert ctl_json("reload", node=VICTIM)["ok"]
    before = log_of(VICTIM).count("reload certificates=")
    os.kill(hearthd_pid(VICTIM), signal.SIGHUP)
    until(lambda: log_of(VICTIM).count("reload certificates=") > before, "the reload")
    all_answer()


@contextlib.contextmanager
def spinning():
    """Requests that compute without an end, one after the other, while the block runs."""
    over = threading.Event()
    deploy(make_script("spin", "export default { fetch() { for (;;); } };\n", limits={"cpu_ms": 5000}))

    def spin():
        while not over.is_set():
            with contextlib.suppress(OSError, EOFError), \
                    https("spin.hearth.test", address=address(VICTIM), timeout=60) as client:
                client.request("GET / HTTP/1.1", "spin.hearth.test")

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()


def ticks(pid):
    return int(fields[11]) if (fields := stat_fields(pid)) else 0


def busy_node():
    """A node one of whose cells computes now, and its processes."""
    def busy():
        pids = {node: family(node) for node in NODES}
        before = {pid: ticks(pid) for node in NODES for pid in pids[node]}
        time.sleep(0.3)
        return next(((node, pids[node]) for node in NODES for pid in pids[node] if ticks(pid) - before[pid] > 5), None)
    return until(busy, "a cell to compute", 60)


@case("SIGTERM ends hearthd and a cell that computes, in bounded time, and leaves nothing")
def _():
    with spinning():
        node, children = busy_node()
        daemon = hearthd_pid(node)
        started = time.monotonic()
        os.kill(daemon, signal.SIGTERM)
        until(lambda: all(is_gone(pid) for pid in [daemon, *children]), "all processes to end", 30)
        took = time.monotonic() - started
    assert "left behind" not in log_of(node)
    run(LAB, "start", node)
    until(all_serving, "the node to be back", 30)
    return f"{took:.1f} s, of which the drain may take 2"


@case("kill -9 of hearthd takes a cell that computes with it")
def _():
    with spinning():
        node, children = busy_node()
        os.kill(hearthd_pid(node), signal.SIGKILL)
        until(lambda: all(is_gone(pid) for pid in children), "its cells to end", 30)
    run(LAB, "kill", node)
    run(LAB, "start", node)
    until(all_serving, "the node to be back", 30)
    for name in NODES:
        until(lambda: is_answered(name), f"{name} to answer", 60)  # what computes there still is in front
