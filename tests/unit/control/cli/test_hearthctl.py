#!/usr/bin/env python3
"""test_hearthctl.py HEARTHCTL: what the program says of files, by exit code and text. No hearthd runs."""

import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading

HEARTHCTL = os.path.abspath(sys.argv[1])
CONFIG = """node: n1
port: {device: x, addresses: [10.0.0.1/24]}
cores: [0]
listen: {https: 0, http: 80}
"""


def hearthctl(*arguments, ctl="/nonexistent/ctl.sock"):
    done = subprocess.run([HEARTHCTL, "--socket", ctl, *arguments], capture_output=True, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def answered(root, replies, *arguments):
    """What it prints if hearthd says that."""
    path = f"{root}/ctl.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.bind(path)
        door.listen(1)

        def serve():
            client, _ = door.accept()
            with client:
                size = struct.unpack("<I", client.recv(4, socket.MSG_WAITALL))[0]
                request = json.loads(client.recv(size, socket.MSG_WAITALL))
                client.recv(request.get("payload", 0), socket.MSG_WAITALL)
                for reply in replies:
                    text = json.dumps(reply).encode()
                    client.sendall(struct.pack("<I", len(text)) + text)

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        said = hearthctl(*arguments, ctl=path)
        server.join(20)
        assert not server.is_alive(), said
    os.unlink(path)
    return said


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def deploy_of(root, wrangler):
    write(f"{root}/script/index.js", "export default { fetch() { return new Response('x'); } };\n")
    write(f"{root}/script/wrangler.json", json.dumps({"name": "s", "main": "index.js", **wrangler}, indent=1))
    code, out, _ = hearthctl("deploy", f"{root}/script", "--json")
    reply = json.loads(out)
    assert not reply["ok"] and reply["error"], reply
    return code, reply, [warning["key"] for warning in reply.get("warnings", [])]


def a_refusal_as_json_has_the_warnings_too(root):
    code, reply, warned = deploy_of(root, {"complatibility_date": "2026-01-01", "d1_databases": [{"binding": "DB"}]})
    assert code == 1 and "d1_databases" in reply["error"] and warned == ["complatibility_date"], reply
    code, reply, warned = deploy_of(root, {"complatibility_date": "2026-01-01"})  # good, but there is no hearthd
    assert code == 3 and warned == ["complatibility_date"], reply
    code, reply, warned = deploy_of(root, {})
    assert code == 3 and warned == [], reply


def build_writes_what_deploy_would_send(root):
    deploy_of(root, {"vars": {"A": "1"}, "env": {"e": {"vars": {"A": "2"}}}})
    code, out, err = hearthctl("build", f"{root}/script", "--env", "e")
    assert code == 0 and out.startswith("Total Upload: 0.06 KiB / gzip: ") and f"s-e {root}/script/.hearth/build\n" in out, (out, err)
    with open(f"{root}/script/.hearth/build/manifest.json") as file:
        manifest = json.load(file)
    assert manifest["vars"] == {"A": "2"} and manifest["modules"] == [{"name": "index.js", "bytes": 58}], manifest
    with open(f"{root}/script/.hearth/build/modules/index.js") as file:
        assert len(file.read()) == 58
    code, out, _ = hearthctl("build", f"{root}/script", "--out", f"{root}/a/b", "--json")
    assert code == 0 and json.loads(out)["size"]["bytes"] == 58 and os.path.exists(f"{root}/a/b/modules/index.js"), out
    for wrong in (("build", f"{root}/script", "--env", "f"), ("build", f"{root}/script", "--out", "/proc/no")):
        code, out, err = hearthctl(*wrong)
        assert code == 1 and err, (code, out, err)
    for wrong in (("status", "--env", "e"), ("deploy", f"{root}/script", "--out", "x"), ("status", "--dev-vars")):
        assert hearthctl(*wrong)[0] == 2, wrong


def check_looks_for_the_files_that_a_start_needs(root):
    write(f"{root}/there", "")
    write(f"{root}/good.yaml", CONFIG + f"cells: {{node_exe: {sys.executable}, program: {root}/there, blob: {root}/there}}\n")
    code, out, err = hearthctl("check", f"{root}/good.yaml")
    assert code == 0, err
    write(f"{root}/bad.yaml", CONFIG + f"""cells:
  node_exe: {root}/there
  program: {root}/not-there
  blob: {root}/there
""")
    code, out, err = hearthctl("check", f"{root}/bad.yaml")
    lines = err.replace(root, "R").splitlines()
    assert code == 1 and lines == [
        "R/bad.yaml:6: cells.node_exe: V8 executable R/there: Permission denied",
        "R/bad.yaml:7: cells.program: runtime program R/not-there: No such file or directory",
    ], lines


# An escape sequence, C1, an override, a line of its own.
EVIL = "a\x1b[2J\u009b2J\u202e\u2066\nn1 hearth 1 2 error forged\tb"
CLEAN = "a\ufffd[2J\ufffd2J\ufffd\ufffd n1 hearth 1 2 error forged b"


def what_strangers_say_is_cleaned_for_a_terminal(root):
    ok = {"ok": True}
    line = {"node": "n1", "script": "s", "version": "v", "request": "r", "level": "error", "text": EVIL}
    event = {"us": 1.0, "node": EVIL, "depth": 0, "text": EVIL}
    rows = [
        ("tail", [ok, line], ["tail"]),
        ("tail of a name", [ok, {**line, "node": EVIL, "text": "x"}], ["tail"]),
        ("why", [{**ok, "request": "r", "told_by": "n1", "events": [event]}], ["why", "r"]),
        ("scripts", [{**ok, "scripts": [{"name": EVIL, "routes": [EVIL]}]}], ["scripts"]),
        ("node status", [{**ok, "node": EVIL, "members": [{"name": EVIL}]}], ["node", "status"]),
        ("status", [{**ok, "node": EVIL, "cells": {"last_exit": EVIL}}], ["status"]),
    ]
    for what, replies, arguments in rows:
        code, out, err = answered(root, replies, *arguments)
        assert code == 0 and CLEAN[:5] in out, f"{what}: {code} {out!r} {err!r}"
        assert not any(c in out for c in "\x1b\x9b\u202e\u2066"), f"{what}: {out!r}"
        assert not any(one.startswith("n1 hearth 1 2") for one in out.splitlines()), f"{what}: {out!r}"
        code, out, err = answered(root, replies, *arguments, "--json")
        out = out.lower()
        assert code == 0 and "\\u202e" in out and "\\u001b" in out and "\\u009b" in out and out.isascii(), f"{what}: {out!r}"


def errors_are_cleaned_too(root):
    write(f"{root}/script/index.js", "export default { fetch() { return new Response('x'); } };\n")
    write(f"{root}/script/wrangler.json", json.dumps({"name": "s", "main": "index.js"}))
    refusal = [{"ok": False, "error": "the script does not load: Error: \x1b[2J\u202e\u009b"}]
    code, _, err = answered(root, refusal, "deploy", f"{root}/script")
    assert code == 1 and err == "hearthctl: the script does not load: Error: \ufffd[2J\ufffd\ufffd\n", ascii(err)
    # A tenant's file: the key is theirs, and so is the name of a module.
    write(f"{root}/script/wrangler.json", json.dumps({"name": "s", "main": "index.js", EVIL: 1}))
    code, _, err = hearthctl("deploy", f"{root}/script")
    assert "warning" in err and not any(c in err for c in "\x1b\x9b\u202e\u2066"), ascii(err)
    write(f"{root}/script/wrangler.json", json.dumps({"name": "s", "main": EVIL}))
    code, _, err = hearthctl("deploy", f"{root}/script")
    assert code == 1 and not any(c in err for c in "\x1b\x9b\u202e\u2066"), ascii(err)
    # A name that is no UTF-8.
    code, _, err = hearthctl("deploy", os.fsencode(root) + b"/\xff")
    assert code == 1 and "/\ufffd" in err, ascii(err)
    code, out, _ = hearthctl("deploy", os.fsencode(root) + b"/\xff", "--json")
    assert code == 1 and "/\ufffd" in json.loads(out)["error"], ascii(out)
    write(f"{root}/bad.yaml", CONFIG + '"\\e[2J\\u202e": 1\n')
    code, _, err = hearthctl("check", f"{root}/bad.yaml")
    assert code == 1 and not any(c in err for c in "\x1b\x9b\u202e\u2066"), ascii(err)


def stages(**cycles_and_units):
    return {"cycles_per_us": 2450, "stages": [{"stage": name, "unit": "frames", "text": "x", "cycles": cycles, "units": units}
                                              for name, (cycles, units) in cycles_and_units.items()]}


def cycles_are_shown_of_all_cores_and_of_each(root):
    cores = [{"index": 0, "ledger": stages(receive=(3000, 30), conn=(1000, 0), idle=(4000, 2), timers=(0, 0))},
             {"index": 1, "ledger": stages(receive=(0, 0), conn=(0, 0), idle=(8000, 4), timers=(0, 0))}]
    stats = {"ok": True, "counters": {"rx_frames": 30}, "unaccounted": 0, "cores": cores}
    code, out, _ = answered(root, [stats], "stats", "--cycles")
    rows = [line.split() for line in out.splitlines()]
    assert code == 0 and "rx_frames" not in out and not any(row[:1] == ["timers"] for row in rows), out
    assert rows[1] == ["receive", "75.0", "%", "3000", "100", "frames", "30"], out
    assert rows[2] == ["conn", "25.0", "%", "1000", "0", "frames", "0"], out
    assert rows[3] == ["idle", "12000", "2000", "frames", "6"], out
    assert [line for line in out.splitlines() if line.startswith("busy")] == [
        "busy 25.00 % of 16000 cycles", "busy 50.00 % of 8000 cycles", "busy 0.00 % of 8000 cycles"], out
    code, out, _ = answered(root, [stats], "stats", "--cycles", "--json")
    assert code == 0 and json.loads(out) == stats, out
    code, out, _ = answered(root, [{**stats, "cores": []}], "stats", "--cycles")
    assert code == 0 and "busy 0.00 % of 0 cycles" in out, out
    code, _, err = hearthctl("status", "--cycles")
    assert code == 2 and "usage" in err, err


for test in (cycles_are_shown_of_all_cores_and_of_each, what_strangers_say_is_cleaned_for_a_terminal, errors_are_cleaned_too, check_looks_for_the_files_that_a_start_needs, a_refusal_as_json_has_the_warnings_too,
             build_writes_what_deploy_would_send):
    with tempfile.TemporaryDirectory(prefix="hearth-test-hearthctl-") as directory:
        test(directory)
        print(f"ok - {test.__name__.replace('_', ' ')}")
