"""Nodes that die, come back, leave in order: what their clients and scripts notice."""

import os
import signal
import time

from cases import case
from cluster import NODES, Growth, address, all_serving, ask, home_of, others, state_of, wait_for_homes
from load import Load
from node import LAB, cpu_seconds, ctl, hearthd_pid, run, runtime_pids, unaccounted, until

SCRIPTS = [f"s{i:03d}" for i in range(40)]
HOSTS = [f"{script}.hearth.test" for script in SCRIPTS]
VICTIM = "n2"
ENTRIES = [address(node) for node in others(VICTIM)]


def moved_ms(since, homes):
    """Milliseconds until every script has answered from one of these homes, asked over and over at a node that lives."""
    waiting = list(SCRIPTS)

    def none_left():
        waiting[:] = [script for script in waiting if not is_at(ask(script, others(VICTIM)[0]), homes)]
        return not waiting
    until(none_left, f"all scripts to be at {' or '.join(homes)}")
    return (time.monotonic() - since) * 1000


def is_at(answer, homes):
    assert answer.status == 200, answer
    return answer.headers["x-hearth-home"] in homes


@case("kill -9 of a node under load that enters at the others: no idempotent request fails, and of the others those in flight at most")
def _():
    at_victim = sum(home_of(script) == VICTIM for script in SCRIPTS)
    assert at_victim, "no script lives there"
    posting = 4
    with Load(clients=4, hosts=HOSTS, addresses=ENTRIES, pause_s=0.005) as gets, \
            Load(clients=posting, hosts=HOSTS, addresses=ENTRIES, method="POST", body=b"x" * 1000, pause_s=0.005) as posts:
        killed = time.monotonic()
        os.kill(hearthd_pid(VICTIM), signal.SIGKILL)
        took = moved_ms(killed, others(VICTIM))
        gets.more()
        posts.more()
        run(LAB, "kill", VICTIM)
        run(LAB, "start", VICTIM)
        until(all_serving, "the node to be back")
        back = time.monotonic()
        moved_ms(back, NODES)
        wait_for_homes([script for script in SCRIPTS if home_of(script) == VICTIM], [VICTIM], others(VICTIM)[0], 5)
        gets.more()
        posts.more()
    gets.assert_clean()
    assert not posts.errors, posts.errors[:3]
    assert len(posts.bad) <= posting and all(answer.status == 502 for _, answer in posts.bad), posts.bad
    assert took <= 1500, f"{took:.0f} ms until all scripts answered from other homes"
    return (f"{at_victim} of {len(SCRIPTS)} scripts moved, all answered within {took:.0f} ms; "
            f"{len(gets.answers)} GETs, all 200; {len(posts.bad)} of {len(posts.answers)} POSTs were 502")


@case("a node that is drained hands its scripts over first, and takes them back when it is undrained: no cold start, no error")
def _():
    for script in SCRIPTS:
        for node in NODES:
            assert ask(script, node).status == 200
    growth = Growth()
    with Load(clients=2, hosts=HOSTS, addresses=[address(node) for node in NODES], pause_s=0.01) as load:
        load.more(100)
        ctl("node", "drain", node=VICTIM)
        until(lambda: all(state_of(VICTIM, node) == "draining" for node in NODES), "the node to be draining")
        wait_for_homes(SCRIPTS, others(VICTIM), others(VICTIM)[0], 5)
        load.more(400)
        ctl("node", "undrain", node=VICTIM)
        until(all_serving, "the node to be serving")
        load.more(400)
    load.assert_clean()
    starts = {name: count for (header, name), count in load.headers.items() if header == "x-hearth-start"}
    assert set(starts) == {"warm"}, starts
    assert growth.sum("job_cold") == 0, f"{growth.sum('job_cold')} cold starts"
    assert growth[VICTIM]["handover_sent"] and growth[VICTIM]["handover_taken"]
    return f"{len(load.answers)} answers, all warm; {growth.sum('handover_taken')} scripts handed over"


@case("three idle nodes together use less than 10 % of one CPU")
def _():
    family = [pid for node in NODES for pid in (hearthd_pid(node), *runtime_pids(node))]
    seconds = 5  # of doing nothing are what is measured
    before = cpu_seconds(family)
    time.sleep(seconds)
    percent = (cpu_seconds(family) - before) / seconds * 100
    assert percent < 10, f"{percent:.1f} %"
    return f"{percent:.1f} %"


@case("every frame that three nodes received since their start is accounted for")
def _():
    for node in NODES:
        until(lambda: unaccounted(node) == 0, f"{node}: rx_frames = the sum of all dispositions")
