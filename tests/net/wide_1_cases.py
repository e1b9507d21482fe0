"""Three nodes, two cores and up to two cells of a script each."""

import hashlib
import os
import tempfile

from cases import case
from cluster import NODES, Growth, address, ask, refusing
from load import Load
from node import ctl_json, curl, unaccounted, until

SCRIPTS = [f"s{i:03d}" for i in range(40)]


@case("three nodes of two cores: 40 scripts are warm in one cell of one node, whichever core of whichever node is asked")
def _():
    for script in SCRIPTS:
        ask(script, "n1")
    growth = Growth()
    for script in SCRIPTS:
        homes = set()
        for node in NODES:
            for _ in range(4):  # connections fall on either core
                answer = ask(script, node)
                assert (answer.status, answer.headers["x-hearth-start"]) == (200, "warm"), f"{script} {answer.headers}"
                homes.add(answer.headers["x-hearth-home"])
        assert len(homes) == 1, homes
    assert growth.sum("job_cold") == 0
    until(lambda: sum(bool(one["cells"]) for node in NODES for one in ctl_json("scripts", node=node)["scripts"]
                      if one["name"] in SCRIPTS) == len(SCRIPTS), "a cell of each to be reported")
    warm = [one["cells"] for node in NODES for one in ctl_json("scripts", node=node)["scripts"] if one["name"] in SCRIPTS]
    assert sum(warm) == len(SCRIPTS), warm


@case("three nodes of two cores: every core of every node has served and been served")
def _():
    for node in NODES:
        cores = [core["counters"] for core in ctl_json("stats", node=node)["cores"]]
        assert len(cores) == 2
        assert all(core["place_home"] and core["serve_calls"] for core in cores), [(core["place_home"], core["serve_calls"])
                                                                                  for core in cores]


@case("three nodes of two cores: 10 MB through an echo at another node, unharmed, from either core")
def _():
    body = os.urandom(10 << 20)
    with tempfile.NamedTemporaryFile() as sent, tempfile.NamedTemporaryFile() as received:
        sent.write(body)
        sent.flush()
        for node in NODES * 2:
            curl("--fail", "-T", sent.name, "-o", received.name, "https://echo.hearth.test/", address=address(node))
            received.seek(0)
            assert hashlib.sha256(received.read()).digest() == hashlib.sha256(body).digest()


@case("three nodes of two cores: load at all of them while one refuses by turns: no client sees an error")
def _():
    with Load(hosts=[f"{script}.hearth.test" for script in SCRIPTS], addresses=[address(node) for node in NODES], pause_s=0.002) as load:
        for node in NODES * 2:
            with refusing(node):
                # What enters at its own home while that refuses has nowhere to go: the one good reason for a 503.
                load.more(100)
            load.more(100)
    assert not load.errors, load.errors[:3]
    refused = [(target, answer) for target, answer in load.bad if answer.status == 503 and answer.headers.get("retry-after")]
    assert len(refused) == len(load.bad), load.bad[:3]
    until(lambda: all(unaccounted(node) == 0 for node in NODES), "every frame to be accounted for")
