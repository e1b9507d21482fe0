"""client.py - whoever asks from outside: curl and ping of this kernel, over the taps behind the cards."""

import contextlib
import os
import statistics
import subprocess
import threading

BLOCK = b"abcdefghijklmnopqrstuvwxyz012345\n" * 32  # what tests/metal/big sends as often as it is asked for
ANSWER_SECONDS_MAX = 20
PROMPT_MS = 20  # a core that no interrupt wakes looks every 100 ms

EC = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256"


def make_certificates(folder):
    """ca.pem, and s.pem with s.key for every name below hearth.test."""
    def openssl(command):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    with open(os.path.join(folder, "names"), "w") as file:
        file.write("subjectAltName=DNS:*.hearth.test\n")
    openssl(f"genpkey {EC} -out ca.key")
    openssl("req -x509 -new -key ca.key -days 3 -subj /CN=metal -out ca.pem -addext keyUsage=critical,keyCertSign")
    openssl(f"genpkey {EC} -out s.key")
    openssl("req -new -key s.key -subj /CN=hearth.test -out s.csr")
    openssl("x509 -req -in s.csr -CA ca.pem -CAkey ca.key -days 3 -extfile names -out s.pem")


class Answer:
    def __init__(self, said):
        head, _, self.body = said.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}


class Client:
    """prefix: what runs a command where the client is; else here."""

    def __init__(self, ca, prefix=()):
        self.ca, self.prefix = ca, prefix

    def ask(self, address, script="hello", path="/", patience=ANSWER_SECONDS_MAX):
        """One request on a connection of its own; it must be answered well."""
        host = f"[{address}]" if ":" in address else address
        command = [*self.prefix, "curl", "-sSi", "--http1.1", "-m", str(patience), "--cacert", self.ca, "--connect-to", f"::{host}:443",
                   f"https://{script}.hearth.test{path}"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
        assert done.returncode == 0, done.stderr.decode(errors="replace").strip()
        answer = Answer(done.stdout)
        assert answer.status == 200, f"{answer.status} {answer.body[:200]!r}"
        return answer

    def download(self, address, blocks=1000, **options):
        """That many blocks of 1,056 bytes, each as it should be."""
        body = self.ask(address, "big", f"/?blocks={blocks}", **options).body
        assert body == BLOCK * blocks, f"{len(body)} bytes of {len(BLOCK) * blocks}, or others"

    def ping(self, address, count=11):
        """The median of that many round trips, in ms, each to a core that had the time to fall asleep."""
        done = subprocess.run([*self.prefix, "ping", "-c", str(count), "-i", "0.3", address], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        trips = [float(line.split("time=")[1].split()[0]) for line in done.stdout.splitlines() if "time=" in line]
        assert len(trips) == count, f"{len(trips)} of {count} pings were answered"
        return statistics.median(trips)

    def wakes(self, address):
        """Whether an interrupt wakes a sleeping core, or it is awake; the median, as one trip may be late for other reasons."""
        trip = self.ping(address)
        assert trip < PROMPT_MS, f"a ping takes {trip:.1f} ms"
        return f"a ping takes {trip:.1f} ms"


class Load:
    """Clients that download all the time while the block runs: .good and .bad count their requests."""

    def __init__(self, client, address, clients=2):
        self.good = self.bad = 0
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(client, address)) for _ in range(clients)]

    def _run(self, client, address):
        while not self.ended.is_set():
            try:
                client.download(address, patience=3)
                self.good += 1
            except AssertionError:
                self.bad += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()


@contextlib.contextmanager
def narrow_link(ca):
    """A client at 10.99.50.2 behind a link of 1000 bytes, which says so by ICMP when a larger segment comes. It itself believes in 1500."""
    holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
    inside = ["nsenter", "-t", str(holder.pid), "-n"]

    try:
        while os.readlink(f"/proc/{holder.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            assert holder.poll() is None
        for command in (f"ip link add vr mtu 1000 type veth peer name vc netns {holder.pid}", "ip addr add 10.99.50.1/24 dev vr",
                        "ip link set vr up mtu 1000", "sysctl -qw net.ipv4.ip_forward=1"):
            subprocess.run(command.split(), check=True)
        for command in ("ip addr add 10.99.50.2/24 dev vc", "ip link set vc up mtu 1500", "ip route add default via 10.99.50.1 advmss 1460",
                        "ethtool -K vc gro off"):
            subprocess.run([*inside, *command.split()], check=True, stdout=subprocess.DEVNULL)
        yield Client(ca, inside)
    finally:
        subprocess.run(["ip", "link", "del", "vr"], stderr=subprocess.DEVNULL)
        holder.kill()
        holder.wait()
