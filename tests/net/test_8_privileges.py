"""hearthd without `user:`, started as root under its unit: what it keeps, and that cells have their sandbox and a user each."""

import os
import signal
import tempfile

import privileges
from cases import case
from node import LAB, ROOT, family, get, good_answers, run, until, zygote_pid


def log():
    with open(os.path.join(ROOT, "build", "lab", "n1", "hearthd.log")) as file:
        return file.read()


@case("hearthd has what privileges.h lists and no more, in all threads")
def _():
    return privileges.check(0, 0, privileges.listed())


@case("cells are confined, of a zygote that was started after that too, and each has a user of its own")
def _():
    cells = lambda: [pid for pid in family() if pid != zygote_pid()]
    until(lambda: get().status == 200, "good answers")
    privileges.check_cells(cells())
    for pid in family():
        os.kill(pid, signal.SIGKILL)
    until(lambda: get().status == 200, "good answers again")
    until(lambda: len(cells()) >= 4, "spare cells")
    privileges.check_cells(cells())


def under(unit, extra):
    """Starts the node under another unit and with other keys; what its log says of it, and whether it is ready."""
    run(LAB, "kill", "n1", "TERM")
    before = len(log())
    for name, text in (("unit", unit), ("config-extra", extra)):
        with open(os.path.join(ROOT, "build", "lab", name), "w") as file:
            file.write(text)
    started = run(LAB, "start", "n1", check=False).returncode == 0
    return started, log()[before:]


@case("where cells cannot have namespaces nothing starts, with a sentence, unless cells.sandbox is weaker")
def _():
    lab = os.path.join(ROOT, "build", "lab")
    kept = {}
    for name in ("unit", "config-extra"):
        with open(os.path.join(lab, name)) as file:
            kept[name] = file.read()
    with open(kept["unit"].strip()) as file, tempfile.NamedTemporaryFile("w", suffix=".service") as weak:
        weak.write(file.read().replace("CAP_SYS_ADMIN ", ""))
        weak.flush()
        try:
            started, said = under(weak.name, kept["config-extra"])
            assert not started and "start failed: cells cannot have namespaces here" in said, said[-500:]
            started, said = under(weak.name, kept["config-extra"] + "cells: {sandbox: weaker, max: 16}\n")
            assert started and "namespaces=0 empty_root=0" in said, said[-500:]
            good_answers(1)
        finally:
            under(kept["unit"], kept["config-extra"])
    good_answers(1)
