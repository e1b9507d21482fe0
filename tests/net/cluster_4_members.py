"""Nodes that die, come back, leave in order: what their clients and scripts notice."""

import os
import signal
import time

from cases import case
from cluster import NODES, Growth, address, all_serving, ask, home_of, make_script, others, state_of, wait_for_homes
from load import Load
from node import LAB, busy_percent, ctl, deploy, hearthd_pid, run, family, unaccounted, until

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


def light_load():
    return Load(clients=2, hosts=HOSTS, addresses=[address(node) for node in NODES], pause_s=0.01)


def assert_all_warm(load, growth):
    load.assert_clean()
    assert not load.cold, load.told_of_cold()
    assert growth.sum("job_cold") == 0, f"{growth.sum('job_cold')} cold starts"


@case("a node that is drained hands its scripts over first: no cold start, no error")
def _():
    for script in SCRIPTS:
        for node in NODES:
            assert ask(script, node).status == 200
    growth = Growth()
    with light_load() as load:
        load.more(100)
        ctl("node", "drain", node=VICTIM)
        until(lambda: all(state_of(VICTIM, node) == "draining" for node in NODES), "the node to be draining")
        wait_for_homes(SCRIPTS, others(VICTIM), others(VICTIM)[0], 5)
        load.more(400)
    assert_all_warm(load, growth)
    at_victim = sum(home_of(script) == VICTIM for script in SCRIPTS)
    assert growth[VICTIM]["handover_sent"] == growth.sum("handover_taken") >= at_victim
    return f"{len(load.answers)} answers, all warm; {at_victim} scripts handed over"


@case("a node that is undrained takes its scripts back warm, also those deployed while it was away: no cold start, no error")
def _():
    deploy(*(make_script(script, "export default { fetch() { return new Response('new\\n'); } };\n") for script in SCRIPTS))
    for script in SCRIPTS:
        for node in NODES:
            assert ask(script, node).body == b"new\n"
    growth = Growth()
    with light_load() as load:
        load.more(100)
        ctl("node", "undrain", node=VICTIM)
        until(all_serving, "the node to be serving")
        wait_for_homes([script for script in SCRIPTS if home_of(script) == VICTIM], [VICTIM], others(VICTIM)[0], 5)
        load.more(400)
    assert_all_warm(load, growth)
    at_victim = sum(home_of(script) == VICTIM for script in SCRIPTS)
    assert growth.sum("handover_sent") == growth[VICTIM]["handover_taken"] >= at_victim
    return f"{len(load.answers)} answers, all warm; {at_victim} scripts handed over"


@case("three idle nodes together use less than 10 % of one CPU")
def _():
    percent = busy_percent([pid for node in NODES for pid in (hearthd_pid(node), *family(node))])
    assert percent < 10, f"{percent:.1f} %"
    return f"{percent:.1f} %"


@case("every frame that three nodes received since their start is accounted for")
def _():
    for node in NODES:
        until(lambda: unaccounted(node) == 0, f"{node}: rx_frames = the sum of all dispositions")
