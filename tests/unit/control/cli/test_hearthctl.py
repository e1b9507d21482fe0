#!/usr/bin/env python3
"""test_hearthctl.py HEARTHCTL: what the program says of files, by exit code and text. No hearthd runs."""

import json
import os
import subprocess
import sys
import tempfile

HEARTHCTL = os.path.abspath(sys.argv[1])
CONFIG = """node: n1
port: {device: x, addresses: [10.0.0.1/24]}
cores: [0]
listen: {https: 0, http: 80}
"""


def hearthctl(*arguments):
    done = subprocess.run([HEARTHCTL, "--socket", "/nonexistent/ctl.sock", *arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


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


def check_looks_for_the_files_that_a_start_needs(root):
    write(f"{root}/there", "")
    write(f"{root}/good.yaml", CONFIG + f"runtimes: {{node_exe: {sys.executable}, program: {root}/there, blob: {root}/there}}\n")
    code, out, err = hearthctl("check", f"{root}/good.yaml")
    assert code == 0, err
    write(f"{root}/bad.yaml", CONFIG + f"""runtimes:
  node_exe: {root}/there
  program: {root}/not-there
  blob: {root}/there
""")
    code, out, err = hearthctl("check", f"{root}/bad.yaml")
    lines = err.replace(root, "R").splitlines()
    assert code == 1 and lines == [
        "R/bad.yaml:6: runtimes.node_exe: V8 executable R/there: Permission denied",
        "R/bad.yaml:7: runtimes.program: runtime program R/not-there: No such file or directory",
    ], lines


for test in (check_looks_for_the_files_that_a_start_needs, a_refusal_as_json_has_the_warnings_too):
    with tempfile.TemporaryDirectory(prefix="hearth-test-hearthctl-") as directory:
        test(directory)
        print(f"ok - {test.__name__.replace('_', ' ')}")
