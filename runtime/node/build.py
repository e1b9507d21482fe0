#!/usr/bin/env python3
"""Builds the library that hearthctl bundles projects with: build.py ESBUILD OUT

OUT/node/NAME/index.js  a module of Node.js, from NAME.js here or from unenv; it imports others by their names, and hearthctl's esbuild
                        finds these here too. So what two of them share is there once.
OUT/node/modules.json   their names
OUT/node/globals/       what is injected where it is used: process, Buffer, setImmediate
OUT/toml.js             for wrangler.toml, run by V8's own executable
"""

import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
UNENV = os.path.join(ROOT, "node_modules", "unenv", "dist", "runtime", "node")

# require() of them gives what they export; of these the runtime has a part, so they are ES modules, as it imports are.
ES_MODULES = ["async_hooks", "crypto", "process", "zlib"]
COMMONJS = ["assert", "assert/strict", "buffer", "console", "diagnostics_channel", "events", "path", "path/posix", "stream",
            "stream/consumers", "stream/promises", "stream/web", "string_decoder", "timers", "timers/promises", "util", "util/types"]
# What has no meaning here is there as far as it can be imported: a call says that it is not implemented.
FROM_UNENV = ["child_process", "cluster", "constants", "dgram", "dns", "dns/promises", "domain", "fs", "fs/promises", "http", "http2", "https",
              "inspector", "inspector/promises", "module", "net", "os", "perf_hooks", "punycode", "querystring", "readline",
              "readline/promises", "repl", "sys", "tls", "trace_events", "tty", "url", "v8", "vm", "wasi", "worker_threads"]


def build(esbuild, out, names, source, *options):
    top = {name.split("/")[0] for name in ES_MODULES + COMMONJS + FROM_UNENV}
    entries = []
    for name in names:
        index = name if "/" in name else f"{name}/index"
        entries.append(f"{index}={source(name)}")
    subprocess.run([esbuild, *entries, "--bundle", "--platform=browser", "--target=es2024", f"--outdir={out}", "--log-level=warning",
                    "--legal-comments=none", "--external:node:*", "--external:cloudflare:*", "--external:hearth:*",
                    *(f"--external:{name}" for name in sorted(top)), *options], check=True)


def main(esbuild, out):
    node = os.path.join(out, "node")
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(node)
    build(esbuild, node, COMMONJS, lambda name: os.path.join(HERE, f"{name}.js"), "--format=cjs")
    build(esbuild, node, ES_MODULES, lambda name: os.path.join(HERE, f"{name}.js"), "--format=esm")
    build(esbuild, node, FROM_UNENV, lambda name: os.path.join(UNENV, f"{name}.mjs"), "--format=esm")
    shutil.copytree(os.path.join(HERE, "globals"), os.path.join(node, "globals"))
    for name, content in (("modules.json", sorted({name.split("/")[0] for name in ES_MODULES + COMMONJS + FROM_UNENV})),
                          ("package.json", {"sideEffects": False})):  # what nobody uses of them is left out
        with open(os.path.join(node, name), "w", encoding="utf-8") as file:
            json.dump(content, file)
    subprocess.run([esbuild, os.path.join(HERE, "toml.js"), "--bundle", "--platform=node", "--format=cjs", f"--outfile={out}/toml.js",
                    "--log-level=warning"], check=True)


main(*sys.argv[1:])
