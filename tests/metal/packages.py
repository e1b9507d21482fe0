"""packages.py - QEMU and the guest's kernel, unpacked below build/metal/packages, not installed: 90 MB of downloads, once.

QEMU is that of bookworm-backports: the 7.2 of bookworm has no igb, and so no card with virtual functions. What else it needs is bookworm's, as far as
this machine does not have it. The mirror is the one that this machine's apt uses. Nothing of the machine's own apt is written to.
"""

import contextlib
import fcntl
import glob
import os
import shutil
import subprocess

KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
QEMU = ("qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios")  # also where they are installed: the version must be this one
GUEST = ("busybox-static", "kmod", "libkmod2")
MADE_OF = " ".join(("bookworm-backports", *QEMU, *GUEST, "linux-image-amd64"))


class Unreachable(Exception):
    """The mirror does not give what it takes: no network, or no backports there."""


class Packages:
    """Where everything is: root/ has the files as Debian lays them out."""

    def __init__(self, work):
        self.work = work
        self.root = os.path.join(work, "packages")
        self.stamp = os.path.join(work, "packages.complete")

    @property
    def environment(self):
        return {**os.environ, "LD_LIBRARY_PATH": f"{self.root}/usr/lib/x86_64-linux-gnu:{self.root}/lib/x86_64-linux-gnu"}

    @property
    def release(self):
        """The guest's kernel, as uname -r says it."""
        return os.listdir(f"{self.root}/lib/modules")[0]

    def run(self, program, *arguments):
        """A program of theirs, its output as text."""
        return subprocess.run([os.path.join(self.root, program), *arguments], env=self.environment, check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True).stdout

    def get(self):
        """Fetches what is not there. Another run of this tree that does so is waited for."""
        with locked(os.path.join(self.work, "packages.lock")):
            if os.path.exists(self.stamp) and read(self.stamp) == MADE_OF:
                return
            self._fetch()
            with contextlib.suppress(FileNotFoundError):
                os.remove(self.stamp)
            shutil.rmtree(self.root, ignore_errors=True)
            for deb in glob.glob(f"{self.work}/debs/*.deb"):
                subprocess.run(["dpkg", "-x", deb, self.root], check=True)
            shutil.rmtree(f"{self.work}/debs")
            shutil.rmtree(f"{self.work}/apt")
            for name in ("depmod", "modprobe", "rmmod"):
                with contextlib.suppress(FileExistsError):
                    os.symlink("kmod", f"{self.root}/bin/{name}")
            self.run("bin/depmod", "-b", self.root, self.release)
            with open(self.stamp, "w") as file:
                file.write(MADE_OF)

    def _fetch(self):
        own, debs = f"{self.work}/apt", f"{self.work}/debs"
        for name in (f"{own}/lists/partial", f"{own}/cache/archives/partial", f"{own}/none"):
            os.makedirs(name, exist_ok=True)
        shutil.rmtree(debs, ignore_errors=True)
        os.makedirs(debs)
        with open(f"{own}/sources.list", "w") as file:
            for suite in ("bookworm", "bookworm-backports"):
                file.write(f"deb [signed-by={KEYS}] {mirror()} {suite} main\n")
        options = {"Dir::Etc::sourcelist": f"{own}/sources.list", "Dir::Etc::sourceparts": f"{own}/none", "Dir::State::lists": f"{own}/lists",
                   "Dir::Cache": f"{own}/cache", "APT::Sandbox::User": "root", "APT::Update::Error-Mode": "any", "Acquire::Retries": "2"}

        def apt(program, *arguments):
            """What apt-get or apt-cache prints; never a question."""
            command = [program, "-q", *(f"-o{key}={value}" for key, value in options.items()), *arguments]
            done = subprocess.run(command, cwd=debs, stdin=subprocess.DEVNULL, capture_output=True, text=True)
            if done.returncode:
                said = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:"))] or ["it does not say why"]
                raise Unreachable(f"{program} {arguments[0]}: {said[0]}")
            return done.stdout

        apt("apt-get", "update")
        planned = apt("apt-get", "install", "-s", "--no-install-recommends", "-t", "bookworm-backports", QEMU[0])
        qemu = {*QEMU, *(line.split()[1] for line in planned.splitlines() if line.startswith("Inst "))}
        needed = apt("apt-cache", "depends", "linux-image-amd64")
        kernel = next(line.split()[1] for line in needed.splitlines() if line.split()[0] == "Depends:")
        apt("apt-get", "download", "-t", "bookworm-backports", *sorted(qemu))
        apt("apt-get", "download", *GUEST, kernel)


def mirror():
    """Of this machine's apt, for Debian's own packages."""
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"], check=True,
                            capture_output=True, text=True).stdout
    found = [line.split()[0] for line in listed.splitlines() if line.split()[1:] == ["bookworm"]]
    if not found:
        raise Unreachable("this machine's apt has no mirror of bookworm")
    return found[0]


@contextlib.contextmanager
def locked(path):
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def read(path):
    with open(path) as file:
        return file.read()
