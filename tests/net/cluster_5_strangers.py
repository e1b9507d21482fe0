"""Strangers who begin handshakes and never finish one: a node stays with its cluster, and its clients are answered."""

import json
import os

from cases import case
from cluster import NODES, address, all_serving
from node import ROOT, counter, counters, ctl_json, run

STRANGERS = os.path.join(ROOT, "build", "tests", "perf", "strangers")
SILENCE_MS = 800  # without a word for so long a node is down


def longest_ms(node):
    return max(core["longest_ns"] for core in ctl_json("stats", node=node)["cores"]) / 1e6


def strangers_case(name, rate):
    before = {node: counters(node) for node in NODES}
    told = json.loads(run(STRANGERS, address("n1"), name, str(rate), "4", "s000.hearth.test").stdout)
    after = {node: counters(node) for node in NODES}
    strangers, beside = told["strangers"], told["beside"]
    refused = after["n1"]["tls_refused"] - before["n1"]["tls_refused"]
    assert strangers["said"] >= rate, strangers
    assert beside["requests"] > 0 and strangers["heard"] > 0, told
    for node in NODES:
        assert after[node]["rpc_down"] == before[node]["rpc_down"], f"{node} lost a channel"
    assert all_serving()
    assert longest_ms("n1") < SILENCE_MS / 2, longest_ms("n1")
    return (f"{strangers['said']} hellos, {strangers['heard']} heard, {refused} refused; a kept connection {beside['requests']} answers, "
            f"p99 {beside['p99_us'] / 1000:.1f} ms ({told['alone']['p99_us'] / 1000:.1f} alone); longest iteration {longest_ms('n1'):.1f} ms, "
            f"{counter('core_long_iterations')} over 10 ms")


@case("strangers begin 500 ECDSA handshakes a second: nobody calls the node down, and who is connected is answered")
def _():
    return strangers_case("hearth.test", 500)


@case("strangers begin 500 RSA handshakes a second: nobody calls the node down, and who is connected is answered")
def _():
    return strangers_case("rsa.hearth.test", 500)


@case("strangers begin 2,000 RSA handshakes a second: what cannot wait is refused, nobody calls the node down")
def _():
    return strangers_case("rsa.hearth.test", 2000)
