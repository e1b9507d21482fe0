"""bird.py - Debian's BGP daemon, one in any namespace of the lab.

  bird.py install        outside of the lab: unpacks it into build/net/, unless it is there or installed
"""

import contextlib
import glob
import os
import shutil
import subprocess
import sys

from node import ROOT, Skip, run, until

WORK = os.path.join(ROOT, "build", "net")
DEBIAN = os.path.join(WORK, "debian-bird")
PACKAGES = ("bird2", "libssh-gcrypt-4")
LIBRARIES = os.path.join(DEBIAN, "usr", "lib", "x86_64-linux-gnu")


def find():
    places = ["/usr/sbin/bird", os.path.join(DEBIAN, "usr", "sbin", "bird")]
    return next((path for path in places if os.access(path, os.X_OK)), None)


def install():
    if find():
        return
    shutil.rmtree(DEBIAN, ignore_errors=True)
    os.makedirs(DEBIAN)
    subprocess.run(["apt-get", "-q", "download", *PACKAGES], cwd=DEBIAN, check=True, stdout=subprocess.DEVNULL)
    for package in glob.glob(os.path.join(DEBIAN, "*.deb")):
        subprocess.run(["dpkg", "-x", package, DEBIAN], check=True)


class Bird:
    """A running one; ask("show ...") as birdc does."""

    def __init__(self, namespace, socket, environment):
        self.namespace, self.socket, self.environment = namespace, socket, environment

    def ask(self, *words):
        birdc = os.path.join(os.path.dirname(find()), "birdc")
        return run("ip", "netns", "exec", f"hearth-{self.namespace}", birdc, "-s", self.socket, *words, check=False,
                   env=self.environment).stdout

    def has_established(self, protocol):
        return "Established" in self.ask("show", "protocols", protocol)


@contextlib.contextmanager
def running(namespace, config):
    """bird in that namespace; it ends as a service that is stopped does."""
    binary = find()
    if not binary:
        raise Skip("no bird: apt-get could not fetch it")
    base = os.path.join(WORK, f"bird-{namespace}")
    socket = f"/run/hearth-lab/bird-{namespace}.ctl"
    environment = {**os.environ, "LD_LIBRARY_PATH": LIBRARIES}
    with open(base + ".conf", "w") as file:
        file.write(config)
    with open(base + ".log", "w") as log:
        daemon = subprocess.Popen(["ip", "netns", "exec", f"hearth-{namespace}", binary, "-f", "-c", base + ".conf", "-s", socket,
                                   "-P", f"/run/hearth-lab/bird-{namespace}.pid"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  env=environment)

    def answers():
        assert daemon.poll() is None, f"bird ended: {open(base + '.log').read().strip()[-300:]}"
        return "BIRD" in peer.ask("show", "status")

    peer = Bird(namespace, socket, environment)
    try:
        until(answers, "bird to answer")
        yield peer
    finally:
        daemon.terminate()
        daemon.wait(20)


if __name__ == "__main__":
    if sys.argv[1:] != ["install"]:
        sys.exit(__doc__)
    install()
