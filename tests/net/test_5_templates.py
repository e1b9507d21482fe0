"""A script whose start is dear: its next cells are forked from a template, and have nothing in common that is not the script's."""

import json
import os
import signal
import time

from cases import case
from load import Load
from node import SCRIPTS, cell_pids, ctl, ctl_json, deploy, get, until

HOST = "dear.hearth.test"


def row(name="dear"):
    return ctl_json("scripts", name)["scripts"][0]


def another_cell():
    """The cell of the script is killed; the answer of the next one."""
    before = cell_pids("dear")
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not set(before) & set(cell_pids("dear")), "the killed one to be missed")
    answer = get(HOST)
    assert answer.status == 200, answer
    return answer


@case("a dear script under load gets a template; a cheap one under the same load none")
def _():
    deploy(f"{SCRIPTS}/dear")
    with Load(clients=2, hosts=[HOST, "hello.hearth.test"], pause_s=0.02):
        until(lambda: "template" in row(), "its template")
    assert row()["template"]["memory_bytes"] > 1 << 20, row()
    assert "template" not in row("hello")
    until(lambda: ctl_json("status")["cells"]["templates"]["frozen"] == sum("template" in one for one in ctl_json("scripts")["scripts"]),
          "status to count the templates of all scripts")
    assert "TEMPLATE" in ctl("scripts", "dear").stdout


@case("its next cells come from the template: they say so, and draw and begin for themselves")
def _():
    copies, seen = row()["copies"], []
    for _ in range(3):
        began = time.time() * 1000
        answer = another_cell()
        seen.append(json.loads(answer.body))
        assert seen[-1]["size"] == 60000 and seen[-1]["began"] >= began - 1000, seen[-1]
    until(lambda: row()["copies"] >= copies + 3, "three copies")
    assert len({one["drawn"] for one in seen}) == len({one["id"] for one in seen}) == 3, seen
    assert len({one["began"] for one in seen}) == 3, seen


@case("a cell that a limit spoiled is replaced from the template too")
def _():
    copies, pids = row()["copies"], cell_pids("dear")
    assert get(HOST, "/loop").status == 503
    until(lambda: get(HOST).status == 200 and set(cell_pids("dear")) - set(pids), "another cell")
    until(lambda: row()["copies"] > copies, "a copy")


@case("when its template is killed the script goes on")
def _():
    pid = row()["template"]["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: row().get("template", {}).get("pid") != pid, "its end")
    assert get(HOST).status == 200
    assert another_cell().status == 200


@case("why tells that a cold start was a copy")
def _():
    deploy(f"{SCRIPTS}/dear")
    with Load(clients=2, hosts=[HOST], pause_s=0.02):
        until(lambda: "template" in row(), "its template", patience=90)
    for pid in cell_pids("dear"):
        os.kill(pid, signal.SIGKILL)
    time.sleep(1.5)  # nobody asks: it is not missed at once
    for _ in range(20):
        answer = get(HOST)
        story = ctl("why", answer.headers["x-hearth-request-id"]).stdout
        if "forked from the script's template" in story:
            return
        for pid in cell_pids("dear"):
            os.kill(pid, signal.SIGKILL)
    raise AssertionError(story)
