"""Every script has one home, requests find it from everywhere, and it is warm there."""

import os
import random
import signal

from cases import case
from cluster import NODES, Growth, address, ask, home_of, make_script, name_at, others, tuned, warm_at
from load import Load
from node import Http, counters, ctl_json, deploy, cell_pids, until
from tls_by_hand import TlsByHand

SMALL = [f"s{i:03d}" for i in range(200)]
# The top level takes some tens of milliseconds: what a first request would have to wait for.
SLOW_START = ("let x = 0;\nfor (let i = 0; i < 2e7; i++) x = (x * 31 + i) | 0;\n"
              "export default { fetch() { return new Response(`${x}\\n`); } };\n")


def starts_ahead(name, node):
    """How many cells of it have started before a request waited for one: a cell that only begins to is none of them."""
    return ctl_json("scripts", name, node=node)["scripts"][0]["ahead"]


@case("200 scripts, entered at random nodes: after the first pass every request is warm, and every entry names the same home")
def _():
    choose = random.Random(3)
    homes = {}
    for script in SMALL:
        answer = ask(script, choose.choice(NODES))
        assert (answer.status, answer.body) == (200, f"{int(script[1:])}\n".encode()), answer
        homes[script] = answer.headers["x-hearth-home"]
    growth = Growth()
    for script in choose.sample(SMALL, len(SMALL)):
        for node in choose.sample(NODES, len(NODES)):
            answer = ask(script, node)
            assert answer.status == 200, answer
            seen = {name: answer.headers[f"x-hearth-{name}"] for name in ("node", "home", "path", "start")}
            assert seen == {"node": node, "home": homes[script], "path": "here" if node == homes[script] else "forwarded",
                            "start": "warm"}, f"{script}: {seen}"
    assert growth.sum("job_cold") == 0, growth.sum("job_cold")
    return ", ".join(f"{node} is home of {list(homes.values()).count(node)}" for node in NODES)


@case("of 200 scripts asked at all nodes none has a cell anywhere but at home")
def _():
    until(lambda: sum(bool(script["cells"]) for node in NODES for script in ctl_json("scripts", node=node)["scripts"]
                      if script["name"] in SMALL) == len(SMALL), "a cell of each to be reported")
    for node in NODES:
        for script in ctl_json("scripts", node=node)["scripts"]:
            if script["name"] in SMALL and script["cells"]:
                assert home_of(script["name"]) == node, f"{script['name']} has a cell at {node}"


@case("a script that is asked for often enough runs where it enters, and goes home again when it is not any more")
def _():
    home = home_of("hello")
    entry = others(home)[0]
    assert ask("hello", entry).headers["x-hearth-path"] == "forwarded"
    with tuned([entry], hot_leave_rpm=1200, hot_enter_rpm=3000):
        before = counters(entry)["place_hot"]
        with Load(clients=4, host="hello.hearth.test", addresses=[address(entry)]) as load:
            until(lambda: ask("hello", entry).headers["x-hearth-path"] == "here", "the script to be hot")
        load.assert_clean()
        assert counters(entry)["place_hot"] > before
        assert not load.cold, load.told_of_cold()
        assert ask("hello", others(home)[1]).headers["x-hearth-path"] == "forwarded", "hot elsewhere"
    assert ask("hello", entry).headers["x-hearth-path"] == "forwarded"


@case("a script that becomes hot at a node, or gets a second home, is warm there before requests run there: no cold answer")
def _():
    wide, hot = name_at(NODES[0], "wide"), name_at(NODES[0], "hot")
    for name in (wide, hot):
        deploy(make_script(name, SLOW_START))
        assert ask(name, NODES[0]).status == 200
    growth = Growth()
    with tuned(NODES, widen_rps=100, narrow_rps=10):
        # Of nodes that never take it for hot, all requests go to its homes.
        with Load(clients=4, host=f"{wide}.hearth.test", addresses=[address(node) for node in NODES[1:]]) as load:
            until(lambda: len([node for node in NODES if growth[node]["place_here"] > 100]) >= 2, "a second home to serve")
        load.assert_clean()
        assert not load.cold, load.told_of_cold()
        widened = len(load.answers)
    with tuned(NODES, hot_leave_rpm=1200, hot_enter_rpm=3000):
        with Load(clients=4, host=f"{hot}.hearth.test", addresses=[address(node) for node in NODES]) as load:
            until(lambda: set(warm_at(hot)) == set(NODES), "all nodes to have a cell")
            load.more(500)
        load.assert_clean()
        assert not load.cold, load.told_of_cold()
    assert growth.sum("job_cold") == 0 and growth.sum("warm_demanded") >= 2
    return f"{widened} answers while it widened, {len(load.answers)} while it became hot"


@case("while a client is slow with its handshake, the script it named is warmed at its home, and its first request is warm")
def _():
    entry, home = NODES[0], NODES[1]
    name = name_at(home, "sleepy")
    deploy(make_script(name, SLOW_START))
    for pid in cell_pids(name, home):  # the deploy has left it warm at home
        os.kill(pid, signal.SIGKILL)
    until(lambda: not warm_at(name), "its cell to be gone")
    growth, started = Growth(entry, home), starts_ahead(name, home)
    client = TlsByHand(f"{name}.hearth.test", address=address(entry))
    client.peer.sendall(client.hello())
    until(lambda: starts_ahead(name, home) > started, "a cell of the script to have started")
    assert warm_at(name) == [home], warm_at(name)
    client.handshake()
    answer = Http(client).request("GET / HTTP/1.1", f"{name}.hearth.test")
    client.close()
    assert answer.status == 200, answer
    seen = {word: answer.headers[f"x-hearth-{word}"] for word in ("home", "path", "start")}
    assert seen == {"home": home, "path": "forwarded", "start": "warm"}, seen
    until(lambda: growth[home]["warm_useful"], "the home to count it as useful")
    hidden = growth[home]["warm_hidden_us"]
    assert hidden >= 1000, f"{hidden} us hidden"
    assert growth[home]["warm_wasted"] == 0 and growth[entry]["warm_sent"] == 0
    return f"{hidden / 1000:.1f} ms of cold start hidden"
