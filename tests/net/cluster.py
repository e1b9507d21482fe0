"""cluster.py - what the cases know about the three nodes of a cluster: homes, knobs, scripts made for a case, the wire between nodes."""

import contextlib
import json
import os
import shutil
import subprocess
import sys

from node import LAB, ROOT, counters, ctl, ctl_json, deploy, get, until

NODES = ("n1", "n2", "n3")
MADE = os.path.join(ROOT, "build", "lab", "made")
RPC_PORT = 4433


def address(node):
    return f"10.77.0.{node[1:]}"


def ask(script, node, path="/", **options):
    """One GET on a connection of its own."""
    return get(f"{script}.hearth.test", path, address=address(node), **options)


def others(node):
    return [name for name in NODES if name != node]


# ---- the ring ------------------------------------------------------------------------------------------------------


def home_of(script, node="n1"):
    """Of a script or a host: the node that the ring gives, whatever its state."""
    return ctl_json("ring", "locate", script, node=node)["scripts"][0]["home"]


def name_at(home, prefix):
    """A script's name whose home is that node. Only of what is deployed does the ring tell, so something is; deploy over it."""
    for number in range(100):
        name = f"{prefix}-{number}"
        deploy(make_script(name, "export default { fetch() { return new Response(); } };\n"))
        if home_of(name) == home:
            return name
        for node in NODES:
            ctl("delete", name, node=node)
    raise AssertionError(f"no name has {home} as its home")


def state_of(node, seen_from):
    """What seen_from takes a node for: "down", "joining", "serving", "draining"."""
    return next(member["state"] for member in ctl_json("node", "status", node=seen_from)["members"] if member["name"] == node)


def all_serving():
    return all(state_of(node, seen) == "serving" for node in NODES for seen in NODES)


# ---- knobs ---------------------------------------------------------------------------------------------------------


def tune(node, **values):
    ctl("tune", *(f"{key}={value}" for key, value in values.items()), node=node)


@contextlib.contextmanager
def tuned(nodes, **values):
    """Other values while the block runs."""
    before = {node: {knob["key"]: knob["value"] for knob in ctl_json("tune", node=node)["tune"]} for node in nodes}
    try:
        for node in nodes:
            tune(node, **values)
        yield
    finally:
        for node in nodes:
            tune(node, **{key: before[node][key] for key in values})


def refusing(*nodes):
    """These nodes take no request while the block runs."""
    return tuned(nodes, shed_jobs_percent=0)


class Growth:
    """What a block adds to the counters of nodes: Growth("n1", "n2")["n1"]["call_bounced"]."""

    def __init__(self, *nodes):
        self.nodes = nodes or NODES
        self.before = {node: counters(node) for node in self.nodes}

    def __getitem__(self, node):
        now = counters(node)
        return {name: now[name] - self.before[node][name] for name in now}

    def sum(self, name):
        return sum(self[node][name] for node in self.nodes)


# ---- scripts -------------------------------------------------------------------------------------------------------


def make_script(name, source, **wrangler):
    """A script directory; deploy() it."""
    directory = os.path.join(MADE, name)
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "index.js"), "w") as file:
        file.write(source)
    with open(os.path.join(directory, "wrangler.json"), "w") as file:
        json.dump({"name": name, "main": "index.js", **wrangler}, file)
    return directory


def unmake_scripts():
    shutil.rmtree(MADE, ignore_errors=True)


def warm_at(script):
    """The nodes that have a cell of it."""
    return [node for node in NODES if ctl_json("scripts", script, node=node)["scripts"][0]["cells"]]


# ---- the wire ------------------------------------------------------------------------------------------------------


class Capture:
    """Counts what crosses a node's link while the block runs: bytes[source, destination] of UDP payload from or to the RPC ports."""

    def __init__(self, node):
        self.node = node

    def __enter__(self):
        self.process = subprocess.Popen([LAB, "exec", "br", sys.executable, os.path.join(os.path.dirname(__file__), "capture.py"),
                                         self.node, str(RPC_PORT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_):
        seen = json.loads(self.process.communicate("stop\n", timeout=20)[0])
        assert seen["dropped"] == 0, f"the capture missed {seen['dropped']} frames"
        self.bytes = {tuple(pair.split(">")): count for pair, count in seen["bytes"].items()}

    def between(self, source, destination):
        return self.bytes.get((address(source), address(destination)), 0)


def wait_for_homes(scripts, homes, seen_from, patience):
    """Waits until every script answers well from a home that is one of `homes`."""
    def settled():
        answers = [ask(script, seen_from) for script in scripts]
        return all(answer.status == 200 and answer.headers["x-hearth-home"] in homes for answer in answers)
    until(settled, f"{len(scripts)} scripts to be at {' or '.join(homes)}", patience)
