"""crowd_watch.py - what a node with many cells has of the machine, once a second: memory, descriptors, maps, processes."""

import os
import threading
import time

from node import ctl_json, hearthd_pid

PAGE = os.sysconf("SC_PAGESIZE")


def kilobytes(path, *keys):
    """The sum of these lines of a file of /proc, in bytes; 0 if the process is gone."""
    try:
        with open(path) as file:
            return sum(int(line.split()[1]) for line in file if line.startswith(keys)) << 10
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0


def children(pid):
    found = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children") as file:
            found += file.read().split()
    return found


def is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def turns(pid):
    """Seconds that a process's first thread has had a CPU, and that it has waited for one."""
    with open(f"/proc/{pid}/schedstat") as file:
        ran, waited, _ = file.read().split()
    return int(ran) / 1e9, int(waited) / 1e9


class Sample:
    """cells_bytes: proportional set and page tables of all cells, spare ones too; told_bytes: what hearthd says of those with a script."""

    def __init__(self, pid, zygotes):
        cells = [child for child in children(pid) if int(child) not in zygotes]
        self.at = time.monotonic()
        self.cells = len(cells)
        self.cells_bytes = sum(kilobytes(f"/proc/{cell}/smaps_rollup", "Pss:") + kilobytes(f"/proc/{cell}/status", "VmPTE:") for cell in cells)
        self.zombies = {cell for cell in cells if is_zombie(cell)}
        # Of its own: its regions are shared with cells, and the modules of scripts lie in no process.
        self.own_bytes = kilobytes(f"/proc/{pid}/status", "RssAnon:")
        self.table_bytes = kilobytes(f"/proc/{pid}/status", "VmPTE:")
        self.descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        with open(f"/proc/{pid}/maps", "rb") as file:
            self.maps = file.read().count(b"\n")
        status = ctl_json("status")
        self.status = status["cells"]
        self.told_bytes = self.status["memory_bytes"]


class Watch:
    """A sample a second, as well as the machine allows, while the block runs."""

    def __init__(self):
        self.pid = hearthd_pid()
        self.samples, self.error = [], None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._look)

    def _look(self):
        try:
            while not self.stop.wait(1):
                self.samples.append(Sample(self.pid, {ctl_json("status")["zygote"]["pid"]}))
        except Exception as error:  # the case says it
            self.error = error

    def __enter__(self):
        self.ran, self.waited = turns(self.pid)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        ran, waited = turns(self.pid)
        self.ran, self.waited = ran - self.ran, waited - self.waited

    def most(self, name, part=slice(None)):
        return max(getattr(sample, name) for sample in self.samples[part])

    def grew(self, name):
        """The most in the last quarter of the time over the most in the second one, when all is in use."""
        quarter = len(self.samples) // 4
        return self.most(name, slice(3 * quarter, None)) / max(1, self.most(name, slice(quarter, 2 * quarter)))

    def is_starved(self):
        """hearthd has waited for a CPU longer than it had one: others keep this machine busy."""
        return self.waited > self.ran

    def lasting_zombies(self):
        """Those that were there in two samples."""
        return set().union(*(a.zombies & b.zombies for a, b in zip(self.samples, self.samples[1:])))
