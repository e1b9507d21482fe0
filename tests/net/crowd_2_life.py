"""A node with all these scripts starts again; and what an operator asks of it."""

import time

from cases import case
from crowd import scripts
from node import LAB, ctl, ctl_json, get, run


@case("a crowd: the list of all scripts has each of them, with its account")
def _():
    began = time.monotonic()
    listed = {script["name"] for script in ctl_json("scripts")["scripts"]}
    took = time.monotonic() - began
    assert listed == {script.id for script in scripts}, listed ^ {script.id for script in scripts}
    assert len(ctl("scripts").stdout.splitlines()) == len(scripts) + 1
    return f"{took * 1e3:.0f} ms"


@case("a crowd: the node starts again with all of them, and any answers")
def _():
    run(LAB, "kill", "n1", "TERM")
    began = time.monotonic()
    run(LAB, "start", "n1")
    took = time.monotonic() - began
    assert ctl_json("status")["scripts"] == len(scripts)
    for script in scripts[:: len(scripts) // 20]:
        answer = get(script.host)
        fault = script.fault(answer.status, answer.headers.get("x-hearth-start"), answer.body)
        assert not fault, fault
    return f"ready after {took:.1f} s"
