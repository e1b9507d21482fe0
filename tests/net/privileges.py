"""privileges.py - what hearthd holds after its start, as the kernel tells it, against the list in the header that decides it."""

import os
import re

from node import ROOT, ctl_json, hearthd_pid, thread_states

HEADER = os.path.join(ROOT, "control", "daemon", "privileges.h")
NUMBERS = "/usr/include/linux/capability.h"


def listed():
    """The capabilities that the header's table gives to the control thread of root's hearthd."""
    with open(HEADER) as file:
        table = re.search(r"control thread(.*?)with a port", file.read(), re.S)[1]
    with open(NUMBERS) as file:
        numbers = {name: int(number) for name, number in re.findall(r"#define (CAP_\w+)\s+(\d+)", file.read())}
    names = re.findall(r"CAP_\w+", table)
    assert len(names) == 7, names
    return sum(1 << numbers[name] for name in names)


def check(uid, gid, capabilities):
    """All threads of n1's hearthd, and what it says of itself."""
    pid = hearthd_pid()
    states = thread_states(pid)
    assert len(states) > 2, "no threads but the control thread and one core?"
    for thread, state in states.items():
        mine = capabilities if thread == pid else 0
        sets = {name: int(state[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd")}
        wanted = {"CapEff": mine, "CapPrm": mine, "CapInh": 0, "CapAmb": 0, "CapBnd": capabilities}
        assert sets == wanted, f"thread {thread} ({state['Name']}): {sets}, not {wanted}"
        assert (state["NoNewPrivs"], state["Seccomp"]) == ("1", "2"), f"thread {thread}: {state}"
        assert set(state["Uid"].split()) == {str(uid)} and set(state["Gid"].split()) == {str(gid)}, f"thread {thread}: {state['Uid']}"
    # What is not dumpable is root's in /proc, whoever it runs as.
    assert os.stat(f"/proc/{pid}/environ").st_uid == 0
    said = ctl_json("status")["privileges"]
    assert said["seccomp"] and said["no_new_privs"] and said["namespaces"] and not said["dumpable"] and not said["missing"], said
    assert said["uid"] == uid and (not capabilities) == (not said["capabilities"]), said
    return f"{len(states)} threads"


CELL_UID = 0x7f000000  # control/supervise/cell_life.c: and the cell's number


def check_cells(pids, uid=None):
    """Cells are in namespaces of their own and have nothing. uid: of them all; None: each has its own."""
    seen = set()
    assert pids
    for pid in pids:
        for state in thread_states(pid).values():
            assert int(state["CapEff"], 16) == int(state["CapPrm"], 16) == int(state["CapBnd"], 16) == 0, state
            assert (state["NoNewPrivs"], state["Seccomp"]) == ("1", "2"), state
            assert len(set(state["Uid"].split() + state["Gid"].split())) == 1 or uid is not None, state
            own = int(state["Uid"].split()[0])
        assert own == uid if uid is not None else own >= CELL_UID and own not in seen, own
        seen.add(own)
        for name in ("net", "mnt", "ipc", "uts"):
            assert os.readlink(f"/proc/{pid}/ns/{name}") != os.readlink(f"/proc/{hearthd_pid()}/ns/{name}"), name
        with open(f"/proc/{pid}/oom_score_adj") as file:
            assert file.read() == "1000\n"
