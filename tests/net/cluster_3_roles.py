"""A member whose role is "edge": what it is told of other nodes' scripts, whatever it takes itself for."""

import contextlib
import json
import os
import re
import time

from cases import case
from cluster import NODES, ask, home_of, make_script, others
from node import ROOT, Tail, ctl, deploy, run, until

HEARTHCTL = os.path.join(ROOT, "build", "control", "hearthctl")
EDGE = "n2"
TALKS = "export default { fetch(request) { console.log('ready ' + request.url); return new Response('x'); } };\n"
TALKERS = [f"talk-{i}" for i in range(4)]
RENEWED_S = 4  # an ask is made again within 3 s


def refusals(node, kind):
    return int(re.search(rf"^hearth_member_refused_{kind}_total (\d+)$", ctl("metrics", node=node).stdout, re.M)[1])


@contextlib.contextmanager
def edge_to(*nodes):
    """These nodes' lists of members say that EDGE is one."""
    before = {}
    for node in nodes:
        path = os.path.join(ROOT, "build", "lab", node, "hearth.yaml")
        with open(path) as file:
            before[path] = file.read()
        with open(path, "w") as file:
            file.write(before[path].replace(f"name: {EDGE},", f"name: {EDGE}, role: edge,"))
        ctl("reload", node=node)
    try:
        yield
    finally:
        for path, text in before.items():
            with open(path, "w") as file:
                file.write(text)
        for node in nodes:
            ctl("reload", node=node)


def with_token(token, *arguments, node):
    return run(HEARTHCTL, "--socket", f"/run/hearth-lab/{node}/ctl.sock", *arguments, check=False,
               env={**os.environ, "HEARTH_TOKEN": token})


def elsewhere(names):
    """Of these scripts one whose home is not EDGE; it runs and logs there."""
    return next(name for name in names if home_of(name) != EDGE)


def deploy_with(tokens, name, **wrangler):
    for node in NODES:
        done = with_token(tokens[node], "deploy", make_script(name, TALKS, **wrangler), node=node)
        assert done.returncode == 0, done.stderr


@case("a member of the role edge that asks in the operator's name is told nothing by the others; one of the role operator is told all")
def _():
    for name in TALKERS:
        deploy(make_script(name, TALKS))
    script = elsewhere(TALKERS)
    entry = next(node for node in NODES if node != EDGE and node != home_of(script))
    with edge_to(*others(EDGE)):  # EDGE's own list says "operator": it asks
        before = refusals(home_of(script), "role")
        with Tail(script, EDGE) as told_edge, Tail(script, entry) as told_operator:
            told_operator.begin(lambda: ask(script, entry))
            until(lambda: refusals(home_of(script), "role") > before, "the ask to be refused")
            time.sleep(RENEWED_S)
            for _ in range(5):
                ask(script, entry)
            told_operator.await_line("ready")
            assert not told_edge.heard("ready"), told_edge.lines
        answer = ask(script, entry)
        assert ctl("why", answer.headers["x-hearth-request-id"], node=home_of(script), check=False).returncode == 0
        assert "no node knows" in ctl("why", answer.headers["x-hearth-request-id"], node=EDGE, check=False).stderr
    with Tail(script, EDGE) as told:  # the role is back
        told.begin(lambda: ask(script, entry))
        assert ctl("why", answer.headers["x-hearth-request-id"], node=EDGE).returncode == 0


@case("a node that is an edge by its own list does not ask, and says so to who tails there")
def _():
    with edge_to(*NODES):
        before = refusals("n1", "role")
        with Tail("talk-0", EDGE):
            time.sleep(RENEWED_S)
        assert refusals("n1", "role") == before
        member = next(m for m in json.loads(ctl("node", "status", "--json", node="n1").stdout)["members"] if m["name"] == EDGE)
        assert member["role"] == "edge"


@case("for an account's token an edge is told that account's lines and stories, and no other's; a revoked one vouches for nothing")
def _():
    for node in NODES:
        for account in ("acme", "beta"):
            ctl("account", "add", account, f"hosts={account}.hearth.test", node=node)
    acme = ctl("account", "token", "acme", node=EDGE).stdout.strip()
    with open(os.path.join(ROOT, "build", "lab", EDGE, "scripts", "accounts.json")) as file:
        kept = next(a for a in json.load(file)["accounts"] if a["name"] == "acme")["tokens"][0]["sha256"]
    for node in others(EDGE):
        ctl("account", "token", "acme", "deploy,read,tail", f"sha256={kept}", node=node)
    for name in TALKERS:
        deploy_with({node: acme for node in NODES}, name, routes=[f"acme.hearth.test/{name}"])
    deploy_with({node: ctl("account", "token", "beta", node=node).stdout.strip() for node in NODES}, "theirs", routes=["beta.hearth.test"])
    script = elsewhere([f"acme/{name}" for name in TALKERS])
    home, path = home_of(script), script[len("acme"):]
    entry = next(node for node in NODES if node not in (EDGE, home))
    with edge_to(*NODES), Tail("", EDGE, token=acme) as told:
        told.begin(lambda: ask("acme", entry, path))
        theirs, mine = ask("beta", entry), ask("acme", entry, path)
        told.await_line("ready")
        assert all(line["script"].startswith("acme/") for line in told.lines if "script" in line), told.lines

        def why(answer):
            return with_token(acme, "why", answer.headers["x-hearth-request-id"], node=EDGE)
        assert why(mine).returncode == 0, why(mine).stderr
        assert "no node knows" in why(theirs).stderr
        before = refusals(home, "voucher")
        for node in others(EDGE):
            ctl("account", "revoke", "acme", kept[:12], node=node)
        until(lambda: refusals(home, "voucher") > before, "the next ask to be refused")
    for node in NODES:
        for script in [f"acme/{name}" for name in TALKERS] + ["beta/theirs"] + TALKERS:
            ctl("delete", script, node=node)
        for account in ("acme", "beta"):
            ctl("account", "remove", account, node=node)
