#!/usr/bin/env python3
"""test_wolfssl_cache.py TOOL: of the builds of former flags and compilers those used last stay; what is half done goes, sources do not."""

import os
import subprocess
import sys
import tempfile

KEPT = 6

with tempfile.TemporaryDirectory(prefix="hearth-test-wolfssl-") as cache:
    home = os.path.join(cache, "wolfssl")
    builds = [f"{number:016x}" for number in range(KEPT + 3)]
    for age, name in enumerate(builds + ["sources", "work.0000000000000001"]):
        os.makedirs(os.path.join(home, name, "lib"))
        os.utime(os.path.join(home, name), (1e9 - age, 1e9 - age))
    subprocess.run([sys.argv[1], "prune"], env={**os.environ, "HEARTH_CACHE": cache}, check=True)
    left = sorted(os.listdir(home))
    assert left == [*builds[:KEPT], "lock", "sources"], left
