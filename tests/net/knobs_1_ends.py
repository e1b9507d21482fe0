"""A node with every number of hearth.yaml at each end of its range and beside it, as the table of ranges has them: it runs and answers,
or says in a sentence why this machine cannot. A number that an operator may write never ends a node by an assertion."""

import contextlib
import json
import os
import subprocess

from cases import case
from cluster import address
from knobs_0_deploy import SCRIPTS
from node import LAB, ROOT, Http, connect, connect_tls, ctl, hearthd_pid, run, stat_fields, until

TABLE = os.path.join(ROOT, "build", "tests", "unit", "control", "config", "test_conf_numbers")
EXTRA = os.path.join(ROOT, "build", "lab", "config-extra")
NODE = "n1"


def read_table():
    lines = subprocess.run([TABLE, "list"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    rows = (line.split("\t") for line in lines)
    return {path: [int(number) for number in numbers] for path, *numbers in rows}


NUMBERS = read_table()  # default, minimum, maximum, by path

# What takes memory, a CPU, a process or a port for itself: each alone, for what cannot be had here must not hide the others.
ALONE = ["memory_mb", "control_cpu", "cells.max", "cells.larges", "limits.conns", "limits.chunks", "port.vlan", "listen.https", "listen.http"]
# Of these a machine need not have the most.
MAY_BE_TOO_MUCH = ["memory_mb", "control_cpu", "limits.conns", "limits.chunks"]


def ends(path):
    _, least, most = NUMBERS[path]
    return [least, least + 1, most - 1, most]


def without_conflict(values):
    """What one number says of another (conf_check.h) holds: the other one gives way."""
    if "limits.cpu_ms" in values:
        values["limits.wall_ms"] = max(values["limits.wall_ms"], values["limits.cpu_ms"])
    return values


def write_config(values):
    """The lab's own configuration of the node, but for the blocks that hold one of these."""
    blocks = {"listen": {"https": 443, "http": 80}, "limits": {"wall_ms": 20000}}
    if any(path.startswith("port.") for path in values):
        blocks["port"] = {"device": "net_af_packet0,iface=eth0", "addresses": ["10.77.0.1/24", "fd77::1/64"]}
    for path, value in values.items():
        block, _, key = path.rpartition(".")
        (blocks.setdefault(block, {}) if block else blocks)[key] = value
    with open(EXTRA, "w") as file:
        for key, value in blocks.items():
            file.write(f"{key}: {json.dumps(value)}\n")


def log():
    with open(os.path.join(ROOT, "build", "lab", NODE, "hearthd.log")) as file:
        return file.read()


def config_of(text):
    """"BLOCK.KEY" -> value, of what hearthctl prints."""
    found, block = {}, ""
    for line in text.splitlines():
        key, _, value = line.strip().partition(":")
        if not line.startswith(" "):
            block = "" if value else key + "."
        found[(block if line.startswith(" ") else "") + key] = value.strip()
    return found


def answers(values):
    """An answer of a script at home here, and of one at the other node, or that they cannot be asked."""
    if values.get("port.vlan"):
        return
    port = values.get("listen.http", 80)
    if port == 0:
        port = 443
    for script in SCRIPTS:
        def is_answered():
            with contextlib.suppress(OSError, EOFError):
                return ask_at(port, script)
        assert until(is_answered, f"an answer of {script}", 20) in (200, 503, 504)


def ask_at(port, script):
    host = f"{script}.hearth.test"
    with Http(connect_tls(host, address(NODE)) if port == 443 else connect(address(NODE), port)) as client:
        return client.request("GET / HTTP/1.1", host).status


def try_it(values):
    """None: it ran. Else why not."""
    run(LAB, "kill", NODE, "TERM")
    began = len(log())
    write_config(values)
    started = run(LAB, "start", NODE, check=False)
    said = log()[began:]
    if started.returncode:
        assert "start failed: " in said and "stop done" in said, f"{values}: {said[-800:]}"
        return said.split("start failed: ", 1)[1].splitlines()[0]
    in_effect = config_of(ctl("config").stdout)
    for path, value in values.items():
        assert in_effect[path] == str(value), f"{path}: {in_effect[path]}, not {value}"
    answers(values)
    assert stat_fields(hearthd_pid(NODE)), values
    run(LAB, "kill", NODE, "TERM")
    assert log()[began:].rstrip().endswith("stop done"), f"{values}: {log()[-800:]}"
    return None


def at_end(path):
    @case(f"{path} at its ends: the node runs, or says why not")
    def _():
        refused = {}
        for value in ends(path):
            why = try_it({path: value})
            if why:
                refused[value] = why
        assert not refused or path in MAY_BE_TOO_MUCH, refused
        return "; ".join(f"{value}: {why}" for value, why in refused.items())


for alone in ALONE:
    at_end(alone)


@case("all other numbers at their ends: the node runs")
def _():
    rest = [path for path in NUMBERS if path not in ALONE]
    for end in range(4):
        why = try_it(without_conflict({path: ends(path)[end] for path in rest}))
        assert not why, why
    return f"{len(rest)} numbers"
