"""A start whose top level is dear: from the source, and from a template."""

import json
import os
import statistics
import sys
import time

from benches.lab import CA, LAB, PERF, WORK, fail, in_client, make_cold, note, result, rows_of, run, scripts
from benches.peers import ADDRESS, LOADER, attach_peer, workerd_with

TEXTS = {
    "init": """the first request of a script of 1 MB that does not run, less its second: 1,170 modules' worth of classes and closures, some 100 ms of CPU time;
from its source, and from a template, which hearth makes of a script that was started twice. The peer is workerd with its worker loader, from the
source both times. N is how many first requests""",
}
GOALS = {"init from a template": "<= 10"}
SCRIPTS = 6
MODULES = 1170
PAUSE_MS = 20
TEMPLATE_SECONDS_MAX = 180

MODULE = """const module{n} = (() => {{
  const table = new Map([["id", {n}], ["name", "module {n}"], ["kind", {n} % 7]]);
  class Model{n} {{
    constructor(fields) {{ this.fields = fields; this.seen = new Set(); }}
    get title() {{ return `${{this.fields.name}} ({n})`; }}
    apply(change) {{ for (const [key, value] of Object.entries(change)) this.fields[key] = value; return this; }}
    visit(visitor) {{ if (this.seen.has(visitor)) return 0; this.seen.add(visitor); return visitor(this); }}
  }}
  const validators = Array.from({{ length: 12 }}, (_, i) => (value) => typeof value === "string" && value.length > i + {n} % 5);
  const schema = Object.fromEntries(validators.map((validate, i) => [`field${{i}}`, {{ validate, required: i % 3 === 0, order: i * {n} }}]));
  return {{ table, Model{n}, schema, make: () => new Model{n}(Object.fromEntries(table)) }};
}})();
"""


def source():
    """ECMAScript that hearth and workerd run."""
    modules = "".join(MODULE.format(n=n) for n in range(MODULES))
    everything = f"const all = [{', '.join(f'module{n}' for n in range(MODULES))}];\n"
    return (modules + everything + "const made = all.map((module) => module.make());\n"
            "export default { fetch() { return new Response(made[1].title ? 'Hello, world!\\n' : ''); } };\n")


def deploy_scripts(names, text):
    paths = [os.path.join(WORK, "init", name) for name in names]
    for name, path in zip(names, paths):
        os.makedirs(path, exist_ok=True)
        with open(os.path.join(path, "index.js"), "w") as file:
            file.write(text)
        with open(os.path.join(path, "wrangler.jsonc"), "w") as file:
            json.dump({"name": name, "main": "index.js"}, file)
    run(LAB, "deploy", *paths)


def asked(names):
    """First requests less second ones, in milliseconds: {"hearth": [...], "peer": [...]}."""
    make_cold()
    with workerd_with([LOADER.replace("script.js", "heavy.js")], "ready"):
        seen = json.loads(run(*in_client(sys.executable, os.path.join(PERF, "cold.py"), CA, str(PAUSE_MS), "10.77.0.1", ADDRESS, *names)))
    return {server: [(first - second) / 1e6 for first, second in pairs] for server, pairs in seen.items()}


def copies():
    return sum(script["copies"] for script in scripts())


def await_templates(count):
    deadline = time.monotonic() + TEMPLATE_SECONDS_MAX
    while sum("template" in script for script in scripts()) < count:
        if time.monotonic() > deadline:
            fail("not every script has a template")
        time.sleep(0.2)


def measure(waits, names, text):
    run(LAB, "up", "--config-extra", os.path.join(PERF, "idle.yaml"))
    try:
        attach_peer()
        deploy_scripts(names, text)
        before = copies()
        fresh = asked(names)
        if copies() != before:
            fail("a template was there before it should be")
        for _ in range(2):  # asked for in another second
            time.sleep(1.1)
            run(*in_client("curl", "-sS", "--fail", "--cacert", CA, "-o", "/dev/null", *(f"https://{name}.hearth.test/" for name in names)))
        await_templates(len(names))
        before = copies()
        copied = asked(names)
        if copies() - before < len(names):
            fail("not every start was a copy of a template")
    finally:
        run(LAB, "down")
    for kind, seen in (("source", fresh), ("template", copied)):
        for server, values in seen.items():
            waits.setdefault((kind, server), []).extend(values)


def bench(names, options):
    waits, text = {}, source()
    os.makedirs(WORK, exist_ok=True)
    with open(os.path.join(WORK, "heavy.js"), "w") as file:
        file.write(text)
    for number in range(options.rounds):
        note(f"round {number + 1} of {options.rounds}")
        measure(waits, [f"i{number:03d}" for number in range(SCRIPTS)], text)
    results = [result(f"init from {title}", statistics.median(waits[kind, "hearth"]), "ms", "workerd", statistics.median(waits[kind, "peer"]),
                      len(waits[kind, "hearth"])) for kind, title in (("source", "the source"), ("template", "a template"))]
    return results, rows_of(results)
