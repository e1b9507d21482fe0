"""Load, idleness, and that the books balance afterwards."""

import os
import re

from cases import case
from node import ADDRESS, busy_percent, ctl, ctl_json, get, hearthd_pid, run, family, unaccounted, until


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


def stages():
    """name -> its cycles and units, of all cores, and the frames that their counters know of."""
    stats, sums = ctl_json("stats"), {}
    for core in stats["cores"]:
        assert core["ledger"]["cycles_per_us"] > 0, core["ledger"]
        for one in core["ledger"]["stages"]:
            cycles, units = sums.get(one["stage"], (0, 0))
            sums[one["stage"]] = cycles + one["cycles"], units + one["units"]
    return sums, stats["counters"]["rx_frames"]


def has_every_frame():
    sums, frames = stages()
    return sums["receive"][1] == sums["net"][1] == frames and sums


@case("the ledger of the cores has every frame, and time for each stage of a request")
def _():
    assert get().status == 200
    sums = until(has_every_frame, "frames of the stages receive and net = rx_frames")
    for name in ("look", "handshake", "receive", "net", "tcp", "conn", "tls", "cells", "transmit", "wake", "sleep"):
        assert min(sums[name]) > 0, (name, sums)
    shown = ctl("stats", "--cycles").stdout
    assert re.search(r"^tls +\d+\.\d % +\d+ +\d+ +calls +\d+$", shown, re.M), shown
    assert re.search(r'^hearth_stage_cycles_total\{core="0",stage="tls"\} [1-9]', ctl("metrics").stdout, re.M)
    return f"TLS {sums['tls'][0] / sums['tls'][1]:,.0f} cycles a call"


@case("every frame received since the start is accounted for")
def _():
    until(lambda: unaccounted() == 0, "rx_frames = the sum of all dispositions")
