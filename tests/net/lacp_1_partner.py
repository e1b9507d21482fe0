"""port.devices, mode lacp: a partner that agrees, a link that goes, a partner that falls silent. tests/metal has Linux's bonding driver as the partner, and
cards."""

import contextlib
import os
import subprocess
import sys

from cases import case
from node import ADDRESS, ADDRESS6, LAB, ROOT, ctl, ctl_json, https, run, unaccounted, until

ENDS = ("n1", "n1.eth1")  # the bridge's
BOTH = ["distributing"] * 2


def members():
    return ctl_json("status")["port"]["members"]


def states():
    return [member["lacp"]["state"] for member in members()]


@contextlib.contextmanager
def partner():
    """Of both links, while the block runs."""
    speaks = subprocess.Popen([LAB, "exec", "br", sys.executable, os.path.join(ROOT, "tests", "metal", "lacp_partner.py"), *ENDS], stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        speaks.kill()
        speaks.wait()


def ask(clients):
    for client in clients:
        assert client.request("GET / HTTP/1.1").status == 200


@case("lacp: without a partner one link is used; with one both are, a lost one is left out, and kept connections go on all the time")
def _():
    until(lambda: states() == ["no partner"] * 2, "both to have no partner", 15)
    assert [member["active"] for member in members()] == [True, False]
    clients = [https(address=(ADDRESS, ADDRESS6)[i % 2]) for i in range(16)]
    ask(clients)
    with partner():
        until(lambda: states() == BOTH, "both to distribute")
        assert all(member["active"] for member in members()) and members()[1]["lacp"]["partner"] == "02:00:00:00:99:02"
        ask(clients)
        assert "lacp distributing  partner 02:00:00:00:99:02 key 9" in ctl("status").stdout
        for end in ENDS:
            run("ip", "-n", "hearth-br", "link", "set", end, "down")
            try:
                until(lambda: "no link" in states(), "the link to be left out")
                ask(clients)
            finally:
                run("ip", "-n", "hearth-br", "link", "set", end, "up")
            until(lambda: states() == BOTH, "both to distribute again")
            ask(clients)
    until(lambda: states() == ["no partner"] * 2, "the partner to be missed", 15)
    assert sum(member["active"] for member in members()) == 1 and ctl_json("status")["ready"]
    ask(clients)
    for client in clients:
        client.close()
    assert unaccounted() == 0
    return f"{ctl_json('status')['port']['switches']} changes"
