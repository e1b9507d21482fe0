"""What benches share: where things are, the lab and its client, CPU time and memory of processes, figures."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", ".."))
PERF = os.path.join(ROOT, "tests", "perf")
WORK = os.path.join(ROOT, "build", "bench")
LAB = os.path.join(ROOT, "tools", "lab")
CERT = os.path.join(ROOT, "build", "lab", "certs", "hearth.test.pem")
KEY = os.path.join(ROOT, "build", "lab", "certs", "hearth.test.key")
RSA_CERT = os.path.join(ROOT, "build", "lab", "certs", "rsa.hearth.test.pem")
RSA_KEY = os.path.join(ROOT, "build", "lab", "certs", "rsa.hearth.test.key")
CA = os.path.join(ROOT, "build", "lab", "ca.pem")
ADDRESS = "10.77.0.200"
TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS_MAX = 20
COLD_SECONDS_MAX = 20


def fail(text):
    sys.exit(f"bench: {text}")


def note(text):
    print(text, file=sys.stderr, flush=True)


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        fail(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def family(pid):
    """pid and everything below it."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat") as file:
                children.setdefault(int(file.read().rsplit(")", 1)[1].split()[1]), []).append(int(name))
    found, front = [], [pid]
    while front:
        found += front
        front = [child for parent in front for child in children.get(parent, ())]
    return found


def cpu_seconds(pids):
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def exact_cpu_ns(pids):
    """Of those that live: the kernel's ticks are too coarse for many processes that do next to nothing."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{pid}/task"):
                with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/schedstat") as file:
                    total += int(file.read().split()[0])
    return total


def softirq_seconds():
    with open("/proc/stat") as file:
        return int(file.readline().split()[7]) / TICKS


def memory_bytes(pid):
    """Of the process and all below it: what the kernel counts as theirs, and what it needs to map that."""
    total = 0
    for one in family(pid):
        for path, word in (("smaps_rollup", "Pss:"), ("status", "VmPTE:")):
            with contextlib.suppress(OSError), open(f"/proc/{one}/{path}") as file:
                total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith(word))
    return total


def in_client(*command):
    return ("ip", "netns", "exec", "hearth-client", *command)


class Server:
    def __init__(self, name, url, pid):
        self.name, self.url, self.pid = name, url, pid
        self.rps, self.cpu_us, self.cpu_softirq_us = [], [], []


def wait_until_it_answers(server):
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        done = subprocess.run(in_client("curl", "-sS", "--fail", "--tlsv1.3", "--max-time", "2", "--cacert", CA, server.url),
                              capture_output=True, text=True)
        if done.returncode == 0 and done.stdout == "Hello, world!\n":
            return
        if time.monotonic() > deadline:
            fail(f"{server.name} does not answer: {done.stdout}{done.stderr} (logs in build/bench/)")
        time.sleep(0.1)


def measure(server, seconds, *script):
    cpu, softirq = cpu_seconds(family(server.pid)), softirq_seconds()
    seen = run(*in_client("wrk", "-t1", "-c64", f"-d{seconds}s", *script[:2], server.url, *script[2:]))
    cpu, softirq = cpu_seconds(family(server.pid)) - cpu, softirq_seconds() - softirq  # with cells that have come meanwhile
    if "Socket errors" in seen or "Non-2xx" in seen:
        note(f"{server.name}: {' '.join(line.strip() for line in seen.splitlines() if 'errors' in line or 'Non-2xx' in line)}")
    requests = int(re.search(r"(\d+) requests in", seen).group(1))
    if not requests:
        fail(f"{server.name} answered nothing:\n{seen}")
    server.rps.append(float(re.search(r"Requests/sec:\s+([\d.]+)", seen).group(1)))
    server.cpu_us.append(cpu / requests * 1e6)
    server.cpu_softirq_us.append((cpu + softirq) / requests * 1e6)


def first_requests(gap_ms, hosts, count=4):
    return json.loads(run(*in_client(sys.executable, os.path.join(PERF, "warming.py"), CA, "10.77.0.1", str(gap_ms), str(count), *hosts)))


def deploy_hellos(names):
    """"Hello, world!" under each of the names."""
    paths = [os.path.join(WORK, "hellos", name) for name in names]
    for name, path in zip(names, paths):
        shutil.copytree(os.path.join(PERF, "hello"), path, dirs_exist_ok=True)
        with open(os.path.join(path, "wrangler.jsonc"), "w") as file:
            json.dump({"name": name, "main": "src/index.js"}, file)
    run(LAB, "deploy", *paths)


def scripts():
    return json.loads(run(LAB, "ctl", "n1", "scripts", "--json"))["scripts"]


def make_cold():
    """No script has a cell any more, and the spares are there again. hearthd replaces a cell that was used within a second: then once more."""
    deadline = time.monotonic() + COLD_SECONDS_MAX
    while True:
        cells = json.loads(run(LAB, "ctl", "n1", "status", "--json"))["cells"]
        # One that ends before it was ready is the zygote's fault to hearthd, which forks none for a while.
        for pid in (pid for script in scripts() for pid in script["pids"] if not cells["starting"]):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        cells = json.loads(run(LAB, "ctl", "n1", "status", "--json"))["cells"]
        if cells["spare"] and not any(cells[state] for state in ("warm", "starting", "retired", "ending")):
            return
        if time.monotonic() > deadline:
            fail("there are cells that do not end, or no spare ones")
        time.sleep(0.1)


def result(name, value, unit, peer, peer_value, n):
    return {"name": name, "value": round(value, 2), "unit": unit, "peer": peer, "peer_value": round(peer_value, 2),
            "ratio": round(value / peer_value, 3) if peer_value else None, "n": n}


def rows_of(results):
    rows = [["bench", "hearth", "unit", "peer", "peer's", "ratio", "n"]]
    for one in results:
        rows.append([one["name"], f"{one['value']:,.2f}", one["unit"], one["peer"], f"{one['peer_value']:,.2f}",
                     "" if one["ratio"] is None else f"{one['ratio']:.3f}", str(one["n"])])
    return rows


def percentile(values, part):
    return sorted(values)[int(len(values) * part)]
