"""What the service manager hears of a node: that it works, as long as its cores go round."""

import contextlib
import ctypes
import os
import socket

from cases import case
from node import LAB, ROOT, good_answers, hearthd_pid, run, thread_states, until

PATH = "/run/hearth-lab/notify"
WAIT_ALL = 0x40000000  # waitpid: of any thread
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17


def log():
    with open(os.path.join(ROOT, "build", "lab", "n1", "hearthd.log")) as file:
        return file.read()


def ptrace(request, thread):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, thread, None, None):
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x} of {thread}")


@contextlib.contextmanager
def stopped(thread):
    """One thread does not run; the others of its process do."""
    ptrace(PTRACE_SEIZE, thread)
    try:
        ptrace(PTRACE_INTERRUPT, thread)
        os.waitpid(thread, WAIT_ALL)
        yield
    finally:
        ptrace(PTRACE_DETACH, thread)


class Manager:
    """systemd's end of the socket."""

    def __enter__(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(PATH)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(PATH)
        return self

    def __exit__(self, *_):
        self.socket.close()
        os.unlink(PATH)

    def heard(self):
        """All that has been said since the last time."""
        said = []
        with contextlib.suppress(BlockingIOError):
            while True:
                said.append(self.socket.recv(4096).decode())
        return said


def start(**environment):
    run(LAB, "kill", "n1", "TERM", check=False)
    run(LAB, "start", "n1", env={**os.environ, **environment})


def core_thread():
    return next(thread for thread, state in thread_states(hearthd_pid()).items() if "worker" in state["Name"])


@case("the service manager is told that the node works, and is not while a core hangs")
def _():
    with Manager() as manager:
        try:
            start(NOTIFY_SOCKET=PATH, WATCHDOG_USEC="1000000")
            said = []
            until(lambda: said.extend(manager.heard()) or said.count("WATCHDOG=1") >= 3, "three signs of life")
            assert "READY=1" in said, said
            with stopped(core_thread()):
                stuck = lambda: log().count("watchdog core=0 stuck")
                until(stuck, "the log to name the core")
                manager.heard()  # what was said before
                begun = stuck()
                until(lambda: stuck() >= begun + 4, "as long as the service manager waits")
                assert not manager.heard(), "it works, it said"
            until(lambda: "WATCHDOG=1" in manager.heard(), "a sign of life when the core goes on")
            good_answers(1)
        finally:
            start()
    good_answers(1)
