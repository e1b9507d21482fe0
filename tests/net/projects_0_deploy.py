"""Projects as their authors have them (tests/projects): built with npm's packages, deployed, and asked. Always runs."""

import json
import os
import subprocess

from cases import case
from node import ROOT, Skip, deploy, run

HEARTHCTL = os.path.join(ROOT, "build", "control", "hearthctl")
PROJECTS = os.path.join(ROOT, "build", "projects")
# Their answers are in projects_1_answers.py, those of the last five, which ask a server, in projects_2_world.py.
NAMES = ["bcryptjs", "cookie", "date-fns", "drizzle", "fflate", "formats", "graphql-yoga", "hono", "hono-auth", "itty-router",
         "jose", "jsonwebtoken", "marked", "mcp", "nanoid", "noble-hashes", "node", "otplib", "preact", "react",
         "service-worker", "superjson", "uuid", "wasm-image", "zod", "aws4fetch", "axios", "ky", "openai", "stripe"]
NO_PACKAGES = "npm's packages cannot be had here"


@case("every project builds and deploys")
def _():
    if subprocess.run([os.path.join(ROOT, "tests", "projects", "install")], stdout=subprocess.DEVNULL).returncode:
        raise Skip(NO_PACKAGES)
    deploy(os.path.join(ROOT, "examples", "hello"))
    failed = [done.stderr for done in (deploy(os.path.join(PROJECTS, name), check=False) for name in NAMES) if done.returncode]
    assert not failed, "\n".join(failed)


@case("an environment is another script, with its own vars")
def _():
    said = json.loads(run(HEARTHCTL, "build", os.path.join(ROOT, "tests", "projects", "formats"), "--out", os.path.join(ROOT, "build", "staging"), "--env", "staging", "--json").stdout)
    assert said["name"] == "p-formats-staging" and said["size"]["modules"] == 8, said
    with open(os.path.join(said["out"], "manifest.json")) as file:
        assert json.load(file)["vars"] == {"PLACE": "staging"}
