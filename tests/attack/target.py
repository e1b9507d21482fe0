"""target.py - the node that is attacked: scripts are put there, asked, and taken away; its processes and what memory they have.

Runs inside the namespace hearth-client (tests/attack/run).
"""

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "net"))
import node  # noqa: E402

HEARTHCTL = os.path.join(node.ROOT, "build", "control", "hearthctl")
OPERATORS, GUESTS = "/run/hearth-lab/n1/ctl.sock", "/run/hearth-lab/n1/accounts.sock"
ATTACKERS, BYSTANDERS = "acme", "beta"  # accounts: each has a token and the guests' socket, as a tenant has
token = {}
ANSWER_BYTES_MAX = 2 << 20  # of an attacker's answer; its client leaves then
KEPT_BYTES_MAX = 1 << 20     # of it, for who wants to look
ANSWER_SECONDS_MAX = 4      # the same
PATIENCE = 40               # seconds until an attacker has an answer, an error or a closed connection: more than any limit of the node

context = node.tls_context()


def host_of(name, account=ATTACKERS):
    return f"{name}.{account}.hearth.test"


# ---- control -------------------------------------------------------------------------------------------------------


def ctl(*arguments, account=ATTACKERS):
    """hearthctl of an account's; None: the operator's. The process that has ended."""
    who = {"HEARTH_TOKEN": token[account]} if account else {}
    return patiently(lambda: subprocess.run([HEARTHCTL, "--socket", GUESTS if account else OPERATORS, *arguments], capture_output=True, text=True, errors="replace",
                          timeout=PATIENCE, env={"PATH": os.environ["PATH"], **who}),
                     lambda done: done.stderr)


def patiently(ask, words):
    """What is asked for, again where an account has had its share of the node's time."""
    end = time.monotonic() + PATIENCE
    while True:
        said = ask()
        if "try again in a moment" not in words(said) or time.monotonic() > end:
            return said
        time.sleep(0.3)


def make_accounts():
    for account in (ATTACKERS, BYSTANDERS):
        made = ctl("account", "add", account, account=None)
        assert made.returncode == 0, made.stderr
        token[account] = ctl("account", "token", account, account=None).stdout.strip()


def write_script(directory, name, source, **more):
    with open(os.path.join(directory, "wrangler.jsonc"), "w") as file:
        json.dump({"name": name, "main": "index.js", **more}, file)
    with open(os.path.join(directory, "index.js"), "w", errors="surrogatepass") as file:
        file.write(source)


def deploy(name, source, account=ATTACKERS, **more):
    """One script of one module. None, or what hearth says against it."""
    with tempfile.TemporaryDirectory() as directory:
        write_script(directory, name, source, **more)
        done = ctl("deploy", directory, account=account)
    return done.stderr.strip() or "no reason given" if done.returncode else None


def delete(name):
    ctl("delete", name)


def deploy_raw(manifest, payload=b"", length=None, frame=None, patience=PATIENCE):
    """What no hearthctl would send: a manifest as it is (JSON text or anything) with a payload, or a frame, in which TOKEN is the attackers'. The reply
    as JSON, None: the connection was closed. Behind a frame nothing follows; behind a deploy the connection stays, for who leaves is not told the
    verdict."""
    text = frame if frame is not None else (b'{"command":"deploy","token":"TOKEN","payload":%d,"manifest":' % len(payload)
                                            + manifest.encode("utf-8", "surrogatepass") + b"}")
    text = text.replace(b"TOKEN", token[ATTACKERS].encode())
    return patiently(lambda: send_raw(text, payload, length, frame is not None, patience), lambda reply: str(reply))


def send_raw(text, payload, length, is_all, patience):
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(patience)
        peer.connect(GUESTS)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            peer.sendall(struct.pack("<I", length if length is not None else len(text)) + text + payload)
            if is_all:
                peer.shutdown(socket.SHUT_WR)
        reply = b""
        with contextlib.suppress(ConnectionResetError):
            while len(reply) < 4 or len(reply) < 4 + struct.unpack("<I", reply[:4])[0]:
                data = peer.recv(65536)
                if not data:
                    break
                reply += data
    return json.loads(reply[4:]) if len(reply) > 4 else None


# ---- requests ------------------------------------------------------------------------------------------------------


def ask(name, path="/", bytes_max=ANSWER_BYTES_MAX, seconds_max=ANSWER_SECONDS_MAX, patience=PATIENCE):
    """One GET on a connection of its own. (status, beginning of the body); 0: the connection ended before a head did. Raises TimeoutError when
    there is neither. Of a body that goes on for long it reads as much as it is told, and leaves."""
    host = host_of(name)
    try:
        with node.connect_tls(host, context=context, timeout=patience) as peer:
            peer.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            return read_answer(peer, bytes_max, seconds_max)
    except TimeoutError:
        raise
    except OSError:
        return 0, b""


def read_answer(peer, bytes_max, seconds_max):
    data = b""
    while b"\r\n\r\n" not in data:
        more = peer.recv(65536)
        if not more:
            return 0, data
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    status, read, end = int(head[9:12]), len(body), time.monotonic() + seconds_max
    body = [body]
    with contextlib.suppress(OSError):  # it is cut, or stands still
        while read < bytes_max and (left := end - time.monotonic()) > 0:
            peer.settimeout(left)
            more = peer.recv(65536)
            if not more:
                break
            read += len(more)
            if read <= KEPT_BYTES_MAX:
                body.append(more)
    return status, b"".join(body)


# ---- processes -----------------------------------------------------------------------------------------------------


def busiest_below(pid, seconds_before):
    """Of the processes below pid the one that has used most CPU time since; seconds_before: cpu_of_all() then."""
    now = cpu_of_all(pid)
    return max(now, key=lambda p: now[p] - seconds_before.get(p, 0))


def cpu_of_all(pid):
    return {p: node.cpu_seconds([p]) for p in node.descendants(pid)}


def memory_mb():
    """Of hearthd and all below it: each page once, divided among those who share it, with page tables."""
    total = 0
    hearthd = node.hearthd_pid()
    for pid in [hearthd] + node.descendants(hearthd):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/smaps_rollup") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
            with open(f"/proc/{pid}/status") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("VmPTE:"))
    return total / 1024
