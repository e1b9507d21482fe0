"""Far more scripts than the memory takes warm, asked for as people do: every answer is right, and what the node has of the machine stays what it may have."""

import collections
import time

from cases import case
from crowd import SECONDS, Crowd
from crowd_watch import Watch
from node import LONG, ctl_json, unaccounted, until

MB = 1 << 20
OVER = 1.05  # of the budget, at most
# The zygote's pages, some 30 MB, are the cells' together by the kernel's count, however few they are. Of 1 GiB that is less than OVER allows.
SHARED = 0 if LONG else 30 * MB
FLAT = 1.1   # the most late in the run beside the most early in it


def all_settled(cells):
    return not (cells["starting"] or cells["retired"] or cells["ending"]) and cells["started"] - cells["ended"] == cells["warm"]


def reasons(crowd):
    """What those who were refused were told, and how many were."""
    return collections.Counter(body.split(b"\n")[1].decode() for _, _, body in crowd.refused)


def are_explained(crowd, watch):
    """A request waits 2 s for a cell, and a cell whose queue moves slowly is spared. On a machine that others keep busy either happens; on one that is
    ours neither."""
    return (watch.is_starved() and len(crowd.refused) < crowd.answers / 100
            and all("could be started" in why for why in reasons(crowd)))


def told(crowd, watch, budget, evicted):
    """What it was like, for people."""
    shares = ", ".join(f"{start} {crowd.share(start):.1%} p50 {crowd.quantile(start, 0.5):.1f} p99 {crowd.quantile(start, 0.99):.0f} ms"
                       for start in ("warm", "warming", "cold"))
    return (f"{crowd.answers} answers, {crowd.answers / SECONDS:.0f} a second, {len(crowd.refused)} refused; {shares}; {evicted} evicted; at most {watch.most('cells')} cells with"
            f" {watch.most('cells_bytes') / MB:.0f} MB, by hearthd {watch.most('told_bytes') / MB:.0f}, of {budget / MB:.0f}; hearthd itself"
            f" {watch.most('own_bytes') / MB:.0f} MB, {watch.most('descriptors')} descriptors, {watch.most('maps')} maps; {len(watch.samples)} samples; it had a CPU"
            f" for {watch.ran:.1f} s and waited {watch.waited:.1f} s for one")


@case("a crowd: every answer is right, memory within the budget, nothing leaks, and the books balance")
def _():
    before = ctl_json("status")["cells"]
    with Watch() as watch, Crowd() as crowd:
        time.sleep(SECONDS)
    if watch.error:
        raise watch.error
    until(lambda: all_settled(ctl_json("status")["cells"]), "cells to settle, and the books to balance", 30)
    after, budget = ctl_json("status")["cells"], before["memory_max_bytes"]
    note = told(crowd, watch, budget, after["evicted"] - before["evicted"])
    assert not crowd.faults, f"{len(crowd.faults)} wrong: " + "\n".join([*crowd.faults[:5], note])
    assert not crowd.refused or are_explained(crowd, watch), f"{len(crowd.refused)} refused: {dict(reasons(crowd))}\n{note}"
    assert crowd.tls_answers > 0 and after["evicted"] > before["evicted"], note
    assert watch.most("told_bytes") <= OVER * budget and watch.most("cells_bytes") <= OVER * budget + SHARED, note
    for name in ("own_bytes", "table_bytes", "descriptors", "maps"):
        assert watch.grew(name) < FLAT, f"{name}: {[getattr(sample, name) for sample in watch.samples[:: len(watch.samples) // 8]]}\n{note}"
    assert not watch.lasting_zombies(), note
    assert after["regions_lost"] == after["bad_packets"] == 0, after
    until(lambda: unaccounted() == 0, "every frame to be accounted for")
    return note
