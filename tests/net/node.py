"""node.py - what the cases know about a node: its certificates, its CLI, its processes, raw clients. Which node, if not n1, they say.

Runs inside the namespace hearth-client, so a plain socket reaches n1 at ADDRESS and ADDRESS6.
Nothing but Python's standard library.
"""

import contextlib
import json
import os
import select
import socket
import ssl
import subprocess
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
LAB = os.path.join(ROOT, "tools", "lab")
CA = os.path.join(ROOT, "build", "lab", "ca.pem")
SCRIPTS = os.path.join(ROOT, "tests", "net", "scripts")
EXAMPLES = os.path.join(ROOT, "examples")
ADDRESS, ADDRESS6 = "10.77.0.1", "fd77::1"
NODE_MAC = bytes.fromhex("026865000101")
CLIENT_MAC = bytes.fromhex("026865000064")
LONG = "LONG" in os.environ  # tests/net/run --long
PATIENCE = 10.0  # seconds until something that must happen counts as not happening


class Skip(Exception):
    """This machine cannot do what the case needs."""


def until(condition, what, patience=PATIENCE):
    """Returns condition()'s first true value; fails when there is none in time."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {patience:g} s for {what}"
        time.sleep(0.01)


# ---- the node from the operator's side -----------------------------------------------------------------------------


def run(*command, check=True, text=True, **options):
    """Runs a command; its output as text. A failure shows what the command said."""
    done = subprocess.run(command, capture_output=True, text=text, timeout=120, **options)
    if check:
        assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}"
    return done


def ctl(*arguments, node="n1", check=True):
    return run(LAB, "ctl", node, *arguments, check=check)


def ctl_json(*arguments, node="n1"):
    return json.loads(ctl(*arguments, "--json", node=node).stdout)


def deploy(*directories, check=True):
    return run(LAB, "deploy", *directories, check=check)


def counters(node="n1"):
    """Counter name -> sum over all dp cores."""
    return ctl_json("stats", node=node)["counters"]


def counter(name, node="n1"):
    return counters(node)[name]


def unaccounted(node="n1"):
    return ctl_json("stats", node=node)["unaccounted"]


class Tail:
    """What `hearthctl tail SCRIPT` says while the block runs: lines as {"level", "text", ...}."""

    def __init__(self, script, node="n1", token=None):
        self.script, self.node, self.lines, self.rest = script, node, [], b""
        self.environment = {**os.environ, **({"HEARTH_TOKEN": token} if token else {})}

    def __enter__(self):
        hearthctl = os.path.join(ROOT, "build", "control", "hearthctl")
        self.process = subprocess.Popen([hearthctl, "--socket", f"/run/hearth-lab/{self.node}/ctl.sock", "tail", self.script, "--json"],
                                        stdout=subprocess.PIPE, env=self.environment)
        os.set_blocking(self.process.stdout.fileno(), False)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def heard(self, text):
        """The lines so far that hold the text."""
        *whole, self.rest = (self.rest + (self.process.stdout.read() or b"")).split(b"\n")
        self.lines += map(json.loads, whole)
        return [line for line in self.lines if text in line.get("text", "")]

    def await_line(self, text, patience=PATIENCE):
        try:
            return until(lambda: self.heard(text), text, patience)[0]
        except AssertionError:
            raise AssertionError(f"no line with {text!r} among {[line.get('text') for line in self.lines]}") from None

    def begin(self, ask):
        """Until it listens: ask() makes the script log "ready"."""
        def is_heard():
            ask()
            return self.heard("ready")
        until(is_heard, "the tail to begin")


def hearthd_pid(node="n1"):
    with open(os.path.join(ROOT, "build", "lab", node, "pid")) as file:
        return int(file.read())


def thread_states(pid):
    """/proc/PID/task/ID/status of all threads of a process: {ID: {"CapEff": ..., ...}}."""
    found = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status") as file:
            found[int(thread)] = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    return found


def is_as_unit(node="n1"):
    """Was hearthd started as deploy/hearth.service says (tools/as_unit)? Then it had CAP_SETPCAP to bound itself, and no more than it kept."""
    states = thread_states(hearthd_pid(node)).values()
    kill, ptrace = 1 << 5, 1 << 19  # one that the unit gives, and one that it does not
    return all(int(s["CapBnd"], 16) & kill and not int(s["CapBnd"], 16) & ptrace and s["NoNewPrivs"] == "1" for s in states)


def stat_fields(pid):
    """/proc/PID/stat from the third field on; None when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def descendants(pid):
    """Living processes below pid."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := stat_fields(name)) and fields[0] != "Z":
            parents[int(name)] = int(fields[1])
    found, front = [], [pid]
    while front:
        front = [child for child, parent in parents.items() if parent in front]
        found += front
    return found


def family(node="n1"):
    """The zygote and all cells."""
    return descendants(hearthd_pid(node))


def zygote_pid(node="n1"):
    return ctl_json("status", node=node)["zygote"]["pid"]


def cell_pids(script, node="n1"):
    """Of the cells that run it."""
    return ctl_json("scripts", script, node=node)["scripts"][0]["pids"]


def cpu_seconds(pids):
    """User and system time that the processes have used so far."""
    ticks = 0
    for pid in pids:
        if fields := stat_fields(pid):
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def busy_percent(pids, seconds=5):
    """CPU time of the processes over that time from now on, in per cent of one CPU."""
    before = cpu_seconds(pids)
    time.sleep(seconds)
    return (cpu_seconds(pids) - before) / seconds * 100


# ---- clients -------------------------------------------------------------------------------------------------------


def curl(*arguments, address=ADDRESS, port=443, check=True):
    """curl against the node, with the lab's CA; HTTP status, headers and body are in its standard output."""
    host = f"[{address}]" if ":" in address else address
    return run("curl", "-sS", "--max-time", "60", "--cacert", CA, "--connect-to", f"::{host}:{port}", *arguments,
               check=check)


def tls_context(**changes):
    context = ssl.create_default_context(cafile=CA)
    for name, value in changes.items():
        setattr(context, name, value)
    return context


def connect(address=ADDRESS, port=443, timeout=PATIENCE):
    peer = socket.create_connection((address, port), timeout=timeout)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return peer


def connect_tls(host="hello.hearth.test", address=ADDRESS, context=None, timeout=PATIENCE):
    return (context or tls_context()).wrap_socket(connect(address, timeout=timeout), server_hostname=host)


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return f"{self.status} {self.body[:80]!r}"


class Http:
    """HTTP/1.1 over a connected socket, as bytes: what is sent is exactly what the case says."""

    def __init__(self, peer):
        self.peer, self.buffer = peer, b""

    def send(self, data):
        self.peer.sendall(data)

    def request(self, head, host="hello.hearth.test", body=b""):
        """request("GET / HTTP/1.1"): a whole exchange on a connection that is kept."""
        head = f"{head}\r\nHost: {host}\r\n".encode()
        if body:
            head += b"Content-Length: %d\r\n" % len(body)
        self.send(head + b"\r\n" + body)
        return self.response(head.startswith(b"HEAD "))

    def _fill(self):
        data = self.peer.recv(65536)
        if not data:
            raise EOFError("connection closed")
        self.buffer += data

    def _take(self, count):
        while len(self.buffer) < count:
            self._fill()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def _line(self):
        while b"\r\n" not in self.buffer:
            self._fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def response(self, is_head=False):
        version, status, _ = (self._line() + b" ").split(b" ", 2)
        assert version == b"HTTP/1.1", f"not a status line: {version!r}"
        headers = {}
        while line := self._line():
            name, value = line.split(b":", 1)
            headers[name.decode().lower()] = value.strip().decode("latin-1")
        status = int(status)
        if is_head or status < 200 or status in (204, 304):
            return Response(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self._line(), 16):
                body += self._take(size)
                assert self._take(2) == b"\r\n"
            while self._line():
                pass
        elif "content-length" in headers:
            body = self._take(int(headers["content-length"]))
        else:
            body = self.rest()
        return Response(status, headers, body)

    def rest(self):
        """Everything up to the end of the connection."""
        with contextlib.suppress(EOFError, ConnectionResetError, ssl.SSLEOFError):
            while True:
                self._fill()
        data, self.buffer = self.buffer, b""
        return data

    def is_closed(self):
        """Waits for the other end to close; anything it still says is an error."""
        return self.rest() == b""

    def close(self):
        self.peer.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def https(host="hello.hearth.test", **options):
    return Http(connect_tls(host, **options))


def get(host="hello.hearth.test", path="/", **options):
    """One request on a connection of its own."""
    with https(host, **options) as client:
        return client.request(f"GET {path} HTTP/1.1", host)


def wait_closed(peers, patience=PATIENCE):
    """Waits until the other end has closed every one of these sockets; returns how many it had not."""
    deadline = time.monotonic() + patience
    poll, waiting = select.poll(), {peer.fileno(): peer for peer in peers}
    for descriptor in waiting:
        poll.register(descriptor, select.POLLIN | select.POLLRDHUP | select.POLLHUP)
    while waiting and (left := deadline - time.monotonic()) > 0:
        for descriptor, events in poll.poll(left * 1000):
            if not events & (select.POLLRDHUP | select.POLLHUP | select.POLLERR):
                with contextlib.suppress(OSError):
                    if waiting[descriptor].recv(4096):
                        continue
            poll.unregister(descriptor)
            del waiting[descriptor]
    return len(waiting)


def good_answers(count):
    """That many requests by as many clients, all of which must be answered well."""
    for _ in range(count):
        answer = get()
        assert answer.status == 200, answer
