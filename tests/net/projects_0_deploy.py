"""Projects as their authors have them (tests/projects): built with npm's packages, deployed, and asked. Always runs."""

import os
import subprocess

from cases import case
from node import ROOT, Skip, deploy

PROJECTS = os.path.join(ROOT, "build", "projects")
# Those whose answers are in projects_1_answers.py.
NAMES = ["hono"]


@case("every project builds and deploys")
def _():
    if subprocess.run([os.path.join(ROOT, "tests", "projects", "install")], stdout=subprocess.DEVNULL).returncode:
        raise Skip("npm's packages cannot be had here")
    deploy(os.path.join(ROOT, "examples", "hello"))
    for name in NAMES:
        deploy(os.path.join(PROJECTS, name))
