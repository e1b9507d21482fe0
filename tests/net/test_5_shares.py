"""Accounts beside each other: whose cells share the CPU with whom, and whose go when an account has had its memory."""

import os
import threading
import time

from cases import case
from load import Load
from node import Skip, cell_pids, counter, ctl, ctl_json, get, https, run, thread_states, until
from test_5_accounts import HEARTHCTL, OPERATORS, script

LOOPS = "export default { fetch() { let x = 1; for (let i = 0; i < 3e8; i++) x = (x * 31 + i) | 0; return new Response(`${x}`); } };\n"
WAITS = "export default { async fetch() { await new Promise((done) => setTimeout(done, 3000)); return new Response('waited'); } };\n"
SAYS = "export default { fetch: () => new Response('well') };\n"


def add(account, *settings):
    """A function that deploys for it."""
    ctl("account", "add", account, f"hosts={account}.hearth.test,*.{account}.hearth.test,{account}-a.hearth.test,{account}-b.hearth.test", *settings)
    token = ctl("account", "token", account).stdout.strip()

    def deploy_for(name, source, **keys):
        run(HEARTHCTL, "--socket", OPERATORS, "deploy", script(name, source, **keys), env={"PATH": os.environ["PATH"], "HEARTH_TOKEN": token})
    return deploy_for


def gone(account, *names):
    for name in names:
        ctl("delete", f"{account}/{name}")
    ctl("account", "remove", account)


def cpu_ms(pid):
    with open(f"/proc/{pid}/schedstat") as file:  # of its first thread, which runs the script
        return int(file.read().split()[0]) / 1e6


def cgroup_of(pid):
    with open(f"/proc/{pid}/cgroup") as file:
        return file.read()


@case("an account's cells that compute have a control group of their own, and hearthd one, as far as the machine has them")
def _():
    said = ctl_json("status")["cells"]["cgroup"]
    if said["kind"] == "none":
        raise Skip(said["why"])
    deploy_for = add("grouped")
    deploy_for("in-it", LOOPS, routes=["grouped-a.hearth.test"], limits={"cpu_ms": 20000})
    deploy_for("out", SAYS, routes=["grouped-b.hearth.test"])
    assert get("grouped-b.hearth.test").body == b"well"
    assert get("grouped-a.hearth.test").status == 200
    until(lambda: "/cells/grouped\n" in cgroup_of(cell_pids("grouped/in-it")[0]), "the cell to be in its account's group")
    assert "/cells/.spare\n" in cgroup_of(cell_pids("grouped/out")[0])  # what has hardly run is not moved
    assert "/hearthd\n" in cgroup_of(ctl_json("status")["pid"])
    assert "cpu" in said["controllers"] and not ctl_json("status")["cells"]["cgroup"]["failed"]
    assert f"cgroup {said['kind']}" in ctl("status").stdout
    gone("grouped", "in-it", "out")
    return f"{said['kind']} of {', '.join(said['controllers'])}"


@case("what watches a cell's CPU time wakes by it, and not by the clock")
def _():
    def turns(pid):
        [watcher] = (state for thread, state in thread_states(pid).items() if thread != pid)
        return int(watcher["voluntary_ctxt_switches"]), cpu_ms(pid)
    get()
    [pid] = cell_pids("hello")
    before, began_ms = turns(pid)
    with https() as client:
        for _ in range(100):
            assert client.request("GET / HTTP/1.1").status == 200
            time.sleep(0.01)
    after, ended_ms = turns(pid)
    assert cell_pids("hello") == [pid] and after - before <= 2 + (ended_ms - began_ms) / 4, (after - before, ended_ms - began_ms)
    return f"{after - before} times in {ended_ms - began_ms:.0f} ms of CPU time and a second"


@case("four that compute all the time may wait; the other account's script has every answer, from the same process, and comes first")
def _():
    deploy_for = add("hogs")
    deploy_for("hog", LOOPS, routes=["hogs-a.hearth.test"], limits={"cpu_ms": 20000})
    get()
    bystander = cell_pids("hello")
    with Load(clients=2, pause_s=0.01) as load:
        askers = [threading.Thread(target=get, args=("hogs-a.hearth.test",), kwargs={"timeout": 60}) for _ in range(4)]
        for asker in askers:
            asker.start()
        until(lambda: [os.getpriority(os.PRIO_PROCESS, pid) for pid in cell_pids("hogs/hog")] == [10], "the hog to wait its turn")
        load.more(100)
        for asker in askers:
            asker.join()
        load.more(20)
    assert not load.errors and load.statuses() == {200}, (load.statuses(), load.errors[:2])
    assert cell_pids("hello") == bystander
    assert [os.getpriority(os.PRIO_PROCESS, pid) for pid in bystander] == [0]
    gone("hogs", "hog")


@case("an account that has its memory makes room among its own; a start that finds none is refused, and nobody else feels it")
def _():
    deploy_for = add("heavy", "cells_memory_mb=2")
    deploy_for("a", WAITS, routes=["heavy-a.hearth.test"])
    deploy_for("b", SAYS, routes=["heavy-b.hearth.test"])
    get()
    bystander, refused = cell_pids("hello"), counter("account_memory")
    waiting = threading.Thread(target=get, args=("heavy-a.hearth.test",))
    waiting.start()
    until(lambda: cell_pids("heavy/a"), "the first one's cell")
    answer = get("heavy-b.hearth.test")
    assert answer.status == 503 and b"account has no memory" in answer.body, answer
    assert "retry-after" in answer.headers
    assert counter("account_memory") > refused
    assert ctl_json("status")["cells"]["accounts_refused"] >= 1
    assert get().status == 200 and cell_pids("hello") == bystander
    waiting.join()
    until(lambda: get("heavy-b.hearth.test").status == 200, "the second one's turn")
    assert not cell_pids("heavy/a")
    assert cell_pids("hello") == bystander
    assert "over their account's memory" in ctl("status").stdout
    gone("heavy", "a", "b")
