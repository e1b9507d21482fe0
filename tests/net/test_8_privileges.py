"""hearthd without `user:`, started as root under its unit: what it keeps, and that a fresh runtime process has its sandbox."""

import os
import signal

import privileges
from cases import case
from node import get, runtime_pids, until


@case("hearthd has what privileges.h lists and no more, in all threads")
def _():
    return privileges.check(0, 0, privileges.listed())


@case("a runtime process that is started after that is as confined as ever")
def _():
    before = runtime_pids()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    until(lambda: runtime_pids() and not set(runtime_pids()) & set(before), "a new runtime process")
    until(lambda: get().status == 200, "good answers again")
    privileges.check_runtimes(runtime_pids(), 65534)
