"""Load, idleness, and that the books balance afterwards."""

import os
import re

from cases import case
from node import ADDRESS, busy_percent, get, hearthd_pid, run, family, unaccounted, until


SECONDS = int(os.environ.get("WRK_SECONDS", 10))


def wrk(connections):
    """Requests per second; any error is a failure."""
    seen = run("wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "https://hello.hearth.test/").stdout
    assert "Socket errors" not in seen and "Non-2xx" not in seen, seen
    return float(re.search(r"Requests/sec:\s+([\d.]+)", seen).group(1))


@case("wrk -c64: no socket error, every answer 2xx")
def _():
    assert get().status == 200
    return f"{wrk(64):,.0f} requests/s"


@case("wrk -c500: no socket error, every answer 2xx")
def _():
    return f"{wrk(500):,.0f} requests/s"


@case("an idle node uses less than 10 % of one CPU")
def _():
    percent = busy_percent([hearthd_pid(), *family()])
    assert percent < 10, f"{percent:.1f} %"
    return f"{percent:.1f} %"


@case("the first packet after idleness is answered within a few milliseconds")
def _():
    # One ping a second: each of them meets a core that has gone to sleep. The best of ten is the node, the others are the machine.
    seen = run("ping", "-n", "-c", "10", "-i", "1", ADDRESS).stdout
    best = float(re.search(r"= ([\d.]+)/", seen).group(1))
    assert " 0% packet loss" in seen and best < 3, seen
    return f"{best:.2f} ms"


@case("every frame received since the start is accounted for")
def _():
    until(lambda: unaccounted() == 0, "rx_frames = the sum of all dispositions")
