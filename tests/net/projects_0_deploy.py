"""Projects as their authors have them (tests/projects): built with npm's packages, deployed, and asked. Always runs."""

import os
import subprocess

from cases import case
from node import ROOT, Skip, deploy

PROJECTS = os.path.join(ROOT, "build", "projects")
# Those whose answers are in projects_1_answers.py.
NAMES = ["bcryptjs", "cookie", "date-fns", "drizzle", "fflate", "formats", "graphql-yoga", "hono", "itty-router", "marked", "mcp", "nanoid", "noble-hashes",
         "node", "otplib", "preact", "react", "service-worker", "superjson", "uuid", "wasm-image", "zod"]


@case("every project builds and deploys")
def _():
    if subprocess.run([os.path.join(ROOT, "tests", "projects", "install")], stdout=subprocess.DEVNULL).returncode:
        raise Skip("npm's packages cannot be had here")
    deploy(os.path.join(ROOT, "examples", "hello"))
    failed = [done.stderr for done in (deploy(os.path.join(PROJECTS, name), check=False) for name in NAMES) if done.returncode]
    assert not failed, "\n".join(failed)
