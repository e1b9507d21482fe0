"""What a script fetches from the world, wherever its home is."""

import json

from cases import case
from node import SCRIPTS, counter, deploy, https

NODES = ("n1", "n2", "n3")


@case("cluster: a script without bindings fetches at its home too: it has sub-requests there")
def _():
    deploy(f"{SCRIPTS}/fetcher")
    before = [counter("egress_forbidden", node) for node in NODES]
    for i in range(3):
        with https("fetcher.hearth.test", address=f"10.77.0.{i + 1}") as client:
            told = client.request("POST / HTTP/1.1", "fetcher.hearth.test", json.dumps({"url": "http://10.77.0.2:8080/"}).encode())
            assert json.loads(told.body) == {"error": "TypeError: fetch: scripts may not reach that address"}, told
    asked = [counter("egress_forbidden", node) - was for node, was in zip(NODES, before)]
    assert sum(asked) == 3, asked
    return f"{max(asked)} of 3 at one node"
